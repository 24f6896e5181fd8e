# Laptops with F5's Edge Client, whose tunnel takes everything: the documented media
# ranges go past it. On the active BIG-IP:
#
#   sh laptops.sh
#   tmsh save /sys config
#
# docs/targets/f5.md says what the network access resource needs besides.

set "acs_media" {
  include = ["20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "2603:1063::/38"]
}

target "f5" "laptops" {
  resource = "/Common/laptops"
  profiles = ["/Common/portal"]
  bypass   = set.acs_media
}
