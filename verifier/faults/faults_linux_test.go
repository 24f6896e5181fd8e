package faults

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"sallyport/internal/testkit/impair"
	"sallyport/internal/testkit/pace"
	"sallyport/verifier"
)

// A fault is something wrong with a network: what is done to it, and what is true of
// it then.
type fault struct {
	name        string
	there, back *impair.Faults // of the link between firewall and router
	rules       []rule
	stops       []stop
	routes      bool     // the plan has a bypass list
	groups      []string // no two faults of a group go together
	apply       func(w *world)
}

// A rule is a line of nftables in a host's filter.
type rule struct {
	place int
	hook  string
	text  string
}

// filter loads a rule. Those of earlier faults come first.
func (w *world) filter(r rule) {
	w.tb.Helper()
	w.tables++
	w.nft(w.host(r.place), fmt.Sprintf("table inet filter%d { chain c { type filter hook %s priority %d;\n%s\n}\n}\n", w.tables, r.hook, w.tables, r.text))
}

// match is w as matches of nftables, one a family and host; ports and addresses are
// those of the source when back.
func (w which) match(back bool) []string {
	direction := "d"
	if back {
		direction = "s"
	}
	var list []string
	for _, host := range []string{"relay", "other", "signal"} {
		for _, a := range hostAddrs[host] {
			if w.host != "" && w.host != host || w.family != "" && w.family != verifier.FamilyOf(a) {
				continue
			}
			ip := "ip"
			if a.Is6() {
				ip = "ip6"
			}
			s := fmt.Sprintf("%s %saddr %s", ip, direction, a)
			if w.prot != "" {
				s += " meta l4proto " + w.prot
			}
			if w.from != 0 {
				s += fmt.Sprintf(" th %sport %d-%d", direction, w.from, w.to)
			}
			list = append(list, s)
		}
	}
	return list
}

func fixed(s state) func(target) truth { return func(target) truth { return truth{state: s} } }

// hooks are the hooks that packets to targets meet at each place.
var hooks = [...]string{client: "output", firewall: "forward", router: "forward", server: "input"}

// filtering makes a fault of a verdict in a host's filter. ends says what becomes of a
// target.
func filtering(name string, place int, w which, verdict func(v4 bool) string, ends func(target) truth) fault {
	var lines []string
	for _, m := range w.match(false) {
		lines = append(lines, m+" "+verdict(strings.HasPrefix(m, "ip ")))
	}
	w.own = true
	return fault{name: name, rules: []rule{{place, hooks[place], strings.Join(lines, "\n")}}, stops: []stop{{place: place, which: w, truth: ends}}}
}

// drops is a filter that says nothing.
func drops(name string, place int, w which) fault {
	return filtering(name, place, w, func(bool) string { return "drop" }, func(t target) truth {
		switch {
		case place == client && t.prot == "udp":
			return truth{state: denied} // the sender is told
		case place == server:
			return truth{state: dropped, hop: nowhere} // the target is deaf
		}
		return truth{state: dropped, hop: place}
	})
}

// rejects is a filter that answers by ICMP: words are those of nftables, for IPv4 and
// IPv6.
func rejects(name string, place int, w which, v4, v6 string) fault {
	return filtering(name, place, w, func(is4 bool) string {
		if is4 {
			return "reject with icmp type " + v4
		}
		return "reject with icmpv6 type " + v6
	}, func(t target) truth {
		word := v6
		if t.addr.Is4() {
			word = v4
		}
		switch {
		case place == client:
			return truth{state: denied}
		case place == server && word == "port-unreachable":
			return truth{state: closed} // as a target without a listener says it
		}
		return truth{state: rejected, by: by(place, t)}
	})
}

// dropsAnswers is a filter in the way back.
func dropsAnswers(name string, place int, w which) fault {
	w.own = true
	f := fault{name: name, stops: []stop{{place: place, back: true, which: w, truth: func(target) truth { return truth{state: dropped, hop: nowhere} }}}}
	var lines []string
	for _, m := range w.match(true) {
		lines = append(lines, m+" drop")
	}
	f.rules = []rule{{place, "forward", strings.Join(lines, "\n")}}
	return f
}

// resets is a firewall's TCP reset in the target's name.
func resets(name string, w which) fault {
	w.prot = "tcp"
	return filtering(name, firewall, w, func(bool) string { return "reject with tcp reset" }, fixed(reset))
}

