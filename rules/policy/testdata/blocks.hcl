colour = "red"             # ERROR: colour stands outside of any block

rul "a" {                  # ERROR: there is no kind of block "rul"
  log = "yes"              # ERROR: log is true or false
}
blob "a" {                 # ERROR: there is no kind of block "blob"
}
set {                      # ERROR: a set takes 1 label, and this has 0 labels
  include = ["192.0.2.0/24"]
}
target "nftables" {        # ERROR: a target takes 2 labels, and this has 1 label
}
set "a" "b" {              # ERROR: a set takes 1 label, and this has 2 # ERROR: set "b" has no include
}
set "my-set" {             # ERROR: "my-set" cannot name a set
  include = ["192.0.2.0/24"]
}
set "1a" {                 # ERROR: "1a" cannot name a set
  include = ["192.0.2.0/24"]
}
set "naïve" {              # ERROR: cannot name a set
  include = ["192.0.2.0/24"]
}
set "any" {                # ERROR: "any" is a word of the language and cannot name a set
  include = ["192.0.2.0/24"]
}
rule "a_name_of_just_more_than_forty_characters" { # ERROR: has 41 characters
  action   = "allow"
  to       = any
  services = any
}
set "twice" {
  include = ["192.0.2.0/24"]
}
set "twice" {              # ERROR: there are two sets "twice"
  include = ["192.0.2.0/25"]
}
set "typo" {
  inclde = ["192.0.2.0/24"]  # ERROR: a set has no argument "inclde"
}
set "nested" {
  include {                  # ERROR: a set holds no blocks
  }
}
rule "uses" {
  action   = "allow"
  to       = [set.typo, set.nested, set.twice]
  services = any
}
