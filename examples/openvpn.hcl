# Laptops whose OpenVPN tunnel takes the default route: the documented media ranges
# go past it. The server pushes the routes:
#
#   config laptops.conf          # a line in the server's file
#
# The first target is of IPv4 only: OpenVPN has no way of its own to send IPv6 past its
# tunnel. The second does it by a script of the client's, the third by what else enters
# the tunnel; docs/targets/openvpn.md has more.

set "acs_media" {
  include = ["20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "2603:1063::/38"]
}

target "openvpn" "laptops" {
  side     = "server"
  families = ["ipv4"]
  bypass   = set.acs_media
}

target "openvpn" "laptop" {
  ipv6   = "script"
  bypass = set.acs_media
}

target "openvpn" "everyone" {
  side   = "server"
  ipv6   = "complement"
  bypass = set.acs_media
}
