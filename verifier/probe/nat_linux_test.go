package probe

import (
	"context"
	"net/netip"
	"slices"
	"strconv"
	"testing"
	"time"

	"sallyport/internal/testkit/impair"
	"sallyport/internal/testkit/lab"
	"sallyport/internal/testkit/pace"
	"sallyport/verifier"
)

// TestNAT: what is said of a NAT is what destinations saw, and no more.
func TestNAT(t *testing.T) {
	t.Parallel()
	hosts := []string{relay4.String(), other4.String()}
	for name, c := range map[string]struct {
		rules   string
		hosts   []string
		ports   []string
		kinds   []verifier.Kind
		mapping verifier.Outcome
		public  verifier.Outcome
	}{
		"no NAT":          {hosts: hosts, mapping: verifier.Pass, public: verifier.Pass},
		"masquerade":      {rules: "oifname wan0 masquerade", hosts: hosts, mapping: verifier.Pass, public: verifier.Pass},
		"random ports":    {rules: "oifname wan0 masquerade fully-random", hosts: hosts, mapping: verifier.Warn, public: verifier.Pass},
		"by address":      {rules: "ip daddr 20.202.0.1 meta l4proto udp snat to 198.18.0.1:20000-20999\nip daddr 20.202.9.9 meta l4proto udp snat to 198.18.0.1:30000-30999", hosts: hosts, ports: []string{"udp/3478"}, mapping: verifier.Warn, public: verifier.Pass},
		"a pool":          {rules: "udp dport { 3478, 3480 } snat to 198.51.100.1\nudp dport { 3479, 3481 } snat to 198.51.100.2", hosts: hosts, mapping: verifier.Undecided, public: verifier.Warn},
		"one destination": {rules: "oifname wan0 masquerade fully-random", hosts: hosts[:1], ports: []string{"udp/3478"}, mapping: verifier.Unprobed, public: verifier.Pass},
		// Where the policy asks for it by name, not to know it is no pass.
		"one destination, asked":  {kinds: []verifier.Kind{verifier.STUN, verifier.NAT}, rules: "oifname wan0 masquerade", hosts: hosts[:1], ports: []string{"udp/3478"}, mapping: verifier.Undecided, public: verifier.Pass},
		"one address, same ports": {rules: "oifname wan0 masquerade", hosts: hosts[:1], mapping: verifier.Unprobed, public: verifier.Pass},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pace.Run(t, func(t testing.TB, s pace.Scale) {
				n := newNetwork(t)
				if c.rules != "" {
					n.Firewall.MustExec(t, "table ip t { chain c { type nat hook postrouting priority 100;\n"+c.rules+"\n}\n}\n", "nft", "-f", "-")
					for _, a := range []string{"198.51.100.1/32", "198.51.100.2/32"} {
						n.Server.MustRun(t, "ip", "route", "add", "table", "local", a, "via", "198.18.0.1", "dev", "eth0")
					}
				}
				ports := c.ports
				if ports == nil {
					ports = []string{"udp/3478-3481"}
				}
				p := plan(ports, c.hosts...)
				for i := range p.Probes {
					p.Probes[i].Kinds = c.kinds
				}
				r := n.run(p, Options{})
				if code := r.ExitCode(); (code == 3) != (c.mapping == verifier.Undecided) || code == 1 {
					t.Errorf("exit code %d where the mapping is a %s", code, c.mapping)
				}
				for check, want := range map[verifier.Check]verifier.Outcome{verifier.CheckMapping: c.mapping, verifier.CheckPublic: c.public} {
					f := find(t, r, func(f *verifier.Finding) bool { return f.Check == check })[0]
					if f.Outcome != want {
						t.Errorf("%s: %s, want %s: %s %q", check, f.Outcome, want, f.Summary, f.Evidence)
					}
				}
				for to, count := range n.client.sent {
					if count > 10 {
						t.Errorf("%d datagrams to %s", count, to)
					}
				}
			})
		})
	}
}

