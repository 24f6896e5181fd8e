accept "unused" {                   # ERROR: accept stands outside of any block
  reason = "x"
}
set "used" {
  include = ["192.0.2.0/24"]
  accept "unusd" {                  # ERROR: there is no warning "unusd" to accept
    reason = "x"
  }
  accept "unused" {                 # ERROR: accept has no reason
  }
  accept "idle-exclude" {
    reason = " "                    # ERROR: the reason is empty
  }
  accept {                          # ERROR: accept takes the ID of a warning
    reason = "x"
  }
  accept "a" "b" {                  # ERROR: accept takes the ID of a warning
    reason = "x"
  }
  accept "no-address" {
    reson = 5                       # ERROR: an accept has no argument "reson" # ERROR: reason is a string
  }
  accept "expired" { reason = "once" }
  accept "expired" { reason = "again" } # ERROR: "expired" is accepted twice
  accept "shadowed" {
    why    = "x"                    # ERROR: an accept has no argument "why"
    reason = "x"
    more {                          # ERROR: an accept holds no blocks
    }
  }
  acept "unused" {                  # ERROR: a set holds no blocks
    reason = "x"
  }
}
set "argument" {
  include = ["198.51.100.0/24"]
  accept  = "unused"                # ERROR: accept is a block
}
rule "r" {
  action   = "allow"
  to       = [set.used, set.argument]
  services = any
  accept "unjudged" {
    reason = "${var.nobody}"        # ERROR: there is no variable "nobody"
  }
}
target "nftables" "t" {
  budget {
    accept "unused" {               # ERROR: target kind nftables has no block "accept"
      reason = "x"
    }
  }
  accept "unused" { reason = "of the target" }
}
target "openvpn" "u" {
  bypass = ["192.0.2.0/24", "2001:db8::/32"]
  accept = "x"                      # ERROR: accept is a block
}
