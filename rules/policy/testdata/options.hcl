set "media" {
  include = ["192.0.2.0/24"]
}
rule "calls" {
  action   = "allow"
  to       = set.media
  services = any
}
target "nftables" "unknown" {
  tabel  = "inet filter"            # ERROR: target kind nftables has no option "tabel"
  secret = "x"                      # ERROR: target kind nftables has no option "secret"
  budjet {                          # ERROR: target kind nftables has no block "budjet"
    routes = 1
  }
}
target "nftables" "shapes" {
  budget = 5                        # ERROR: budget is a block
  hook {                            # ERROR: hook is not a block
  }
}
target "nftables" "types" {
  hook    = 5                       # ERROR: option hook: a string belongs here, and this is the number 5
  dscp    = "true"                  # ERROR: option dscp: true or false belongs here
  level   = "3"                     # ERROR: option level: a number belongs here, and this is the string "3"
  count   = -1                      # ERROR: option count: -1 is negative
  ratio   = "x"                     # ERROR: option ratio: a number belongs here
  share   = "120%"                  # ERROR: option share: "120%" is not a share
  shares  = ["5%", "x"]             # ERROR: option shares: "x" is not a share
  wait    = 30                      # ERROR: option wait: a time belongs here
  keep    = ["x"]                   # ERROR: "x" is not an address
  tags    = ["a"]                   # ERROR: option tags is a map
  ingress = ["lan0", 5]             # ERROR: option ingress: a string belongs here
}
target "nftables" "ranges" {
  level = 128                       # ERROR: option level: 128 is too large
  count = 1.5                       # ERROR: option count: a whole number belongs here, and this is 1.5
  wait  = "soon"                    # ERROR: option wait: "soon" is not a time
  share = true                      # ERROR: option share: a string belongs here, and this is true
  tags  = { a = "x", a = "y" }      # ERROR: tags has "a" twice
}
target "nftables" "blocks" {
  budget {
    routs = 5                       # ERROR: target kind nftables has no option "routs"
  }
  budget {                          # ERROR: there are two budget blocks
  }
}
target "nftables" "inner" {
  budget {
    routes      = "many"            # ERROR: option budget.routes: a number belongs here
    max_missing = "-1%"             # ERROR: option budget.max_missing: "-1%" is not a share
    must        = set.medea         # ERROR: there is no set "medea"
  }
}
target "nftables" "zones" {
  zone "a" {                        # ERROR: option zone.0.idle is missing
    links = ["x"]
  }
  zone {                            # ERROR: a zone takes 1 label, and this has 0
    idle = "5s"
  }
}
target "strict" "lacking" {         # ERROR: option device is missing # ERROR: block limits is missing
}
target "generic" "optionless" {
  table = "x"                       # ERROR: target kind generic has no option "table"
}
