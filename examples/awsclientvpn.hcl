# An AWS Client VPN endpoint with a split tunnel: the offices' networks enter it, and all
# else, calls among it, goes past it.
#
#   AWS_REGION=eu-west-1 sh offices.sh
#
# docs/targets/awsclientvpn.md says why there is no bypass.

set "offices" {
  include = ["10.0.0.0/16", "10.64.0.0/14", "fd20::/48"]
}

target "awsclientvpn" "offices" {
  endpoint = "cvpn-endpoint-0123456789abcdef0"
  subnets  = ["subnet-0aaaaaaaaaaaaaaaa", "subnet-0bbbbbbbbbbbbbbbb"]
  include  = set.offices
}
