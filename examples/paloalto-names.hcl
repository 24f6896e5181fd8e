# A Palo Alto Networks firewall that lets clients sign in and signal by name, wildcards
# too, and their media by address. The device fetches both lists over https; rules are
# loaded once.
#
#   sallyport generate --policy paloalto-names.hcl --out /srv/lists
#
# docs/targets/paloalto.md says what a list of URLs can and cannot hold, and how the
# other way, FQDN objects, differs. docs/acs.md has the source of the names.

set "callers" {
  include = ["10.20.0.0/16", "fd20::/48"]
}

set "acs_media" {
  include = ["20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "2603:1063::/38"]
}

names "signalling" {
  include = ["*.skype.com", "*.microsoft.com", "*.azure.net", "*.azure.com", "*.office.com"]
}

service "media" {
  udp = ["3478-3481"]
  tcp = [443]
}

service "https" {
  tcp = [443]
}

rule "media" {
  action   = "allow"
  from     = set.callers
  to       = set.acs_media
  services = [service.media]
}

rule "signalling" {
  action   = "allow"
  from     = set.callers
  to       = names.signalling # warning: anyone can have a name under azure.com
  services = [service.https]
}

target "paloalto" "calls" {
  names               = "url"
  from_zones          = ["trust"]
  to_zones            = ["untrust"]
  position            = "before clean up"
  url                 = "https://lists.example.com/sallyport"
  certificate_profile = "lists"
}
