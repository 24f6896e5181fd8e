set "media" {
  include = ["192.0.2.0/24", "2001:db8:9::/48"]
}
rule "calls" {
  action   = "allow"
  to       = set.media
  services = any
}
target "nftable" "edge" {           # ERROR: there is no kind of target "nftable"
}
target "nftables" "absolute" {
  path = "/etc/nftables.conf"       # ERROR: "/etc/nftables.conf" cannot be an output path
}
target "nftables" "outside" {
  path = "a/../../b"                # ERROR: cannot be an output path
}
target "nftables" "backslash" {
  path = "a\\b"                     # ERROR: cannot be an output path
}
target "nftables" "unclean" {
  path = "./a"                      # ERROR: cannot be an output path
}
target "nftables" "empty" {
  path = ""                         # ERROR: "" cannot be an output path
}
target "nftables" "drive" {
  path = "C:edge"                   # ERROR: cannot be an output path
}
target "nftables" "one" {
}
target "nftables" "one" {           # ERROR: there are two targets "one"
}
target "openvpn" "one" {            # ERROR: there are two targets "one"
  bypass = set.media
}
target "nftables" "families" {
  families = ["ipv5"]               # ERROR: the string "ipv5" is not an address family
}
target "nftables" "nofamily" {
  families = []                     # ERROR: families is empty
}
target "nftables" "default" {
  default = "allow"                 # ERROR: there is no default "allow"
}
target "nftables" "wrongclass" {
  bypass = set.media                # ERROR: target kind nftables has no option "bypass"
}
target "openvpn" "wrongclass2" {
  bypass = set.media
  rules  = [rule.calls]             # ERROR: target kind openvpn has no option "rules"
}
target "openvpn" "neither" {        # ERROR: target "neither" says neither bypass nor include
}
target "openvpn" "both" {
  bypass  = set.media
  include = set.media               # ERROR: target "both" says both bypass and include
}
target "openvpn" "everything" {
  bypass = any                      # ERROR: any cannot be the value of bypass
}
target "generic" "confused" {
  bypass = set.media
  rules  = [rule.calls]             # ERROR: a target with bypass has no rules
}
