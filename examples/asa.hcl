# Cisco Secure Client users of an ASA whose group policy tunnels everything: the
# documented media ranges go past the tunnel, over IPv4 and IPv6. In the ASA's
# configuration mode:
#
#   all lines of laptops.cfg; then write memory
#
# docs/targets/asa.md says the rest.

set "acs_media" {
  include = ["20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "2603:1063::/38"]
}

target "asa" "laptops" {
  group_policy = "GP-Laptops"
  bypass       = set.acs_media
}
