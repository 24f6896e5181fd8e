# strongSwan with a tunnel that takes everything: the documented media ranges go past
# it, on a gateway only with the ports of calls. The third target is for a tunnel that
# takes these ranges and nothing else: a child of yours inherits from its section.
#
#   cp laptop.conf /etc/swanctl/conf.d/ && swanctl --load-conns

set "acs_media" {
  include = ["20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "2603:1063::/38"]
}

target "strongswan" "laptop" {
  bypass = set.acs_media
}

target "strongswan" "gateway" {
  ports  = ["udp/3478-3481", "tcp/443"]
  bypass = set.acs_media
}

target "strongswan" "media" {
  include = set.acs_media
}
