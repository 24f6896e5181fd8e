# The built-in policy: the documented media of Azure Communication Services.
# Media only. Calls also need DNS, signalling names on TCP 443 and 80, and between
# some peers direct media: docs/acs.md says what, and how to say it here.

variable "ingress" {
  description = "the interfaces that the callers are behind, as the firewall names them"
  default     = ["lan0"]
}

variable "table" {
  description = "the family and name of your own nftables table with the forward chain"
  default     = "inet filter"
}

variable "pfsense_interface" {
  description = "the pfSense interface that the callers are behind"
  default     = "lan"
}

variable "from_zones" {
  description = "the Palo Alto zones that the callers are in"
  default     = ["trust"]
}

variable "to_zones" {
  description = "the Palo Alto zones that their calls go to"
  default     = ["untrust"]
}

set "acs_media" {
  description = "Azure Communication Services media: relays and media processors"
  include = [
    # Relays (TURN) and media processors. Microsoft Learn, Azure Communication Services,
    # concepts/voice-video-calling/network-requirements, dated 2023-09-12.
    "20.202.0.0/16",

    # Media of Call Automation, shared with Teams. The same page, a later copy; Microsoft
    # 365 endpoints, ids 11 (UDP) and 12 (TCP 443), copies of June and July 2026.
    "52.112.0.0/14",
    "52.122.0.0/15",
    "2603:1063::/38",
  ]
}

service "media" {
  description = "STUN and TURN, and the TCP fallback"

  # The same page, dated 2023-09-12: relays on 3478; 3479 audio, 3480 video and 3481
  # sharing where Microsoft has switched them on. TCP 443 is where UDP does not pass.
  udp = ["3478-3481"]
  tcp = [443]
}

rule "calls" {
  description = "media of calls, from behind the ingress"
  action      = "allow"
  to          = set.acs_media
  services    = [service.media]
}

# One target for each kind of firewall and VPN client, each in a folder of its own: load
# those that you have, and leave the rest.

# A Linux gateway with nftables: a chain and its sets in your table.
target "nftables" "acs_media" {
  path    = "nftables/acs_media.nft"
  table   = var.table
  hook    = "forward"
  ingress = var.ingress
}

# A Linux gateway with iptables and ipset, beside your own rules.
target "iptables" "acs_ipt" {
  path    = "iptables/acs_media.rules"
  hook    = "forward"
  ingress = var.ingress
}

# pfSense: text for Bulk Import, which needs no web server. The default form, URL tables,
# refreshes itself.
target "pfsense" "acs_pfsense" {
  path      = "pfsense/acs_media.xml"
  form      = "import"
  interface = var.pfsense_interface
}

# Palo Alto: address objects, which need no web server. The default form, external lists,
# refreshes without a commit.
target "paloalto" "acs_paloalto" {
  path       = "paloalto/acs_media.set"
  form       = "objects"
  prefix     = "sallyport-"
  from_zones = var.from_zones
  to_zones   = var.to_zones
  position   = "top"
}

# OpenVPN clients of any system whose tunnel takes the default route. IPv4 only: OpenVPN
# has no way of its own to send IPv6 past its tunnel; docs/targets/openvpn.md has others.
target "openvpn" "acs_openvpn" {
  path     = "vpn/openvpn/acs_media.conf"
  families = ["ipv4"]
  bypass   = set.acs_media
}

# Linux clients with wg-quick whose tunnel takes the default route. For phones, Windows
# and macOS: form = "allowed_ips".
target "wireguard" "acs_wireguard" {
  path   = "vpn/wireguard/acs_media.conf"
  bypass = set.acs_media
}

# The same as data, for a program of yours.
target "generic" "acs_media_plan" {
  path   = "acs_media.json"
  format = "json"
}
