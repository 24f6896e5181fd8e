# A host that may make calls with Azure Communication Services and nothing else: a
# table of its own on the output hook, which drops what no rule allows.
#
# Try it with a way back: ( sleep 60; nft -f calls_only.remove.nft ) & before the
# file is loaded. Connections that are open stay open; new ones are judged.
#
# Always allowed, without a rule: loopback, established and related packets, DHCP,
# and in IPv6 neighbour discovery and router messages. Everything else that the
# host needs, such as time and updates, wants a rule.

variable "resolvers" {
  description = "the DNS servers that the host asks, as in /etc/resolv.conf"
  default     = ["10.0.0.53", "fd00::53"]
}

set "acs_media" {
  include = ["20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "2603:1063::/38"]
}

service "dns" {
  udp = [53]
  tcp = [53]
}

service "media" {
  udp = ["3478-3481"]
  tcp = [443]
}

service "web" {
  tcp = [443, 80]
}

rule "dns" {
  action   = "allow"
  to       = var.resolvers
  services = [service.dns]
}

rule "media" {
  action   = "allow"
  to       = set.acs_media
  services = [service.media]
}

# The names that calls are set up through have no fixed addresses. Where the host
# has a proxy, allow its address and port instead.
rule "signalling" {
  action   = "allow"
  to       = any
  services = [service.web]
}

target "nftables" "calls_only" {
  placement = "standalone"
  hook      = "output"
  default   = "deny"
}
