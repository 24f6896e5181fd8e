# A Linux machine whose VPN takes the default route: the documented media ranges keep
# to the uplink.
#
#   sh media.load.sh

set "acs_media" {
  include = ["20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "2603:1063::/38"]
}

target "iproute" "media" {
  gateway4 = "192.0.2.1"
  gateway6 = "fe80::1"
  device   = "eth0"
  bypass   = set.acs_media
}
