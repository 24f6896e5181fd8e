#!/bin/sh
# made by sallyport test for target edge: edits are lost at the next run
# policy: policy.hcl, sha256 abababababababab
# feed: azure (azure public), change 398, sha256 cdcdcdcdcdcdcdcd
# counts: 1 rule, 1 set, 3 IPv4 and 1 IPv6 ranges
# routes: bypass of IPv4 and IPv6: the addresses of cloud go past the VPN, the rest through it
# on every protocol and port: routes cannot tell ports apart

# For the network access resource /Common/vpn/laptops-2.0, whose clients send everything else into
# the tunnel: its traffic options say so, and stay as they are.
# Edge Clients on macOS were said to ignore IPv6 here (F5, 2020): try yours.
# The lists are this script's alone; clients take them when they next connect.
# Load:   on the active BIG-IP, as root: sh edge.sh; then tmsh save /sys config,
#         and on a pair tmsh run /cm config-sync to-group GROUP.
# Remove: tmsh modify /apm resource network-access /Common/vpn/laptops-2.0 address-space-exclude-subnet none ipv6-address-space-exclude-subnet none
# shellcheck disable=SC1083,SC2086 # words for tmsh, which puts them together again
{ # all of it, or nothing
set -euf
four='
{subnet 20.202.0.0/16 }
{subnet 52.112.0.0/14 }
{subnet 52.122.0.0/15 }
'
six='
{subnet 2603:1063::/38 }
'

tmsh modify /apm resource network-access /Common/vpn/laptops-2.0 \
  address-space-exclude-subnet { $four } \
  ipv6-address-space-exclude-subnet { $six }
tmsh modify /apm profile access /Common/portal generation-action increment
tmsh modify /apm profile access phones generation-action increment
}
