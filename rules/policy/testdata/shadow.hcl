set "low" {
  include = ["192.0.2.0/25"]
}
set "high" {
  include = ["192.0.2.128/25"]
}
service "web" {
  tcp = [80, 443]
}
rule "one" {
  action   = "allow"
  to       = set.low
  services = [service.web]
}
rule "two" {
  action   = "deny"
  to       = set.high
  services = any
}
rule "three" {                      # WARNING: rule "three" decides nothing in target "edge"
  action   = "allow"
  to       = ["192.0.2.64-192.0.2.191"]
  services = [service.web]
}
rule "four" {                       # the whole of it is not covered: other services
  action   = "allow"
  to       = ["192.0.2.0/24"]
  services = any
}
target "nftables" "edge" {}
target "nftables" "core" {
  rules = [rule.three, rule.one]
}
