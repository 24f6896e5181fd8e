# Users of an ocserv whose tunnel takes everything: the documented media ranges go past
# it, over IPv4 and IPv6. In ocserv.conf:
#
#   config-per-user = /etc/ocserv/users/
#   default-user-config = /etc/ocserv/laptops.conf

set "acs_media" {
  include = ["20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "2603:1063::/38"]
}

target "ocserv" "laptops" {
  bypass = set.acs_media
}
