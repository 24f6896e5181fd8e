set "a" {
  include = ["192.0.2.0/24"],   # ERROR: unexpected comma after argument
}
set "b" {
  include = ["192.0.2.1/24"]      # ERROR: has host bits set
}
rule "c" {
  action   = "allow"
  to       = [set.a, set.lost]     # no cascade: a broken block may have held it
  services = any
}
