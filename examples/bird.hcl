# A Linux router with BIRD whose VPN takes the default route: the documented media
# ranges keep to the uplink. In bird.conf, once:
#
#   include "media.conf";
#   protocol kernel { ipv4 { export where proto = "sallyport_media_v4"; }; }
#   protocol kernel { ipv6 { export where proto = "sallyport_media_v6"; }; }
#
# and then, whenever the list has changed:
#
#   birdc configure

set "acs_media" {
  include = ["20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "2603:1063::/38"]
}

target "bird" "media" {
  gateway4 = "192.0.2.1"
  gateway6 = "fe80::1"
  device   = "eth0"
  bypass   = set.acs_media
}
