package faults

import (
	"fmt"
	"net/netip"
	"strings"
)

// tunnel gives the client a VPN to the firewall, by which it is seen under another
// address, and routes for all but what bypasses it.
func tunnel(name string, bypass func(prefix string) bool, leaks4, leaks6 []netip.Prefix, more func(w *world)) fault {
	f := does(name, func(w *world) {
		if err := w.Client.Tunnel("tun0", w.Firewall, "tun0", nil, nil); err != nil {
			w.tb.Fatal(err)
		}
		w.ip(client, "addr add 10.99.0.2/24 dev tun0", "-6 addr add fd99::2/64 dev tun0 nodad")
		w.ip(firewall, "addr add 10.99.0.1/24 dev tun0", "-6 addr add fd99::1/64 dev tun0 nodad")
		w.nft(w.Firewall, "table inet vpn { chain c { type nat hook postrouting priority 90;\nip saddr 10.99.0.0/24 snat ip to 198.51.100.9\nip6 saddr fd99::/64 snat ip6 to fd51::9\n}\n}\n")
		w.pool()
		var b strings.Builder
		for _, half := range []string{"0.0.0.0/1", "128.0.0.0/1", "::/1", "8000::/1"} {
			fmt.Fprintf(&b, "route add %s dev tun0\n", half)
		}
		prefixes, _ := thousand()
		for _, p := range prefixes {
			via := "10.20.0.1"
			if strings.Contains(p, ":") {
				via = "fd20::1 dev eth0"
			}
			if bypass(p) {
				fmt.Fprintf(&b, "route add %s via %s\n", p, via)
			}
		}
		w.Client.MustExec(w.tb, b.String(), "ip", "-batch", "-")
		for family, leaks := range map[string][]netip.Prefix{"ipv4": leaks4, "ipv6": leaks6} {
			moved := false
			for _, p := range leaks {
				moved = moved || p.Contains(relay4) || p.Contains(relay6)
			}
			w.facts.ways[family] = way{vpn: true, routed: true, leaks: leaks, moved: moved}
		}
		if more != nil {
			more(w)
		}
	})
	f.routes = true
	return f.in("translate", "routes")
}

func prefixList(list ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

func anyPrefix(string) bool { return true }
func noPrefix(string) bool  { return false }

// The ranges of the plan, among the many prefixes that a tunnel without a bypass takes.
var swallowed4, swallowed6 = prefixList("20.202.0.0/16", "52.112.0.0/14"), prefixList("2603:1063::/38", "2603:1062::/38")

var (
	goodVPN   = tunnel("a tunnel with its bypass", anyPrefix, nil, nil, nil)
	swallowed = tunnel("a tunnel that swallows the ranges", noPrefix, swallowed4, swallowed6, nil)
	oneLeak   = tunnel("bypass missing for one of a thousand", func(p string) bool { return p != "51.2.77.0/25" }, prefixList("51.2.77.0/25"), nil, nil)
	narrow    = tunnel("a narrower route into the tunnel", anyPrefix, prefixList("51.1.5.0/25"), nil, func(w *world) { w.ip(client, "route add 51.1.5.16/28 dev tun0") })
	byRule    = tunnel("a routing rule into the tunnel", anyPrefix, prefixList("52.112.0.0/14"), nil, func(w *world) {
		w.ip(client, "route add default dev tun0 table 99", "rule add to 52.112.0.0/14 table 99")
	})
	only4VPN   = tunnel("bypass of IPv4 alone", func(p string) bool { return !strings.Contains(p, ":") }, nil, swallowed6, nil)
	deafTunnel = func() fault {
		f := tunnel("a tunnel that swallows the ranges and drops UDP", noPrefix, swallowed4, swallowed6, func(w *world) {
			w.filter(rule{firewall, "forward", "iifname tun0 udp dport 3478-3481 drop"})
		})
		f.stops = []stop{{place: firewall, which: allUDP, truth: func(target) truth { return truth{state: dropped, hop: firewall} }}}
		return f
	}()
)