// does is a fault that is not a filter.
func does(name string, apply func(w *world), stops ...stop) fault {
	return fault{name: name, apply: apply, stops: stops}
}

// in puts a fault into groups.
func (f fault) in(groups ...string) fault {
	f.groups = append(slices.Clone(f.groups), groups...)
	return f
}

// link is a fault of the link between firewall and router, each way.
func link(name string, there, back impair.Faults) fault {
	return fault{name: name, there: &there, back: &back, groups: []string{"link"}}
}

var (
	calls   = which{host: "relay", prot: "udp", from: 3478, to: 3481}
	allUDP  = which{prot: "udp"}
	allTCP  = which{prot: "tcp"}
	relay   = which{host: "relay"}
	other   = which{host: "other", own: true}
	webOnly = which{host: "relay", prot: "tcp"}
	signals = which{host: "signal"}
)

func port(n uint16) which { return which{host: "relay", prot: "udp", from: n, to: n} }

func only(family string, w which) which {
	w.family = family
	return w
}

// ip runs ip(8) on a host of the lab for each line.
func (w *world) ip(place int, lines ...string) {
	w.tb.Helper()
	for _, l := range lines {
		w.host(place).MustRun(w.tb, "ip", strings.Fields(l)...)
	}
}

func (w *world) sysctl(place int, values map[string]string) {
	w.tb.Helper()
	for name, v := range values {
		if err := w.host(place).Sysctl(name, v); err != nil {
			w.tb.Fatal(err)
		}
	}
}

// deadHost puts the other relay behind a link of the firewall where nobody is.
var deadHost = does("a dead host", func(w *world) {
	w.ip(firewall, "link add dead0 type veth peer name dead1", "link set dead0 up", "link set dead1 up",
		"route add 20.202.9.9/32 dev dead0", "-6 route add 2603:1063::9/128 dev dead0")
	between := fmt.Sprint(pace.Of(w.tb).Times(150 * time.Millisecond).Milliseconds())
	w.sysctl(firewall, map[string]string{"net/ipv4/neigh/dead0/retrans_time_ms": between, "net/ipv6/neigh/dead0/retrans_time_ms": between})
}, stop{place: firewall, when: atNeighbour, which: other, truth: fixed(absent)}).in("end")

var noRoutes = does("no route", func(w *world) {
	w.ip(client, "route del default", "-6 route del default")
	w.facts.ways = map[string]way{}
	for r := range w.facts.resolvers {
		w.facts.resolvers[r] = resolverFact{}
	}
	// Names do not resolve then, so the plan names addresses.
	for i, a := range []netip.Addr{relay4, other4, signal4} {
		w.plan.Probes[i].Host = a.String()
		w.facts.names[a.String()] = []netip.Addr{a}
	}
}, stop{place: client, when: atRoute, truth: fixed(noRoute)}).in("routes", "dns")

var noIPv6 = does("no route to IPv6", func(w *world) {
	w.ip(client, "-6 route del default")
	w.facts.ways["ipv6"] = way{}
}, stop{place: client, when: atRoute, which: which{family: "ipv6"}, truth: fixed(noRoute)}).in("routes")

// unreachableAt is a router without a route, which says so.
var unreachableAt = does("a router without a route", func(w *world) {
	w.ip(firewall, "route add unreachable 20.202.9.9/32", "-6 route add unreachable 2603:1063::9/128")
}, stop{place: firewall, when: atRoute, which: other, truth: func(t target) truth { return truth{state: rejected, by: by(firewall, t)} }}).in("end")

var blackhole = does("a black hole", func(w *world) {
	w.ip(firewall, "route add blackhole 20.202.9.9/32", "-6 route add blackhole 2603:1063::9/128")
}, stop{place: firewall, when: atRoute, which: other, truth: func(target) truth { return truth{state: dropped, hop: nowhere} }}).in("end")

var loop = does("a routing loop", func(w *world) {
	w.ip(router, "route add 20.202.9.9/32 via 198.18.0.1 dev lan0 onlink", "-6 route add 2603:1063::9/128 via fd21::1 dev lan0 onlink")
}, stop{place: router, when: atRoute, which: other, truth: fixed(loops)}).in("end")

