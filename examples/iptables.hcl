# A gateway that is run with iptables: its callers may reach the media of Azure
# Communication Services. Sets and chains of ours go beside the gateway's own rules;
# its FORWARD chain jumps to ours once, where it should take effect:
#
#   sallyport generate --policy iptables.hcl --out /etc/sallyport
#   sh /etc/sallyport/calls.load.sh
#   iptables  -C FORWARD -j sallyport_calls || iptables  -I FORWARD 2 -j sallyport_calls
#   ip6tables -C FORWARD -j sallyport_calls || ip6tables -I FORWARD 2 -j sallyport_calls
#
# docs/targets/iptables.md says how to load at boot and how to remove it.

set "callers" {
  include = ["10.20.0.0/16", "fd20::/48"]
}

set "acs_media" {
  include = ["20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "2603:1063::/38"]
}

service "media" {
  udp = ["3478-3481"]
  tcp = [443]
}

rule "media" {
  action   = "allow"
  from     = set.callers
  to       = set.acs_media
  services = [service.media]
}

target "iptables" "calls" {
  hook    = "forward"
  ingress = ["lan0"]
  sets    = "ipset" # or "chains", where there is no ipset
}
