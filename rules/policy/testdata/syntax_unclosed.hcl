set "a" {                           # ERROR: unclosed configuration block
  include = ["192.0.2.0/24"]

rule "c" {
  action   = "allow"
  to       = set.a
  services = any
}
