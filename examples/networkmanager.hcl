# NetworkManager: the documented media ranges go past a VPN, as routes of the uplink's
# profile; and a VPN that carries them and nothing else. Append each file to the profile
# that it is for, or name that with the option profile.
#
#   nmcli connection reload && nmcli device reapply eth0

set "acs_media" {
  include = ["20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "2603:1063::/38"]
}

target "networkmanager" "uplink" {
  gateway4 = "192.0.2.1"
  gateway6 = "fe80::1"
  bypass   = set.acs_media
}

target "networkmanager" "vpn" {
  include = set.acs_media
}
