variable "none" {                   # ERROR: variable "none" has no value
}
variable "reference" {
  default = set.a                   # ERROR: a default cannot refer to anything
}
variable "mixed" {
  default = ["a", 5]                # ERROR: a variable's list holds strings, and this is the number 5
}
variable "map" {
  default = { a = 1 }               # ERROR: this cannot be the value of a variable
}
variable "unused" {                 # WARNING: variable "unused" is not used
  default = "x"
}
variable "site" {
  default = "berlin"
}
set "a" {
  include = var.none
}
set "b" {
  include = concat(var.mixed)       # ERROR: there is no function "concat"
}
set "c" {
  include = var.site ? ["192.0.2.0/24"] : ["198.51.100.0/24"]  # ERROR: a condition is true or false, and this is the string "berlin"
}
set "d" {
  include = [var.reference, var.map]
}
set "e" {
  include = "${var.site}/24"        # ERROR: "berlin/24" is not an address
}
set "f" {
  include = var.site + 1            # ERROR: invalid operand
}
rule "uses" {
  action   = "allow"
  to       = [set.a, set.b, set.c, set.d, set.e, set.f]
  services = any
}
