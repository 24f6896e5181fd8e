# A Linux laptop, a desktop with a fixed uplink and a phone, with WireGuard tunnels that
# take everything but the documented media ranges. On Linux, wg-quick's hooks load
# routes past the tunnel, by a script that finds the uplink or by way of the one that is
# named; on the phone, AllowedIPs hold all other addresses.

set "acs_media" {
  include = ["20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "2603:1063::/38"]
}

target "wireguard" "laptop" {
  bypass = set.acs_media
}

target "wireguard" "desk" {
  gateway4 = "192.0.2.1"
  gateway6 = "fe80::1"
  device   = "eth0"
  protocol = 215 # numbers of its own: nobody can tell that it is another machine
  bypass   = set.acs_media
}

target "wireguard" "phone" {
  form   = "allowed_ips"
  bypass = set.acs_media
}
