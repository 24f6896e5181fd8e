# Laptops with GlobalProtect: the documented media ranges go past the tunnel. On the
# firewall, in configuration mode:
#
#   all lines of branch.set but those with #; then commit
#
# docs/targets/globalprotect.md says the rest.

set "acs_media" {
  include = ["20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "2603:1063::/38"]
}

target "globalprotect" "branch" {
  gateway    = "Branch-GW"
  config     = "Laptops"
  max_routes = 200 # every app is 4.1 or later
  bypass     = set.acs_media
}
