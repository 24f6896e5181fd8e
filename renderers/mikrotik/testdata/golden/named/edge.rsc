# made by sallyport test for target edge: edits are lost at the next run
# policy: policy.hcl, sha256 abababababababab
# feed: azure (azure public), change 398, sha256 cdcdcdcdcdcdcdcd
# counts: 1 rule, 1 set, 3 IPv4 and 1 IPv6 ranges
# routes: bypass of IPv4 and IPv6: the addresses of cloud go past the VPN, the rest through it
# on every protocol and port: routes cannot tell ports apart
#
# Mark what goes to past-vpn or past-vpn_next for the routing table of the uplink.
# A new list is filled under the second name, and then takes the first one: while rules name
# both, no address is without its list. A file that is cut short changes the second alone.
# Load:   /import edge.rsc
# Remove: /ip firewall address-list remove [find list=past-vpn]
#         /ipv6 firewall address-list remove [find list=past-vpn]

/ip firewall address-list
:if ([:len [/ip firewall address-list find list=past-vpn]] = 0) do={/ip firewall address-list set [/ip firewall address-list find list=past-vpn_next] list=past-vpn}
remove [find list=past-vpn_next]
add list=past-vpn_next address=20.202.0.0/16
add list=past-vpn_next address=52.112.0.0/14
add list=past-vpn_next address=52.122.0.0/15
remove [find list=past-vpn]
set [find list=past-vpn_next] list=past-vpn
/ipv6 firewall address-list
:if ([:len [/ipv6 firewall address-list find list=past-vpn]] = 0) do={/ipv6 firewall address-list set [/ipv6 firewall address-list find list=past-vpn_next] list=past-vpn}
remove [find list=past-vpn_next]
add list=past-vpn_next address=2603:1063::/38
remove [find list=past-vpn]
set [find list=past-vpn_next] list=past-vpn
