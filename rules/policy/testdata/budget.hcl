set "media" {
  include = ["192.0.2.0/24", "2001:db8:9::/48"]
}
set "only4" {
  include = ["192.0.2.0/24"]
}
set "only6" {
  include = ["2001:db8:9::/48"]
}
names "hosts" {
  include = ["a.example.com"]
}
service "media" {
  udp = ["3478-3481"]
}
target "openvpn" "one_family" {
  bypass = set.only4                 # ERROR: bypass of target "one_family" holds no IPv6
}
target "openvpn" "other_family" {
  bypass = set.only6                 # ERROR: bypass of target "other_family" holds no IPv4
}
target "openvpn" "on_purpose" {
  bypass   = set.only4
  families = ["ipv4"]
}
target "openvpn" "included" {
  include = set.only4
}
target "openvpn" "both_limits" {
  bypass = set.media
  budget {                           # ERROR: the budget has max_added and max_missing
    routes      = 100
    max_added   = "5%"
    max_missing = "5%"
  }
}
target "openvpn" "shares" {
  bypass = set.media
  budget {
    routes      = 0                  # ERROR: budget.routes is 0
    max_missing = "five"             # ERROR: option budget.max_missing: "five" is no share
  }
}
target "openvpn" "zero" {
  bypass = set.media
  budget {
    routes4 = 0                      # ERROR: budget.routes4 is 0
  }
}
target "openvpn" "alone" {
  bypass = set.media
  budget {
    together = true                  # ERROR: together says nothing here
    routes4  = 9
  }
}
target "openvpn" "everything" {
  bypass = set.media
  budget {
    routes  = 9
    must    = any                    # ERROR: must is any
    protect = any                    # ERROR: protect is any
  }
}
target "openvpn" "by_name" {
  bypass = set.media
  budget {
    routes = 9
    must   = names.hosts             # ERROR: must takes addresses, and these are host names
  }
}
target "openvpn" "typo" {
  bypass = set.media
  budget {
    route = 9                        # ERROR: the block budget has no option "route"
  }
}
target "openvpn" "argument" {
  bypass = set.media
  budget = 9                         # ERROR: budget is a block
}
target "openvpn" "twice" {
  bypass = set.media
  budget {
    routes = 9
  }
  budget {                           # ERROR: there are two budget blocks
    routes = 9
  }
}
target "generic" "of_rules" {
  rules = [rule.blocked]
  budget {                           # ERROR: only a list of routes has a budget
    routes = 9
  }
}
target "openvpn" "good" {
  bypass = set.media
  budget {
    routes   = 9
    together = true
    bytes4   = 2000
    protect  = ["203.0.113.0/24"]
    must     = ["192.0.2.7"]
  }
}
rule "blocked" {
  action   = "reject"
  to       = set.media
  services = [service.media]
  tunnel   = "good"
}
rule "no_such" {
  action   = "reject"
  to       = set.media
  services = [service.media]
  tunnel   = "goud"                  # ERROR: no target "goud" sends addresses past a VPN
}
rule "of_an_include" {
  action   = "reject"
  to       = set.media
  services = [service.media]
  tunnel   = "included"              # ERROR: no target "included" sends addresses past a VPN
}
rule "allowed" {
  action   = "allow"
  to       = set.media
  services = [service.media]
  tunnel   = "good"                  # ERROR: a rule that allows has no tunnel
}
rule "to_names" {
  action   = "reject"
  to       = names.hosts
  services = [service.media]
  tunnel   = "good"                  # ERROR: a rule with tunnel goes to addresses
}
