# pfSense: hosts that clients sign in at, by name, from the LAN. pfSense resolves the
# names of an alias itself, every five minutes, and takes no wildcards.
#
#   sallyport generate --policy pfsense-names.hcl --out out
#
# Paste out/signin.sp_signin_names.txt into Bulk Import; signin.xml has the steps.
# docs/targets/pfsense.md says what has to hold for names to work.

set "callers" {
  include = ["10.20.0.0/16", "fd20::/48"]
}

names "signin" {
  include = ["login.microsoftonline.com", "login.skype.com"]
}

service "https" {
  tcp = [443]
}

rule "signin" {
  action   = "allow"
  from     = set.callers
  to       = names.signin
  services = [service.https]
}

target "pfsense" "signin" {
  form      = "import"
  interface = "lan"
}
