# Two regions of Azure and the documented media ranges, less the storage of one of
# the regions. The week's Service Tags file is found and downloaded; a file of
# yours takes its place with --feed azure=FILE.
#
#   sallyport ranges list westeurope      finds the names of tags
#   sallyport ranges lookup 52.112.0.1    says which tags hold an address

feed "azure" {}

set "acs_media" {
  include = ["20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "2603:1063::/38"]
}

# exclude wins over include, wherever an address comes from.
set "regions" {
  include = [
    tag(feed.azure, ["AzureCloud.westeurope", "AzureCloud.northeurope"]),
    set.acs_media,
  ]
  exclude = [tag(feed.azure, "Storage.WestEurope")]
}

service "media" {
  udp = ["3478-3481"]
  tcp = [443]
}

rule "calls" {
  action   = "allow"
  from     = ["10.20.0.0/16", "fd20::/48"]
  to       = set.regions # warning: anyone can rent the addresses of AzureCloud.northeurope
  services = [service.media]
}

target "nftables" "regions" {
  table   = "inet filter"
  hook    = "forward"
  ingress = ["lan0"]
}

# The same as data, for a program of yours.
target "generic" "regions_plan" {
  path   = "regions.csv"
  format = "csv"
}