// redirected are datagrams that the firewall takes for itself, to a port of its own.
func redirected(name, to string, serve func(w *world), truth func(target) truth) fault {
	return does(name, func(w *world) {
		w.nft(w.Firewall, "table inet taken { chain c { type nat hook prerouting priority -100;\n"+
			"ip daddr 20.202.0.1 udp dport 3478-3481 redirect"+to+"\nip6 daddr 2603:1063::1 udp dport 3478-3481 redirect"+to+"\n}\n}\n")
		if serve != nil {
			serve(w)
		}
	}, stop{place: firewall, when: atRedirect, which: calls, truth: truth}).in("end", "translate")
}

var (
	// A transparent proxy, or an ALG, that nobody runs any more.
	deadProxy = redirected("datagrams are redirected to a dead port", " to :9", nil, func(t target) truth { return truth{state: rejected, by: by(firewall, t)} })
	// A gateway that answers STUN itself.
	gatewaySTUN = redirected("the gateway answers STUN itself", " to :3479", func(w *world) {
		for _, a := range []string{"0.0.0.0:3479", "[::]:3479"} {
			w.udpAt(w.Firewall, a, stunReply)
		}
	}, fixed(impostor))
	// A gateway that sends on what it forwards with almost no time to live.
	lowTTL = fault{name: "a gateway sets the time to live to 1", groups: []string{"end"},
		rules: []rule{{firewall, "postrouting", "ip daddr 20.202.9.9 ip ttl set 1\nip6 daddr 2603:1063::9 ip6 hoplimit set 1"}},
		stops: []stop{{place: router, when: atRoute, which: other, truth: func(t target) truth { return truth{state: rejected, by: by(router, t)} }}}}
	// A router that drops before it looks at the time to live.
	ingress = fault{name: "the first router drops what comes in", groups: []string{"end"},
		rules: []rule{{firewall, "prerouting", "ip daddr 20.202.0.1 udp dport 3478-3481 drop\nip6 daddr 2603:1063::1 udp dport 3478-3481 drop"}},
		stops: []stop{{place: firewall, when: atRedirect, which: calls, truth: func(target) truth { return truth{state: dropped, hop: 0} }}}}
)

// Answers of name servers.
func dnsFault(name string, change func(s *nameServer, f *resolverFact, w *world)) fault {
	return does(name, func(w *world) {
		f := w.facts.resolvers[resolver]
		change(w.dns[resolver], &f, w)
		w.facts.resolvers[resolver] = f
	}).in("dns")
}

var (
	dnsDown = fault{name: "DNS down", groups: []string{"dns"}, rules: []rule{{firewall, "forward", "udp dport 53 drop"}}, apply: func(w *world) {
		w.facts.resolvers[resolver] = resolverFact{}
		w.facts.names = nil
	}}
	dnsRejected = fault{name: "DNS rejected", groups: []string{"dns"}, rules: []rule{{firewall, "forward", "udp dport 53 reject"}}, apply: dnsDown.apply}
	dnsFails    = dnsFault("DNS fails", func(s *nameServer, f *resolverFact, w *world) {
		s.code, *f, w.facts.names = dnsmessage.RCodeServerFailure, resolverFact{answers: true}, nil
	})
	dnsEmpty = dnsFault("no such name", func(s *nameServer, f *resolverFact, w *world) {
		s.zone, *f, w.facts.names = nil, resolverFact{answers: true}, nil
	})
	dnsInvents = dnsFault("DNS invents names", func(s *nameServer, f *resolverFact, _ *world) {
		s.wild, f.invents = portal4, true
	})
	dnsHijacked = dnsFault("DNS hijacked", func(s *nameServer, f *resolverFact, w *world) {
		s.zone, s.wild, f.invents = nil, portal4, true
		for _, name := range []string{relayName, otherName, signalName} {
			w.facts.names[name] = []netip.Addr{portal4}
		}
		w.facts.stops = append(w.facts.stops, stop{place: server, which: which{addr: portal4, prot: "udp"}, truth: fixed(closed)},
			stop{place: server, which: which{addr: portal4, prot: "tcp"}, truth: fixed(impostor)})
	})
	dnsOutside = dnsFault("resolving out of range", func(s *nameServer, _ *resolverFact, w *world) {
		s.zone[relayName] = []netip.Addr{relay4, relay6, outside4}
		w.facts.names[relayName] = s.zone[relayName]
		w.facts.several = true // where a tunnel or a NAT is for the ranges alone
	})
	// firstDenies has a server before the good one that says that no name exists.
	firstDenies = does("the first name server denies every name", func(w *world) {
		w.dns[resolver2] = &nameServer{}
		w.net.resolvers = []netip.AddrPort{resolver2, resolver}
		w.facts.resolvers[resolver2] = resolverFact{answers: true}
		w.facts.lost = true
	}).in("dns")
	// fourthDNS has the only good server as the fourth, which programs do not ask.
	fourthDNS = does("only the fourth name server works", func(w *world) {
		w.net.resolvers = nil
		for _, last := range []byte{61, 62, 63} {
			dead := netip.AddrPortFrom(netip.AddrFrom4([4]byte{20, 202, 1, last}), 53)
			w.net.resolvers = append(w.net.resolvers, dead)
			w.facts.resolvers[dead] = resolverFact{}
		}
		w.net.resolvers = append(w.net.resolvers, resolver)
		w.filter(rule{firewall, "forward", "ip daddr 20.202.1.60/30 udp dport 53 drop"})
		w.facts.lost = true
	}).in("dns")
	secondDNS = does("one name server of two is down", func(w *world) {
		w.plan.Resolvers = []netip.AddrPort{resolver2}
		w.facts.resolvers[resolver2] = resolverFact{}
		w.filter(rule{firewall, "forward", "ip daddr 20.202.1.53 udp dport 53 drop"})
	})
)

