package pipeline

import (
	"os"
	"testing"

	"sallyport/diag"
	"sallyport/internal/testkit/marked"
)

// targetMistakes has every kind of target, with several places for mistakes in each: in
// its options, in what it needs besides, and in what it cannot carry.
const targetMistakes = `
set "media" { include = ["20.202.0.0/16", "2603:1063::/38"] }
set "media4" { include = ["20.202.0.0/16"] }
names "hosts" { include = ["login.example.com"] }
service "media" { udp = ["3478-3481"] }
service "ping" { icmp = ["echo-request"] }
rule "calls" {
  action   = "allow"
  to       = set.media
  services = [service.media]
}
rule "ping" {
  action   = "allow"
  to       = set.media4
  services = [service.ping]
}
rule "hosts" {
  action   = "allow"
  to       = names.hosts
  services = [service.media]
}
target "nftables" "nft" {
  rules     = [rule.calls]
  table     = <"inet filter"|"filter"|is not a family and a table's name>
  hook      = <"forward"|"sideways"|no hook "sideways">
  ingress   = [<"lan0"|"lan 0"|is not one interface name>, <"lan1"|"a/b"|is no interface name>]
  <counters|countres|no option "countres"> = <true|"yes"|option counters>
}
target "iptables" "ipt" {
  rules     = [rule.calls]
  placement = <"fragment"|"part"|no placement "part">
  sets      = <"ipset"|"list"|no kind of sets>
  hook      = <"output"|"input"|rules describe connections to the cloud>
  egress    = [<"eth0"|"eth+"|is iptables>]
}
target "pfsense" "pf" {
  rules       = [rule.calls]
  <interface|interfaec|no option "interfaec"> = <"lan"|"l a n"|is no name of an interface>
  url         = <"https://files.example.net/sp"|"https://files.example.net/?sp"|is not a plain address>
  update_days = <1|0|0 is out of range>
  prefix      = <"sp_"|"pkg_"|cannot begin the name of an alias>
  alias_entries = <9000|-1|-1 is out of range>
}
target "paloalto" "pa" {
  rules               = [rule.calls<|, rule.ping|~the target cannot match icmp>]
  from_zones          = [<"trust"|"tr;ust"|is not a name that PAN-OS takes>, <"dmz"|"any"|any beside other names>]
  <to_zones|to_zone|no option "to_zone"> = <["untrust"]|[]|the list is empty>
  <url = "https://lists.example.com/sp"|syntax = "xml"|~needs the address that the device fetches it from>
  certificate_profile = <"lists"|"li/sts"|is not a name that PAN-OS takes>
  recurring           = <"hourly"|"yearly"|the device cannot fetch>
  position            = <"bottom"|"middle"|is no position>
  vsys                = <"vsys2"|"2"|is no virtual system>
  max_lists           = <30|0|0 is less than 1>
}
target "generic" "gen" {
  rules  = [rule.calls]
  format = <"json"|"yaml"|no format "yaml">
  header = <true|1|option header>
}
target "hostlist" "hosts" {
  rules = [rule.hosts<|, rule.calls|~the rule goes to addresses>]
  style = <"star"|"stripe"|no style "stripe">
}
target "asa" "asa" {
  bypass       = set.media
  group_policy = <"GP"|"G?P"|is no name of a group policy>
  acl          = <"split"|"sp lit"|is no name of an access list>
  max_routes   = <2500|0|0 is no number of routes>
  <max_domain_characters|max_domain_charcters|no option "max_domain_charcters"> = <5000|-1|-1 is no length>
}
target "awsclientvpn" "aws" {
  include    = set.media
  endpoint   = <"cvpn-endpoint-0123456789abcdef0"|"endpoint"|is no Client VPN endpoint>
  subnets    = [<"subnet-0aaaaaaaaaaaaaaaa"|"lan"|is no subnet>, <"subnet-0bbbbbbbbbbbbbbbb"|"wan"|is no subnet>]
  authorize  = <"all"|"my group"|is no group>
  max_routes = <100|0|0 routes are none>
}
target "azurevpn" "avpn" {
  bypass   = set.media4
  families = [<"ipv4"|"ipv5"|is not an address family>, "ipv4"]
  form     = <"fragment"|"part"|no form "part">
}
target "bird" "bird" {
  bypass   = set.media
  gateway4 = <"192.0.2.1"|"router"|is no address>
  gateway6 = <"fe80::1"|"::"|is no gateway>
  device   = <"eth0"|"eth 0"|is not one interface name>
  table4   = <"master4"|"mas-ter"|is no name of a table>
  table6   = <"master6"|"6"|is no name of a table>
}
target "f5" "f5" {
  bypass    = set.media
  resource  = <"/Common/laptops"|"1a"|is no name>
  profiles  = [<"/Common/portal"|"b d"|is no name>]
  max_bytes = <9000|0|0 bytes are left for routes>
}
target "fortigate" "fg" {
  bypass     = set.media
  form       = <"ipsec"|"pptp"|no form "pptp">
  <tunnel|tunel|no option "tunel"> = <"dialup"|"dial;up"|is no name of a tunnel>
  vdom       = <"root"|"ro ot"|is no name of a virtual domain>
  prefix     = <"sp-"|"s p"|names cannot begin with>
  max_routes = <600|0|0 is no number of routes>
}
target "frr" "frr" {
  bypass   = set.media
  gateway4 = <"192.0.2.1"|"2001:db8::1"|is no IPv4 address>
  gateway6 = "fe80::1"
  device   = <"eth0"|"reject"|for a word of its own>
  tag      = <7|0|0 is no tag>
  distance = <9|256|256 is no administrative distance>
  table    = <100|255|table 255 is the kernel's>
}
target "globalprotect" "gp" {
  bypass     = set.media
  gateway    = <"GW"|"G.W"|is no name of a gateway>
  config     = <"Laptops"|"Lap/tops"|is no name of a client setting>
  template   = <"T"|"T;"|is no name of a template>
  vsys       = <"vsys1"|"one"|is no virtual system>
  max_routes = <200|0|0 is no number of routes>
}
target "iproute" "ipr" {
  bypass   = set.media
  gateway4 = <"192.0.2.1"|"127.0.0.1"|is no gateway>
  gateway6 = "fe80::1"
  device   = <"eth0"|"e/th"|is no interface name>
  table    = <"media"|"local"|is no routing table>
  protocol = <230|4|4 is no protocol number>
  metric   = <7|0|0 is no metric>
}
target "networkmanager" "nm" {
  bypass   = set.media
  gateway4 = <"192.0.2.1"|"router"|is no address>
  gateway6 = <"fe80::1"|"fe80::1%eth0"|has a zone>
  profile  = <""|"none.nmconnection"|cannot be read>
}
target "ocserv" "oc" {
  bypass    = set.media
  max_bytes = <9000|-1|-1 bytes hold no route>
  <families|familes|no option "familes"> = <["ipv4", "ipv6"]|["ipv6", 4]|is not an address family>
}
target "openvpn" "ov" {
  bypass   = set.media
  ipv6     = "script"
  side     = <"client"|"peer"|no side "peer">
  folder   = <"/etc/openvpn"|"etc"|is no plain absolute path>
  protocol = <217|3|3 is no protocol number>
  metric   = <9|0|0 is no metric>
}
target "openvpn" "ov6" {
  bypass = set.media
  <families = ["ipv4"]|side = "server"|~cannot route IPv6 past the VPN>
}
target "pac" "pac" {
  bypass    = set.media4
  families  = ["ipv4"]
  proxies   = [<"PROXY proxy.example.com:8080"|"proxy"|is no proxy>, <"SOCKS [::1]:1"|"SOCKS ::1"|is no proxy>]
  max_bytes = <200000|1|1 bytes leave no room>
}
target "strongswan" "swan" {
  bypass        = set.media
  ports         = [<"udp/3478"|"3478"|is no protocol with ports>, <"tcp"|"icmp"|is no protocol with ports>]
  max_selectors = <255|256|256 is no number of selectors>
}
target "vpnslice" "slice" {
  bypass    = set.media
  max_bytes = <90000|-1|-1 bytes hold no route>
  budget {
    routes4 = <9|0|budget.routes4 is 0>
    routes6 = <9|-9|budget.routes6 is -9>
  }
}
target "windows" "win" {
  bypass          = set.media
  <server = "vpn.example.com"|always_on = true|~needs the server that it connects to>
  protocol        = <"IKEv2"|"PPTPv9"|no protocol "PPTPv9">
  trusted_network = <"corp.example.com"|"a b"|is no list of DNS suffixes>
}
target "wireguard" "wg" {
  bypass   = set.media
  folder   = <"/etc/wireguard"|"wg"|is no plain absolute path>
  gateway4 = <"192.0.2.1"|"x"|is no address>
  gateway6 = "fe80::1"
  device   = <"eth0"|"eth0;"|is no interface name>
  protocol = <219|2|2 is no protocol number>
}
`

// TestMistakesTogether is for all kinds of targets what the policy language's test of the
// same name is for blocks.
func TestMistakesTogether(t *testing.T) {
	rounds := 60
	if testing.Short() {
		rounds = 10
	}
	req := request(t, "")
	req.SelfCheck = false
	marked.Try(t, targetMistakes, 90, rounds, func(src string) diag.List {
		if err := os.WriteFile(req.Policy, []byte(src), 0o600); err != nil {
			t.Fatal(err)
		}
		return run(t, req).Diagnostics
	})
}
