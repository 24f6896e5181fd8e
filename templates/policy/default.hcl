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

target "nftables" "acs_media" {
  path    = "acs_media.nft"
  table   = var.table
  hook    = "forward"
  ingress = var.ingress
}

target "generic" "acs_media_plan" {
  path   = "acs_media.json"
  format = "json"
}