// Somebody between.
func between(name string, serve func(net.Conn)) fault {
	return does(name, func(w *world) {
		w.nft(w.Firewall, "table inet proxy { chain c { type nat hook prerouting priority -100;\ntcp dport 443 redirect to :8443\n}\n}\n")
		w.tcp(w.Firewall, ":8443", serve)
	}, stop{place: firewall, when: atRedirect, which: allTCP, truth: fixed(impostor)}).in("between")
}

var (
	intercepted = between("TLS interception", func(c net.Conn) { pageBy(proxyCA(), time.Now().Add(time.Hour))(c) })
	trusted     = func() fault {
		f := between("TLS interception that the machine trusts", func(c net.Conn) { pageBy(proxyCA(), time.Now().Add(time.Hour))(c) })
		redirect := f.apply
		f.apply = func(w *world) {
			redirect(w)
			w.opt.Probe.Roots.AddCert(proxyCA().cert)
		}
		return f
	}()
	transparent = between("a transparent proxy", func(c net.Conn) {
		_, _ = c.Read(make([]byte, 600))
		_, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
	})
	silentProxy = between("a proxy that accepts and is silent", func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	expired     = does("an expired certificate", func(w *world) { w.signal = pageBy(labCA(), time.Now().Add(-time.Hour)) },
		stop{place: server, which: signals, truth: fixed(impostor)})
	noBinding = fault{name: "Binding is dropped, Allocate is not", rules: []rule{{firewall, "forward", "udp dport 3478-3481 @th,64,16 0x0001 drop"}}}
	longCut   = fault{name: "long packets vanish", rules: []rule{{firewall, "forward", "tcp dport 443 meta length > 600 drop"}},
		stops: []stop{{place: firewall, which: signals, truth: fixed(cut)}}}
)

// ICMP.
var (
	noICMP = fault{name: "ICMP blocked", rules: []rule{
		{firewall, "forward", "meta l4proto { icmp, ipv6-icmp } drop"},
		{firewall, "output", "icmp type { destination-unreachable, time-exceeded } drop\nicmpv6 type { destination-unreachable, time-exceeded } drop"}}}
	// The kernel's own limits, which labs lift: one answer a second, of full time.
	slowICMP = does("rate-limited ICMP", func(w *world) {
		second := fmt.Sprint(time.Duration(w.scale * float64(pace.Of(w.tb).Times(time.Second))).Milliseconds())
		for _, place := range []int{firewall, router, server} {
			w.sysctl(place, map[string]string{"net.ipv4.icmp_ratemask": "6168", "net.ipv4.icmp_ratelimit": second,
				"net.ipv6.icmp.ratemask": "0-1,3-127", "net.ipv6.icmp.ratelimit": second})
		}
	})
)
