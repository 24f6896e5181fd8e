feed "azure" {}
feed "m365" {}
feed "world" {
  kind  = "m365"
  cloud = "worldwid"                # ERROR: m365 has no cloud "worldwid"
}
feed "hurry" {
  kind    = "m365"
  max_age = "59m"                   # ERROR: 59m is too short a time to keep this feed
}
feed "mirror" {                     # a mirror of one's own may be asked more often
  kind    = "m365"
  url     = "https://mirror.example.com/endpoints.json"
  max_age = "5m"
}
feed "text" {                       # ERROR: feed "text" has neither a file nor a url
}
feed "clouded" {
  kind  = "text"
  file  = "own.txt"
  cloud = "public"                  # ERROR: feeds of kind text have no clouds
}
feed "own" {
  kind = "text"
  file = "own.txt"
}

set "fine" {
  include = [feed.own, tag(feed.own, "all"), tag(feed.m365, ["11", "Teams.Optimize", "Exchange.required"]), tag(feed.mirror, "11")]
}
set "nothing_known" {
  include = [tag(feed.world, "11"), tag(feed.hurry, "11"), feed.text, feed.clouded]
}
set "many_tags" {
  include = [feed.m365]             # ERROR: feed.m365 is a feed, and a set belongs here
}
set "no_feed" {
  include = [feed.none]             # ERROR: feed.none is a feed, and a set belongs here
}
set "part_of_feed" {
  include = [feed.own.all]          # ERROR: feed.own is a feed, and a set belongs here
}
set "no_tag" {
  include = [tag(feed.own, "All")]  # ERROR: no tag "All" in feed own
}
set "old_name" {
  include = [tag(feed.m365, "Skype.Optimize")] # ERROR: no tag "Skype.Optimize" in feed m365
}
set "with_names" {
  include = [tag(feed.m365, ["11", "16"])]     # WARNING: "16" of feed m365 has names and no address
}
set "only_names" {
  include = [                       # ERROR: set "only_names" is empty
    tag(feed.m365, "Teams.Default"), # WARNING: "Teams.Default" of feed m365 has names and no address
  ]
}
service "one_feed" {
  tcp = ports(feed.m365, "12")      # ERROR: ports() gives a service, and another value belongs here
}

rule "media" {
  action   = "allow"
  to       = tag(feed.m365, "11")
  services = [ports(feed.m365, "11")]
}
rule "narrower" {
  action   = "allow"
  to       = ["33.113.0.0/16"]
  services = [ports(feed.m365, "12"), ports(feed.m365, "22")] # both hold 33.112.0.0/14
}
rule "unite" {
  action   = "allow"
  to       = tag(feed.m365, ["11", "12"])
  services = [ports(feed.m365, "11"), ports(feed.m365, "12")] # ERROR: these are the ports of "11", and the rule goes to other addresses
}
rule "cross" {
  action   = "allow"
  to       = [tag(feed.m365, "11"), set.fine]
  services = [ports(feed.m365, "11")]  # ERROR: these are the ports of "11", and the rule goes to other addresses
}
rule "anywhere" {
  action   = "deny"
  to       = any
  services = [ports(feed.m365, "11")]  # ERROR: these are the ports of "11", and the rule goes to other addresses
}
rule "area" {
  action   = "allow"
  to       = tag(feed.m365, "Teams")
  services = [ports(feed.m365, "Teams")]  # ERROR: the parts of "Teams" have different ports
}
rule "two" {
  action   = "allow"
  to       = tag(feed.m365, "11")
  services = [ports(feed.m365, "11"), ports(feed.m365, "11")] # ERROR: ports(feed.m365, "11") is listed twice
}
rule "no_ports" {
  action   = "allow"
  to       = tag(feed.azure, "Storage")
  services = [ports(feed.azure, "Storage")] # ERROR: feed azure publishes no ports for "Storage"
}
rule "unknown" {
  action   = "allow"
  to       = tag(feed.m365, "11")
  services = [ports(feed.m365, "111")]      # ERROR: no tag "111" in feed m365
}
rule "a_list" {
  action   = "allow"
  to       = tag(feed.m365, "11")
  services = [ports(feed.m365, ["11"])]     # ERROR: ports() takes one tag, and this is a list
}
rule "a_number" {
  action   = "allow"
  to       = tag(feed.m365, "11")
  services = [ports(feed.m365, 11)]         # ERROR: the name of a tag is a string, and this is the number 11
}
rule "one_argument" {
  action   = "allow"
  to       = tag(feed.m365, "11")
  services = [ports("11")]                  # ERROR: ports() takes a feed and the name of a tag
}
rule "quoted" {
  action   = "allow"
  to       = tag(feed.m365, "11")
  services = [ports("m365", "11")]          # ERROR: the first argument of ports() is a feed
}
rule "not_feed" {
  action   = "allow"
  to       = tag(feed.m365, "11")
  services = [ports(set.fine, "11")]        # ERROR: set.fine is a set, and a feed belongs here
}
rule "misplaced" {
  action   = "allow"
  to       = ports(feed.m365, "11")         # ERROR: ports() gives a service, and another value belongs here
  services = [tag(feed.m365, "11")]         # ERROR: tag() gives addresses, and a plain value belongs here
}
rule "names_only" {
  action   = "allow"
  to       = tag(feed.m365, "16")           # ERROR: to of rule "names_only" is empty # WARNING: "16" of feed m365 has names and no address
  services = [ports(feed.m365, "16")]
}
rule "from_nowhere" {
  action   = "allow"
  from     = tag(feed.azure, "Empty")       # ERROR: tag "Empty" of feed azure holds no address
  to       = any
  services = any
}
rule "uses" {
  action   = "allow"
  to       = [set.nothing_known, set.many_tags, set.no_feed, set.part_of_feed, set.no_tag, set.old_name, set.with_names, set.only_names]
  services = [service.one_feed]
}
target "generic" "plan" {}