// TestNATOnASlowLine: answers that take longer than STUN's first time-outs are answers.
func TestNATOnASlowLine(t *testing.T) {
	t.Parallel()
	slow := impair.NewPath(impair.Faults{Delay: 200 * time.Millisecond}, 1)
	pace.Run(t, func(t testing.TB, s pace.Scale) {
		n := newNetwork(t, lab.FarRouter(slow.Carry, nil))
		r := n.run(plan([]string{"udp/3478-3479"}, relay4.String(), other4.String()), Options{})
		if f := find(t, r, func(f *verifier.Finding) bool { return f.Check == verifier.CheckMapping })[0]; f.Outcome != verifier.Pass {
			t.Errorf("%s: %s %q", f.Outcome, f.Summary, f.Evidence)
		}
	})
}

// TestPersistence: only an answer that nothing asked for shows that a mapping lasts;
// a mapping that changed shows that it does not; the same mapping shows nothing.
func TestPersistence(t *testing.T) {
	t.Parallel()
	idle := []time.Duration{200 * time.Millisecond, 3500 * time.Millisecond}
	for name, c := range map[string]struct {
		rules    string
		outlives func(idle time.Duration) (kept, decided bool) // of a reflector
		want     []verifier.Outcome
	}{
		"random ports":    {rules: "masquerade fully-random", want: []verifier.Outcome{verifier.Undecided, verifier.Warn}},
		"ports preserved": {rules: "masquerade", want: []verifier.Outcome{verifier.Undecided, verifier.Undecided}},
		"a reflector": {rules: "masquerade", want: []verifier.Outcome{verifier.Pass, verifier.Warn},
			outlives: func(idle time.Duration) (bool, bool) { return idle < time.Second, true }},
		"a reflector that is gone": {rules: "masquerade", want: []verifier.Outcome{verifier.Undecided, verifier.Undecided},
			outlives: func(time.Duration) (bool, bool) { return false, false }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pace.Run(t, func(t testing.TB, s pace.Scale) {
				n := newNetwork(t)
				n.Firewall.MustExec(t, "table ip t { chain c { type nat hook postrouting priority 100;\noifname wan0 "+c.rules+"\n}\n}\n", "nft", "-f", "-")
				for _, name := range []string{"net.netfilter.nf_conntrack_udp_timeout", "net.netfilter.nf_conntrack_udp_timeout_stream"} {
					if err := n.Firewall.Sysctl(name, strconv.Itoa(int(s))); err != nil {
						t.Fatal(err)
					}
				}
				timers := labTimers(s)
				timers.Idle = []time.Duration{s.Times(idle[0]), s.Times(idle[1])}
				opt := Options{Timers: timers, Long: true}
				if c.outlives != nil {
					opt.Persist = &Persister{Reflector: netip.AddrPortFrom(relay4, 3478), Outlives: func(_ context.Context, _ UDPConn, idle time.Duration) (bool, bool, string, error) {
						kept, decided := c.outlives(idle / time.Duration(s))
						return kept, decided, "played", nil
					}}
				}
				r := n.run(plan([]string{"udp/3478"}, relay4.String()), opt)
				for i, want := range c.want {
					f := find(t, r, func(f *verifier.Finding) bool {
						return f.Check == verifier.CheckPersist && f.Case == timers.Idle[i].String()
					})[0]
					if f.Outcome != want {
						t.Errorf("%s: %s, want %s: %s %q", f.Case, f.Outcome, want, f.Summary, f.Evidence)
					}
				}
			})
		})
	}
}

func TestDestinations(t *testing.T) {
	t.Parallel()
	pr := &verifier.Probe{Name: "a"}
	var known []answered
	for _, s := range []string{"192.0.2.1:1", "192.0.2.2:1", "192.0.2.2:2", "192.0.2.2:3", "192.0.2.2:2", "192.0.2.3:1", "[2001:db8::1]:1"} {
		known = append(known, answered{to: netip.MustParseAddrPort(s), mapped: netip.MustParseAddrPort("203.0.113.1:9"), probe: pr})
	}
	got := destinations(known, true)
	want := []netip.AddrPort{netip.MustParseAddrPort("192.0.2.2:1"), netip.MustParseAddrPort("192.0.2.2:2"), netip.MustParseAddrPort("192.0.2.1:1"), netip.MustParseAddrPort("192.0.2.3:1")}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
