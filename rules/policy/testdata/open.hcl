feed "azure" {}
set "all" {
  include = [tag(feed.azure, "AzureCloud")]
}
set "region" {
  include = [tag(feed.azure, "AzureCloud.westeurope")]
  exclude = [tag(feed.azure, "Storage.WestEurope")]
}
rule "closed" {
  action   = "deny"
  to       = ["203.0.113.0/24", tag(feed.azure, "AzureCloud")]
  services = any
  enabled  = false
}
rule "narrow" {
  action   = "allow"
  to       = [tag(feed.azure, "Storage")]
  services = any
}
rule "open" {
  action   = "allow"
  to       = set.region             # WARNING: anyone can rent the addresses of AzureCloud.westeurope
  services = any
}
target "nftables" "edge" {}
target "openvpn" "laptops" {
  bypass = set.all
}
