# A sallyport policy. Check it with:  sallyport check --policy policy.hcl
# and render it with:                 sallyport generate --policy policy.hcl
# docs/policy.md explains every word.

# The week's Azure Service Tags file. It is found and downloaded, and kept in your
# cache folder; --feed azure=FILE uses a file of yours instead.
feed "azure" {}

# Values to set on the command line: --var ingress=lan1,lan2
variable "ingress" {
  description = "the interfaces that the callers are behind"
  default     = ["lan0"]
}

# Azure Communication Services has no service tag. These are the documented media
# ranges; docs/acs.md names the sources.
set "acs_media" {
  include = ["20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "2603:1063::/38"]
}

# A union of two regions and the ranges above, less one service. "sallyport ranges
# list WORD" finds tags.
set "cloud" {
  include = [
    tag(feed.azure, "AzureCloud.westeurope"),
    tag(feed.azure, "AzureCloud.northeurope"),
    set.acs_media,
  ]
  exclude = [tag(feed.azure, "Storage.WestEurope")]
}

service "media" {
  udp = ["3478-3481"]
  tcp = [443]
}

# The first rule that matches decides. A rule describes who opens the connection;
# replies pass by connection state.
rule "calls" {
  action   = "allow"
  from     = ["10.20.0.0/16", "fd20::/48"] # leave out for any source behind the ingress
  to       = set.cloud
  services = [service.media]
}

# Sets and a chain inside a table that you have; your own chain jumps to it.
target "nftables" "edge" {
  path    = "edge.nft"
  table   = "inet filter"
  hook    = "forward"
  ingress = var.ingress
}
