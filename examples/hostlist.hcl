# The names that calls need for signing in and signalling, as a list for a proxy.
#
#   sallyport generate --policy hostlist.hcl --out out
#
# docs/acs.md has the source of the names; media goes by address, not by name.

names "signalling" {
  include = ["*.skype.com", "*.microsoft.com", "*.azure.net", "*.azure.com", "*.office.com"]
}

service "web" {
  tcp = [80, 443]
}

rule "signalling" {
  action   = "allow"
  to       = names.signalling # warning: anyone can have a name under azure.com
  services = [service.web]
}

target "hostlist" "proxy" {}
