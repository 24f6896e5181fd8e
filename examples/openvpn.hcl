# Laptops whose OpenVPN tunnel takes the default route: the documented media ranges
# go past it. The server pushes the routes:
#
#   config laptops.conf          # a line in the server's file
#
# IPv4 only: OpenVPN cannot send IPv6 past its tunnel. docs/targets/openvpn.md says
# what to do about it.

set "acs_media" {
  include = ["20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "2603:1063::/38"]
}

target "openvpn" "laptops" {
  side     = "server"
  families = ["ipv4"]
  bypass   = set.acs_media
}
