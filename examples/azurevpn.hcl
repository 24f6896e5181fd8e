# Laptops with the Azure VPN Client, whose tunnel takes everything: the documented media
# ranges go past it. IPv4 only: the client's profile has no form for IPv6.
# docs/targets/azurevpn.md says how to put the routes into your own profile.

set "acs_media" {
  include = ["20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "2603:1063::/38"]
}

target "azurevpn" "laptops" {
  families = ["ipv4"]
  bypass   = set.acs_media
}
