feed "m365" {}

names "no_include" {                  # ERROR: names "no_include" has no include
}
names "empty_list" {
  include = []                        # ERROR: names "empty_list" is empty
}
names "emptied" {
  include = ["a.example.com"]         # ERROR: names "emptied" is empty
  exclude = ["A.example.com"]
}
names "not_listed" {
  include = ["*.example.com"]
  exclude = ["a.example.com"]         # ERROR: include does not list "a.example.com"
}
names "inner_star" {
  include = ["a.*.example.com"]       # ERROR: "a.*.example.com" cannot be a host name here
}
names "two_stars" {
  include = ["*.*.example.com"]       # ERROR: "*.*.example.com" cannot be a host name here
}
names "star" {
  include = ["*"]                     # ERROR: "*" cannot be a host name here
}
names "top" {
  include = ["*.com"]                 # ERROR: "*.com" cannot be a host name here
}
names "second" {
  include = ["*.co.uk"]               # ERROR: "*.co.uk" cannot be a host name here
}
names "part_of_a_suffix" {
  include = ["*o.uk"]                 # ERROR: "*o.uk" cannot be a host name here
}
names "made_up" {
  include = ["*.nosuchtop"]           # ERROR: "*.nosuchtop" cannot be a host name here
}
names "single" {
  include = ["localhost"]             # ERROR: "localhost" cannot be a host name here
}
names "dot" {
  include = ["a.example.com."]        # ERROR: "a.example.com." cannot be a host name here
}
names "url" {
  include = ["https://example.com/a"] # ERROR: "https://example.com/a" cannot be a host name here
}
names "address" {
  include = ["192.0.2.1"]             # ERROR: "192.0.2.1" cannot be a host name here
}
names "unicode" {
  include = ["münchen.example"]       # ERROR: "münchen.example" cannot be a host name here
}
names "number" {
  include = [7]                       # ERROR: a host name belongs here, and this is the number 7
}
names "set_reference" {
  include = [set.lan]                 # ERROR: set.lan is a set, and a plain value belongs here
}
names "from_a_feed" {
  include = [names(feed.m365, "16")]  # ERROR: "autodiscover.*.mail.example.net" cannot be a host name here
}
names "no_names" {
  include = [names(feed.m365, "11")]  # ERROR: feed m365 publishes no names for "11"
}
names "no_tag" {
  include = [names(feed.m365, "99")]  # ERROR: no tag "99" in feed m365
}
names "one_argument" {
  include = [names(feed.m365)]        # ERROR: names() takes a feed and the name of a tag, and this has 1 argument
}
names "twice" { include = ["a.example.com"] }
names "twice" { include = ["b.example.com"] }   # ERROR: there are two names "twice"
names "unused" { include = ["a.example.com"] }  # WARNING: names "unused" is not used
names "rented" { include = ["*.azurewebsites.net"] }
names "fine" { include = ["login.example.com", "*.example.com"] }

set "lan" {
  include = ["10.0.0.0/8"]
}
set "of_names" {
  include = [names.fine]              # ERROR: names stand alone
}
service "https" {
  tcp = [443]
}
rule "list" {
  action   = "allow"
  to       = [names.fine, set.lan]    # ERROR: names stand alone
  services = [service.https]
}
rule "sources" {
  action   = "allow"
  from     = names.fine               # ERROR: from takes addresses, and these are host names
  to       = set.lan
  services = [service.https]
}
rule "call" {
  action   = "allow"
  to       = names(feed.m365, "16")   # ERROR: names() gives host names, and another value belongs here
  services = [service.https]
}
rule "unknown" {
  action   = "allow"
  to       = names.fin                # ERROR: there is no names "fin"
  services = [service.https]
}
rule "open" {
  action   = "allow"
  to       = names.rented             # WARNING: anyone can have a name under azurewebsites.net
  services = [service.https]
}
rule "good" {
  action   = "allow"
  to       = names.fine
  services = [service.https]
}
rule "wrong_ports" {
  action   = "allow"
  to       = names.fine
  services = [ports(feed.m365, "16")] # ERROR: these are the ports of "16", and the rule goes to other addresses
}
target "openvpn" "laptops" {
  bypass = names.fine                 # ERROR: bypass takes addresses, and these are host names
}
target "nftables" "edge" {
  hook  = "output"
  rules = [rule.good]
}
rule "uses" {
  action   = "allow"
  to       = [set.of_names, names.twice, # ERROR: names stand alone
    names.no_include,
    names.empty_list,
    names.emptied,
    names.not_listed,
    names.inner_star,
    names.two_stars,
    names.star,
    names.top,
    names.second,
    names.part_of_a_suffix,
    names.made_up,
    names.single,
    names.dot,
    names.url,
    names.address,
    names.unicode,
    names.number,
    names.set_reference,
    names.from_a_feed,
    names.no_names,
    names.no_tag,
    names.one_argument,
  ]
  services = [service.https]
}
