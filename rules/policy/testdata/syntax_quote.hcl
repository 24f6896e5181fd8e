set "b" {
  include = ["192.0.2.1/24"]      # ERROR: has host bits set
}
set "a" {
  include = ["192.0.2.0/24]     # ERROR: this string is not closed
}
rule "c" {
  action   = "allow"
  to       = [set.a, set.lost]
  services = any
}
