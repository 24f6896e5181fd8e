# A laptop with openconnect and vpn-slice: everything goes through the tunnel but the
# documented media ranges.
#
#   openconnect --script /etc/vpnc/laptop.sh vpn.example.com

set "acs_media" {
  include = ["20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "2603:1063::/38"]
}

target "vpnslice" "laptop" {
  bypass = set.acs_media
}
