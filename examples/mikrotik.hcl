# A MikroTik router whose VPN takes the default route: the documented media ranges keep to
# the uplink. Once, on the router, with a routing table called uplink:
#
#   /ip firewall mangle
#   add chain=prerouting dst-address-list=sallyport_media action=mark-routing new-routing-mark=uplink passthrough=no
#   add chain=prerouting dst-address-list=sallyport_media_next action=mark-routing new-routing-mark=uplink passthrough=no

set "acs_media" {
  include = ["20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "2603:1063::/38"]
}

target "mikrotik" "media" {
  bypass = set.acs_media
}
