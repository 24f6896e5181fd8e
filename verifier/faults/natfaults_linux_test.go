package faults

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"sallyport/internal/testkit/pace"
	train "sallyport/verifier/media"
	"sallyport/verifier/reflector"
)

// translating is a NAT at the firewall. Answers find back to its pool, too.
func translating(name string, kind nat, rules string) fault {
	return does(name, func(w *world) {
		w.facts.nat = kind
		w.nft(w.Firewall, "table inet nat { chain c { type nat hook postrouting priority 100;\n"+rules+"\n}\n}\n")
		w.pool()
	}).in("translate")
}

// pool gives the NAT's addresses routes.
func (w *world) pool() {
	w.ip(router, "route replace 198.51.100.0/24 via 198.18.0.1 dev lan0 onlink", "-6 route replace fd51::/64 via fd21::1 dev lan0 onlink")
	w.ip(server, "route replace table local 198.51.100.0/24 via 198.18.0.5 dev eth0 onlink", "-6 route replace table local fd51::/64 via fd22::1 dev eth0 onlink")
}

// byDestination translates to a range of ports for each match.
func byDestination(matches ...string) string {
	var b strings.Builder
	for i, m := range matches {
		from := 20000 + 1000*i
		fmt.Fprintf(&b, "meta nfproto ipv4 %s snat ip to 198.51.100.1:%d-%d\n", strings.ReplaceAll(m, "IP", "ip"), from, from+999)
		fmt.Fprintf(&b, "meta nfproto ipv6 %s snat ip6 to [fd51::1]:%d-%d\n", strings.ReplaceAll(m, "IP", "ip6"), from, from+999)
	}
	return b.String()
}

var (
	masquerade = translating("NAT that keeps ports", sameNAT, "oifname wan0 masquerade")
	randomNAT  = translating("port-random NAT", symmetric, "oifname wan0 masquerade fully-random")
	symmetrics = translating("symmetric NAT", symmetric, byDestination("udp dport 3478", "udp dport 3479", "udp dport 3480", "udp dport 3481"))
	addressNAT = translating("NAT by address", byAddress, "ip daddr 20.202.9.9 udp dport 3478-3481 snat ip to 198.51.100.1:20000-20999\nip daddr 20.202.0.1 udp dport 3478-3481 snat ip to 198.51.100.1:30000-30999\n"+
		"ip6 daddr 2603:1063::9 udp dport 3478-3481 snat ip6 to [fd51::1]:20000-20999\nip6 daddr 2603:1063::1 udp dport 3478-3481 snat ip6 to [fd51::1]:30000-30999")
	pooled = translating("pool NAT", poolNAT, "ip daddr 20.202.0.0/16 udp dport { 3478, 3480 } snat ip to 198.51.100.1\nip daddr 20.202.0.0/16 udp dport { 3479, 3481 } snat ip to 198.51.100.2\n"+
		"ip6 daddr 2603:1063::/38 udp dport { 3478, 3480 } snat ip6 to fd51::1\nip6 daddr 2603:1063::/38 udp dport { 3479, 3481 } snat ip6 to fd51::2")
)

// remembers makes the firewall forget a mapping of UDP after so many seconds, and asks
// a reflector outside whether mappings outlive the silences.
func remembers(seconds int, idle ...time.Duration) fault {
	return does(fmt.Sprintf("UDP time-outs of %d s", seconds), func(w *world) {
		s := pace.Of(w.tb)
		w.facts.mapping = s.Times(time.Duration(seconds) * time.Second)
		for _, name := range []string{"net.netfilter.nf_conntrack_udp_timeout", "net.netfilter.nf_conntrack_udp_timeout_stream"} {
			w.sysctl(firewall, map[string]string{name: strconv.Itoa(int(w.facts.mapping.Seconds()))})
		}
		w.reflector()
		w.opt.Probe.Long = true
		w.opt.Probe.Timers = w.timers()
		if len(idle) > 0 {
			w.opt.Probe.Timers.Idle = nil
		}
		for _, d := range idle {
			w.opt.Probe.Timers.Idle = append(w.opt.Probe.Timers.Idle, s.Times(d))
		}
	}).in("translate", "dns", "routes")
}

// reflector runs one on the server, and names it to the run.
func (w *world) reflector() { w.reflectorAt(reflector4) }

func (w *world) reflectorAt(at netip.AddrPort) {
	w.tb.Helper()
	key, err := reflector.ParseKey("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
	if err != nil {
		w.tb.Fatal(err)
	}
	var sockets []reflector.Socket
	w.Server.Do(func() { sockets, err = reflector.Listen(at.String()) })
	if err != nil {
		w.tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- reflector.NewServer(key, reflector.Options{}).Serve(ctx, sockets...) }()
	w.tb.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			w.tb.Error(err)
		}
	})
	w.opt.Reflectors, w.opt.Host, w.opt.Key = []netip.AddrPort{at}, "reflector", key
	w.opt.Train = train.Options{Rate: 100, Duration: 500 * time.Millisecond, Linger: pace.Of(w.tb).Times(300 * time.Millisecond)}
}
