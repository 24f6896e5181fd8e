feed "azure" {}

set "no_include" {         # ERROR: set "no_include" has no include
}
set "empty_list" {
  include = []             # ERROR: include is empty
}
set "host_bits" {
  include = ["52.112.0.1/14"]   # ERROR: 52.112.0.1/14 has host bits set
}
set "mapped" {
  include = ["::ffff:192.0.2.0/120", # ERROR: is an IPv4-mapped IPv6 address
    "::ffff:192.0.2.1"]              # ERROR: is an IPv4-mapped IPv6 address
}
set "everything4" {
  include = ["0.0.0.0/0"]   # ERROR: 0.0.0.0/0 is every IPv4 address
}
set "everything_by_halves" {
  include = ["0.0.0.0/1", "128.0.0.0/1"]   # ERROR: include comes to every IPv4 address
}
set "everything6" {
  include = ["::/0"]        # ERROR: ::/0 is every IPv6 address
}
set "everything_range" {
  include = ["0.0.0.0-255.255.255.255"]   # ERROR: is every IPv4 address
}
set "word_any" {
  include = any             # ERROR: any cannot be the value of include
}
set "list_any" {
  include = ["192.0.2.0/24", any]   # ERROR: any cannot be part of a list
}
set "name" {
  include = ["teams.microsoft.com"] # ERROR: "teams.microsoft.com" is not an address
}
set "netmask" {
  include = ["10.0.0.0/255.0.0.0"]  # ERROR: is not an address
}
set "too_long" {
  include = ["10.0.0.0/33"]         # ERROR: is not an address
}
set "blanks" {
  include = ["10.0.0.0 - 10.0.0.9"] # ERROR: is not an address
}
set "backwards" {
  include = ["10.0.0.9-10.0.0.1"]   # ERROR: 10.0.0.9-10.0.0.1 ends before it starts
}
set "mixed" {
  include = ["10.0.0.1-2001:db8::1"] # ERROR: mixes address families
}
set "zone" {
  include = ["fe80::1%eth0"]        # ERROR: has a zone
}
set "number" {
  include = [10]                    # ERROR: an address belongs here, and this is the number 10
}
set "truth" {
  include = true                    # ERROR: an address belongs here, and this is true
}
set "excluded" {
  include = ["192.0.2.0/24"]
  exclude = ["192.0.0.0/16"]        # ERROR: set "excluded" is empty
}
set "empty_tag" {
  include = [tag(feed.azure, "Empty")]  # ERROR: tag "Empty" of feed azure holds no address
}
set "idle" {
  include = ["192.0.2.0/24"]
  exclude = ["198.51.100.0/24", "203.0.113.0/24"]  # WARNING: exclude removes nothing
}
set "half_idle" {
  include = ["192.0.2.0/24"]
  exclude = [
    "192.0.2.0/25",
    "203.0.113.0/24",               # WARNING: this exclusion removes nothing
  ]
}
set "unknown_tag" {
  include = [tag(feed.azure, "AzureCloud.westeurop")]  # ERROR: no tag "AzureCloud.westeurop" in feed azure, change 398
}
set "communication" {
  include = [tag(feed.azure, "AzureComunicationServices")] # ERROR: no tag "AzureComunicationServices" in feed azure
}
set "few_arguments" {
  include = [tag("AzureCloud")]     # ERROR: tag() takes a feed and the name of a tag
}
set "quoted_feed" {
  include = [tag("azure", "Storage")] # ERROR: the first argument of tag() is a feed
}
set "no_feed" {
  include = [tag(feed.azur, "Storage")] # ERROR: there is no feed "azur"
}
set "not_feed" {
  include = [tag(set.idle, "Storage")]  # ERROR: set.idle is a set, and a feed belongs here
}
set "number_tag" {
  include = [tag(feed.azure, 5)]    # ERROR: the name of a tag is a string
}
set "no_tags" {
  include = [tag(feed.azure, [])]   # ERROR: tag() got an empty list of tags
}
set "function" {
  include = [concat(["192.0.2.0/24"], [])]  # ERROR: there is no function "concat"
}
set "feed_itself" {
  include = [feed.azure]            # ERROR: feed.azure is a feed, and a set belongs here
}
set "null_value" {
  include = null                    # ERROR: null is not a value here
}
set "map_for" {
  include = {for x in ["192.0.2.0/24"] : x => x} # ERROR: makes a map
}
set "desc" {
  description = 5                   # ERROR: description is a string, and this is the number 5
  include     = ["192.0.2.0/24"]
}
rule "uses_all" {
  action = "deny"
  to = [set.no_include, set.empty_list, set.host_bits, set.mapped, set.everything4, set.everything_by_halves, set.everything6,
    set.everything_range, set.word_any, set.list_any, set.name, set.netmask, set.too_long, set.blanks,
    set.backwards, set.mixed, set.zone, set.number, set.truth, set.excluded, set.empty_tag, set.idle,
    set.half_idle, set.unknown_tag, set.communication, set.few_arguments, set.quoted_feed, set.no_feed,
    set.not_feed, set.number_tag, set.no_tags, set.function, set.feed_itself, set.null_value, set.map_for, set.desc]
  services = any
}
