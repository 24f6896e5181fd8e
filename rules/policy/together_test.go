package policy

import (
	"testing"

	"sallyport/diag"
	"sallyport/internal/testkit/marked"
)

// manyMistakes is a policy with many places for mistakes, see marked.Try.
const manyMistakes = `
variable <"nets"|"my-nets"|cannot name a variable> {
  default = [<"10.0.0.0/8"|5|holds strings, and this is the number 5>, "10.1.0.0/16"]
}
variable "port" {
  default     = <443|set.staff|a default cannot refer to anything>
  <description|descripton|no argument "descripton"> = <"the port"|7|description is a string>
}
feed "azure" {
  <cloud|clowd|no argument "clowd"> = <"public"|"moon"|azure has no cloud "moon">
  max_age     = <"24h"|"soon"|is not a time to keep a feed>
  description = <"tags"|true|description is a string>
}
feed "tags" {
  kind = "azure"
}
feed "list" {
  kind = <"text"|"txet"|no kind of feed "txet">
  file = <"a.txt"|""|the name of the file is empty>
  max_age = <"7d"|"-7d"|is not a time to keep a feed>
}
set "staff" {
  <include|inclde|no argument "inclde"> = [<"10.0.0.0/8"|"10.0.0.1/8"|has host bits set>, <"172.16.0.0/12"|"172.16.0.0/99"|is not an address>]
  exclude = [<"10.9.0.0/16"|"10.9.0.0-10.8.0.0"|ends before it starts>, <"10.7.0.0/16"|set.staf|there is no set "staf">]
  description = <"people"|1|description is a string>
}
set "media" {
  include = [<tag(feed.tags, "Storage")|tag(feed.tags, "Storag")|no tag "Storag">, <"20.9.0.0/16"|any|any cannot be part of a list>, <"33.1.0.0/16"|names.hosts|names stand alone>]
  exclude = [<"20.9.1.0/24"|"20.9.1"|is not an address>]
}
set "chosen" {
  include = var.port == 443 ? set.staff : <set.media|set.meida|there is no set "meida">
}
set "looped" {
  include = ["192.0.2.0/24", [for x in [] : <set.media|set.medai|there is no set "medai">]]
}
names "hosts" {
  include = [<"a.example.com"|"a..example.com"|cannot be a host name>, "b.example.com", <"c.example.com"|8|a host name belongs here>]
  exclude = [<"b.example.com"|9|a host name belongs here>]
}
service "media" {
  <udp|upd|no argument "upd"> = [<"3478-3481"|"3481-3478"|ends before it starts>, <5000|70000|is not a port>]
  tcp  = [<var.port|var.prot|there is no variable "prot">, <8443|"https"|is not a port>]
  icmp = [<"echo-request"|"echo-requets"|icmp has no type>]
  protocols = [<"esp"|"epsp"|no IP protocol>]
}
rule "calls" {
  action   = <"allow"|"accept"|no action "accept">
  from     = [<set.staff|set.stafff|there is no set "stafff">, set.chosen, set.looped]
  to       = [<set.media|set.medias|there is no set "medias">, <"20.1.0.0/16"|"20.1.0.1/16"|has host bits set>]
  <services|service|no argument "service"> = [<service.media|service.medai|there is no service "medai">]
  log      = <true|"yes"|log is true or false>
  expires  = <"2030-01-31"|"31.1.2030"|is not a date>
  enabled  = <true|1|enabled is true or false>
}
rule "off" {
  action   = "deny"
  to       = <["192.0.2.0/24"]|[]|to is empty>
  services = <any|[any]|any is not a service>
  enabled  = false
  expires  = <"2020-01-31"|"2020"|is not a date>
}
rule "hosts" {
  action   = <"allow"|1|action is a string>
  to       = <names.hosts|names.host|there is no names "host">
  services = [<service.media|"media"|a service belongs here>]
}
target "nftables" "edge" {
  path     = <"edge.nft"|"/edge.nft"|cannot be an output path>
  families = [<"ipv4"|"ip4"|is not an address family>, <"ipv6"|6|is not an address family>]
  default  = <"deny"|"drop"|no default "drop">
  rules    = [<rule.calls|rule.call|there is no rule "call">]
  hook     = <"forward"|5|option hook: a string belongs here>
  <level|levle|no option "levle"> = <4|"4"|option level: a number belongs here>
  share    = <"5%"|"500%"|option share>
  tags     = { <a|"${var.x}"|no variable "x"> = <"x"|1|option tags>, <b = "y"|c = true|option tags.c> }
  zone "in" {
    <idle|idel|no option "idel"> = <"5s"|"five"|option zone.0.idle>
    links = [<"eth0"|1|option zone.0.links>, <"eth1"|2|option zone.0.links>]
  }
  budget {
    routes = <5|"5"|option budget.routes>
    <must|mast|no option "mast"> = <["10.0.0.0/8"]|["10.0.0.9/8"]|has host bits set>
  }
}
target "openvpn" "laptops" {
  <bypass|bypas|no option "bypas"> = [<"20.1.0.0/16"|"20.1.0.9/16"|has host bits set>, "2001:db8:1::/48"]
  metric = <5|5.5|option metric: a whole number>
  budget {
    routes      = <9|0|budget.routes is 0>
    max_missing = <"5%"|"five"|option budget.max_missing>
    <protect|protec|no option "protec"> = [<"10.0.0.0/8"|"ten"|is not an address>]
  }
}
target <"generic"|"genric"|no kind of target "genric"> <"plan"|"pl-an"|cannot name a target> {
  rules = [<rule.calls|rule.clals|there is no rule "clals">, rule.off, rule.hosts]
}
target "strict" "hard" {
  <device|devcie|no option "devcie"> = "eth0"
  limits {
    <routes|rotes|no option "rotes"> = 9
    max_missing = <"1%"|1|option limits.max_missing>
  }
}
probe "relay" {
  <host|hots|no argument "hots"> = <"relay.example.com"|"https://relay.example.com/"|is neither a host name>
  rule  = <rule.calls|rule.clls|there is no rule "clls">
  kinds = [<"stun"|"snut"|no kind of probe "snut">]
  issuers = [<"Example CA"|3|an issuer's name belongs here>]
}
deploy "one" {
  target  = <target.plan|target.plam|there is no target "plam">
  load    = [<"cp"|3|an argument of a command belongs here>, "{}"]
  <check|chek|no argument "chek"> = ["true"]
  state   = <["cat", "x"]|"cat x"|is a list of arguments>
  timeout = <"10s"|"soon"|"soon" is no time>
  confirm = <"5m"|"3d"|is a time from 1s to>
  drift   = <"repair"|"mend"|drift is report or repair>
}
deploy "two" {
  <target|targt|no argument "targt"> = target.hard
  load = <["cp", "{}"]|[]|load is empty>
}
`

// Whatever mistakes a policy has, all of them are reported at once, and nothing else.
func TestMistakesTogether(t *testing.T) {
	marked.Try(t, manyMistakes, 80, 400, func(src string) diag.List {
		_, list := check(t, "test.hcl", src, nil)
		return list
	})
}
