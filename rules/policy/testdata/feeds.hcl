feed "gov" {                        # ERROR: feed "gov" has no kind
}
feed "azure" {
  cloud = "usgv"                    # ERROR: azure has no cloud "usgv"
}
feed "kind" {
  kind = "azur"                     # ERROR: there is no kind of feed "azur"
}
feed "both" {
  kind = "azure"
  file = "a.json"
  url  = "https://example.com/a.json"  # ERROR: feed "both" has a file and a url
}
feed "nofile" {
  kind = "azure"
  file = ""                         # ERROR: the name of the file is empty
}
feed "badurl" {
  kind = "azure"
  url  = "ftp://example.com/a.json" # ERROR: is not the address of a web page
}
feed "password" {
  kind = "azure"
  url  = "https://me:secret@example.com/a.json"  # ERROR: the url holds a user name or a password
}
feed "age" {
  kind    = "azure"
  max_age = "a week"                # ERROR: "a week" is not a time to keep a feed
}
feed "negative" {
  kind    = "azure"
  max_age = "-1h"                   # ERROR: "-1h" is not a time to keep a feed
}
feed "unused" {                     # WARNING: feed "unused" is not used
  kind = "azure"
}
set "all" {                         # nothing cascades from a feed without a value
  include = [for f in ["Storage"] : tag(feed.gov, f)]
}
set "rest" {
  include = [tag(feed.azure, "Storag"), tag(feed.kind, "x"), tag(feed.both, "x"), tag(feed.nofile, "x"), tag(feed.badurl, "x"), tag(feed.password, "x"), tag(feed.age, "x"), tag(feed.negative, "x")]
}
rule "uses" {
  action   = "allow"
  to       = [set.all, set.rest]
  services = any
}
