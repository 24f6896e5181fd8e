# The documented media ranges through a template of yours: routes past a VPN, for
#
#   ip -batch bypass.batch
#
# The template is bypass.batch.tmpl, beside this file; it names the gateway.
# docs/targets/generic.md says what a template can use.
#
# IPv4 only: where the VPN carries IPv6 too, IPv6 media stays inside it.

set "acs_media" {
  include = ["20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "2603:1063::/38"]
}

target "generic" "bypass" {
  path     = "bypass.batch"
  template = "bypass.batch.tmpl"
  families = ["ipv4"]
  bypass   = set.acs_media
}
