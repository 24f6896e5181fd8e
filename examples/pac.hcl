# Browsers whose web traffic goes by a proxy: signalling over the documented ranges goes
# past it. The media of calls takes no heed of a PAC file: give the VPN's own target the
# same list. docs/targets/pac.md says the rest.

set "acs_media" {
  include = ["20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "2603:1063::/38"]
}

names "signalling" {
  include = ["*.trouter.skype.com", "*.communication.azure.com"]
}

target "pac" "office" { # warning: target pac office: a PAC file steers the web traffic of browsers, never the media of calls
  proxies  = ["PROXY proxy.example.com:8080"]
  families = ["ipv4"]
  bypass   = set.acs_media
  names    = names.signalling
}
