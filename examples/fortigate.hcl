# FortiClient users who dial in with IPsec to a FortiGate: the documented media ranges go
# past the tunnel, over IPv4 and IPv6. In the FortiGate's CLI:
#
#   all lines of laptops.conf
#
# docs/targets/fortigate.md says the rest, and how it goes with SSL VPN.

set "acs_media" {
  include = ["20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "2603:1063::/38"]
}

target "fortigate" "laptops" {
  tunnel = "dialup"
  bypass = set.acs_media
}
