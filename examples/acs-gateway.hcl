# A gateway whose clients make calls with Azure Communication Services: media, the
# names that calls are set up through, and DNS. Sets and one chain go into the
# gateway's own table; its own chain jumps to them.
#
#   sallyport generate --policy acs-gateway.hcl --out /etc/sallyport
#
# docs/acs.md has the sources, docs/targets/nftables.md how to load and remove it.

variable "ingress" {
  description = "the interfaces that the callers are behind"
  default     = ["lan0"]
}

variable "resolvers" {
  description = "the DNS servers that the callers ask through this gateway"
  default     = ["10.0.0.53", "fd00::53"]
}

set "callers" {
  include = ["10.20.0.0/16", "fd20::/48"]
}

# Relays and media processors, and the media of Call Automation and Teams.
set "acs_media" {
  include = ["20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "2603:1063::/38"]
}

service "dns" {
  udp = [53]
  tcp = [53]
}

# 3478 carries all media unless Microsoft has switched on a port for each kind:
# 3479 audio, 3480 video, 3481 sharing. TCP 443 is for networks where UDP fails.
service "media" {
  udp = ["3478-3481"]
  tcp = [443]
}

service "web" {
  tcp = [443, 80]
}

rule "dns" {
  action   = "allow"
  from     = set.callers
  to       = var.resolvers
  services = [service.dns]
}

rule "media" {
  action   = "allow"
  from     = set.callers
  to       = set.acs_media
  services = [service.media]
}

# *.skype.com, *.microsoft.com, *.azure.net, *.azure.com and *.office.com have no
# fixed addresses, and nftables matches no names. Where a proxy filters names,
# write its address in place of any.
rule "signalling" {
  action   = "allow"
  from     = set.callers
  to       = any
  services = [service.web]
}

target "nftables" "calls" {
  table   = "inet filter"
  hook    = "forward"
  ingress = var.ingress
  dscp    = true # UDP 3479 EF, 3480 AF41, 3481 AF21
}
