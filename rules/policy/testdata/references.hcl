set "offices" {
  include = ["192.0.2.0/24"]
}
set "typo" {
  include = [set.ofices]            # ERROR: there is no set "ofices"
}
set "bare" {
  include = [offices]               # ERROR: "offices" means nothing here
}
set "wrong_word" {
  include = [sets.offices]          # ERROR: "sets" means nothing here
}
set "foreign" {
  include = [module.net.lan]        # ERROR: "module" means nothing here
}
set "parts" {
  include = [set.offices.first]     # ERROR: set.offices has no parts
}
set "no_name" {
  include = [set]                   # ERROR: set needs a name after it
}
set "in_string" {
  include = ["${set.offices}"]      # ERROR: set.offices is a set, and a plain value belongs here
}
set "no_var" {
  include = [var.sites]             # ERROR: there is no variable "sites"
}
set "tag_in_string" {
  include = ["${tag("a", "b")}"]    # ERROR: tag() gives addresses, and a plain value belongs here
}
set "for_in_value" {
  include = ["${[for x in ["a"] : x][0]}"]  # ERROR: this belongs into a list of its own
}
service "web" {
  tcp = [443]
}
rule "kinds" {
  action   = "deny"
  to       = service.web            # ERROR: service.web is a service, and a set belongs here
  services = [set.offices]          # ERROR: set.offices is a set, and a service belongs here
}
rule "strings" {
  action   = "deny"
  from     = [set.offices, set.typo, set.bare, set.wrong_word, set.foreign, set.parts, set.no_name, set.in_string, set.no_var, set.tag_in_string, set.for_in_value]
  to       = any
  services = ["web"]                # ERROR: a service belongs here, and this is the string "web"
}
rule "twice" {
  action   = "deny"
  to       = any
  services = [service.web, service.web]  # ERROR: service.web is listed twice
}
rule "any_in_list" {
  action   = "deny"
  to       = any
  services = [service.web, any]     # ERROR: any is not a service
}
target "nftables" "edge" {
  rules = [rule.twise]              # ERROR: there is no rule "twise"
}
target "nftables" "core" {
  rules = [rule.twice, rule.twice]  # ERROR: rule.twice is listed twice
}
target "nftables" "lab" {
  rules = []                        # ERROR: rules is empty
}
target "nftables" "home" {
  rules = any                       # ERROR: any is not a rule
}
