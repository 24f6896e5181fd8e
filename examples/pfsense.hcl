# pfSense: calls with Azure Communication Services from the LAN. pfSense fetches the
# addresses as URL tables; pfsense.xml has the steps, the aliases and the rules.
#
#   sallyport generate --policy pfsense.hcl --out /srv/sallyport
#
# Serve /srv/sallyport under the url below. docs/targets/pfsense.md has the two other
# ways: text to paste, and a merge into your config.xml.

set "callers" {
  include = ["10.20.0.0/16", "fd20::/48"]
}

# Relays and media processors, and the media of Call Automation and Teams.
set "acs_media" {
  include = ["20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "2603:1063::/38"]
}

service "media" {
  udp = ["3478-3481"]
  tcp = [443]
}

rule "calls" {
  action   = "allow"
  from     = set.callers
  to       = set.acs_media
  services = [service.media]
}

target "pfsense" "office" {
  path      = "pfsense.xml"
  interface = "lan"
  url       = "https://files.example.net/sallyport"
}
