# WARNING: the policy has no target
set "used" {
  include = ["192.0.2.0/24"]
}
set "unused" {                      # WARNING: set "unused" is not used
  include = ["192.0.2.0/24"]
}
service "unused" {                  # WARNING: service "unused" is not used
  tcp = [443]
}
rule "unused" {
  action   = "deny"
  to       = set.used
  services = any
}
