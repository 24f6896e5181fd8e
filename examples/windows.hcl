# Windows' own VPN client with a tunnel that takes everything but the documented media
# ranges: a whole profile for machines with certificates, and the routes alone for a
# profile that is made elsewhere. And a split tunnel that takes the offices and nothing
# else, by a script for its connection:
#
#   powershell -ExecutionPolicy Bypass -File offices.ps1

set "acs_media" {
  include = ["20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "2603:1063::/38"]
}

target "windows" "office" { # warning: target windows office: Windows needs an IPv6 gateway for IPv6 past the tunnel, and goes wrong in networks without one
  server          = "vpn.example.com"
  trusted_network = "corp.example.com"
  bypass          = set.acs_media
}

target "windows" "parts" { # warning: target windows parts: Windows needs an IPv6 gateway for IPv6 past the tunnel, and goes wrong in networks without one
  form   = "routes"
  bypass = set.acs_media
}

set "offices" {
  include = ["10.0.0.0/8", "fd20::/48"]
}

target "windows" "offices" {
  form       = "powershell"
  connection = "Office"
  include    = set.offices
}
