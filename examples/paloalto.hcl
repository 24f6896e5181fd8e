# A Palo Alto Networks firewall whose clients make calls with Azure Communication
# Services. The device fetches the list of addresses over https by itself, every
# hour, and takes it without a commit; the rules are loaded once.
#
#   sallyport generate --policy paloalto.hcl --out /srv/lists
#
# Serve that folder at the url below. docs/targets/paloalto.md says how to load the
# commands, and how to go without a list server.

set "callers" {
  include = ["10.20.0.0/16", "fd20::/48"]
}

set "acs_media" {
  include = ["20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "2603:1063::/38"]
}

service "media" {
  udp = ["3478-3481"]
  tcp = [443]
}

rule "media" {
  action   = "allow"
  from     = set.callers
  to       = set.acs_media
  services = [service.media]
}

target "paloalto" "calls" {
  from_zones          = ["trust"]
  to_zones            = ["untrust"]
  position            = "before clean up"
  url                 = "https://lists.example.com/sallyport"
  certificate_profile = "lists"
}
