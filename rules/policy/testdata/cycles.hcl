set "alone" {                       # ERROR: in a circle: alone -> alone
  include = [set.alone]
}
set "a" {                           # ERROR: in a circle: a -> b -> c -> a
  include = ["192.0.2.0/24", set.b]
}
set "b" {
  include = ["198.51.100.0/24"]
  exclude = [set.c]
}
set "c" {
  include = [set.a]
}
set "depends" {                     # nothing cascades from a circle
  include = [set.c]
}
rule "uses" {
  action   = "allow"
  to       = [set.depends, set.alone]
  services = any
}
target "nftables" "edge" {}
