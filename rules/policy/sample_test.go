package policy

// sample is the policy of the design document.
const sample = `
feed "azure" {}                                   # kind defaults to the label; discovers the week's file

feed "gov" {
  kind  = "azure"
  cloud = "usgov"                                 # or file, url, max_age
}
set "acs_media" {                                 # the documented media ranges
  include = ["20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "2603:1063::/38"]
}
set "azure_eu" {
  include = [tag(feed.azure, "AzureCloud.westeurope"), tag(feed.azure, "AzureCloud.northeurope"), set.acs_media]
  exclude = [tag(feed.azure, "Storage.WestEurope")]
}
service "media" {
  udp = ["3478-3481"]
  tcp = [443]
}
rule "calls" {
  action   = "allow"
  from     = ["10.20.0.0/16"]                     # absent: any source behind the ingress
  to       = set.azure_eu
  services = [service.media]
}
target "nftables" "edge" {
  path      = "edge.nft"
  rules     = [rule.calls]                        # absent: all
  hook      = "forward"
  ingress   = ["lan0"]
}
target "openvpn" "laptops" {
  path   = "laptops.conf"
  bypass = set.acs_media                          # or include = ...
}
target "globalprotect" "branch" {
  path   = "branch.set"
  bypass = set.azure_eu
  budget {
    routes      = 100
    max_missing = "60%"                           # per family; max_added for the other direction
    must        = [set.acs_media]                 # never left out
  }
}
probe "relay" {
  host = "worldaz.tr.teams.microsoft.com"
  rule = rule.calls
}
`
