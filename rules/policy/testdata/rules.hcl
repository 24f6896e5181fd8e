set "four" {
  include = ["192.0.2.0/24"]
}
set "six" {
  include = ["2001:db8::/32"]
}
set "both" {
  include = [set.four, set.six]
}
service "web" {
  tcp = [443]
}
rule "bare" {                       # ERROR: rule "bare" has no action # ERROR: rule "bare" has no to # ERROR: rule "bare" has no services
}
rule "action" {
  action   = "accept"               # ERROR: there is no action "accept"
  to       = set.four
  services = [service.web]
}
rule "empty" {
  action   = "allow"
  from     = []                     # ERROR: from is empty
  to       = []                     # ERROR: to is empty
  services = []                     # ERROR: services is empty
}
rule "types" {
  action   = true                   # ERROR: action is a string, and this is true
  to       = set.four
  services = [service.web]
  log      = "yes"                  # ERROR: log is true or false, and this is the string "yes"
  enabled  = 1                      # ERROR: enabled is true or false
}
rule "date" {
  action   = "allow"
  to       = set.four
  services = [service.web]
  expires  = "31.1.2027"            # ERROR: "31.1.2027" is not a date
}
rule "expired_allow" {
  action   = "allow"
  to       = set.four
  services = [service.web]
  expires  = "2026-11-22"           # WARNING: rule "expired_allow" expired on 2026-11-22 and is left out
}
rule "expired_deny" {
  action   = "deny"
  to       = set.four
  services = [service.web]
  expires  = "2026-11-22"           # ERROR: rule "expired_deny" expired on 2026-11-22
}
rule "last_day" {
  action   = "allow"
  to       = set.four
  services = [service.web]
  expires  = "2026-11-23"           # WARNING: rule "last_day" expires today
}
rule "soon" {
  action   = "reject"
  to       = set.six
  services = [service.web]
  expires  = "2026-12-07"           # WARNING: rule "soon" expires in 14 days
}
rule "later" {
  action   = "allow"
  to       = ["198.51.100.0/24"]
  services = [service.web]
  expires  = "2026-12-08"
}
rule "no_common_family" {
  action   = "allow"
  from     = set.four
  to       = set.six                # ERROR: rule "no_common_family" can match nothing
  services = [service.web]
}
rule "one_family" {
  action   = "allow"
  from     = ["10.0.0.0/8"]         # WARNING: rule "one_family" has IPv6 destinations and no IPv6 source
  to       = set.both
  services = any
}
rule "other_family" {
  action   = "deny"
  from     = ["fd00::/8"]           # WARNING: rule "other_family" has IPv4 destinations and no IPv4 source
  to       = set.both
  services = any
}
target "nftables" "edge" {
  rules = [rule.one_family, rule.other_family]
}
target "nftables" "core" {
  path  = "core.nft"
  rules = [rule.expired_allow]      # ERROR: target "core" has no rule
}
probe "bare" {                      # ERROR: probe "bare" has no host # ERROR: probe "bare" has no rule
}
probe "url" {
  host = "https://example.com/"     # ERROR: is neither a host name nor an address
  rule = rule.later
}
probe "wild" {
  host = "*.example.com"            # ERROR: is neither a host name nor an address
  rule = rule.later
}
probe "mistyped" {
  host = "192.0.2.256"              # ERROR: is neither a host name nor an address
  rule = [rule.later]               # ERROR: a single rule belongs here
}
probe "norule" {
  host = "example.com"
  rule = rule.lator                 # ERROR: there is no rule "lator"
}
