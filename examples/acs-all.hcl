# Everything that calls can go to, from three sources: the documented media ranges,
# Microsoft 365's sets for Teams with the ports that Microsoft publishes for them,
# and regions of Azure for services of yours that take part in calls.
#
#   sallyport ranges coverage 20.202.0.0/16 m365:11 --by AzureCloud
#
# shows why one source is not enough: the Azure cloud's tag holds neither of the
# first two whole.

variable "regions" {
  description = "where your own services run: tags of the Azure feed"
  default     = ["AzureCloud.westeurope", "AzureCloud.northeurope"]
}

feed "azure" {}

feed "m365" {} # the version is asked for once a day, the endpoints when it is new

# docs/acs.md has the sources.
set "acs_media" {
  include = ["20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "2603:1063::/38"]
}

# 11 is the media of Teams, 12 its web. What stands in Teams.Default has names and no
# addresses: let it pass in a proxy.
set "teams" {
  include = [tag(feed.m365, ["11", "12"])]
}

set "calls" {
  include = [set.acs_media, set.teams, tag(feed.azure, var.regions)]
}

service "media" {
  udp = ["3478-3481"]
  tcp = [443]
}

# ports() is for the addresses of its own tag, so each set has a rule of its own.
rule "teams_media" {
  action   = "allow"
  from     = ["10.20.0.0/16", "fd20::/48"]
  to       = tag(feed.m365, "11")
  services = [ports(feed.m365, "11")]
}

rule "teams_web" {
  action   = "allow"
  from     = ["10.20.0.0/16", "fd20::/48"]
  to       = tag(feed.m365, "12")
  services = [ports(feed.m365, "12")]
}

rule "calls" {
  action   = "allow"
  from     = ["10.20.0.0/16", "fd20::/48"]
  to       = set.calls # warning: anyone can rent the addresses of AzureCloud.northeurope
  services = [service.media]
}

target "nftables" "calls" {
  table   = "inet filter"
  hook    = "forward"
  ingress = ["lan0"]
}

# The same as data, for a program of yours.
target "generic" "calls_plan" {
  path = "calls.json"
}
