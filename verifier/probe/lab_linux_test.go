package probe

import (
	"context"
	"flag"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"sallyport/internal/errqueue"
	"sallyport/internal/testkit/await"
	"sallyport/internal/testkit/lab"
	"sallyport/internal/testkit/need"
	"sallyport/internal/testkit/pace"
	"sallyport/internal/testkit/quickfuzz"
	"sallyport/verifier"
)

// TestMain lets more tests run at once than there are processors: they mostly wait.
func TestMain(m *testing.M) {
	quickfuzz.Prepare()
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		if err := f.Value.Set("8"); err != nil {
			panic(err)
		}
	}
	m.Run()
}

// labNetwork is the network of a host of a lab. It records what is opened towards
// where.
type labNetwork struct {
	host      *lab.Host
	sys       System
	resolvers []netip.AddrPort
	stub      Stub // what else programs look at

	mu   sync.Mutex
	sent map[string]int // datagrams and connections by "udp ADDRESS:PORT"
}

func (n *labNetwork) count(kind string, to netip.AddrPort) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.sent == nil {
		n.sent = map[string]int{}
	}
	n.sent[kind+" "+to.String()]++
}

func (n *labNetwork) DialUDP(ctx context.Context, to netip.AddrPort, o errqueue.Options) (c UDPConn, err error) {
	n.host.Do(func() { c, err = n.sys.DialUDP(ctx, to, o) })
	if err != nil {
		return nil, err
	}
	kind := "udp"
	if o.TTL > 0 {
		kind = "ttl"
	}
	return &countingConn{c, func() { n.count(kind, to) }}, nil
}

type countingConn struct {
	UDPConn
	count func()
}

func (c *countingConn) Write(b []byte) (int, error) {
	c.count()
	return c.UDPConn.Write(b)
}

func (n *labNetwork) ListenUDP(ctx context.Context, a netip.Addr) (c PacketConn, err error) {
	n.host.Do(func() { c, err = n.sys.ListenUDP(ctx, a) })
	if err != nil {
		return nil, err
	}
	return &countingPackets{c, n}, nil
}

type countingPackets struct {
	PacketConn
	n *labNetwork
}

func (c *countingPackets) WriteTo(b []byte, to netip.AddrPort) (int, error) {
	c.n.count("udp", to)
	return c.PacketConn.WriteTo(b, to)
}

func (n *labNetwork) DialTCP(ctx context.Context, to netip.AddrPort, o errqueue.Options) (c net.Conn, err error) {
	n.count("tcp", to)
	n.host.Do(func() { c, err = n.sys.DialTCP(ctx, to, o) })
	return c, err
}

func (n *labNetwork) Stub() (Stub, error) {
	s := n.stub
	s.Servers, s.Limit, s.Timeout, s.Tries, s.Dots = n.resolvers, 3, 5*time.Second, 2, 1
	return s, nil
}

func (n *labNetwork) Interfaces() (l []Interface, err error) {
	n.host.Do(func() { l, err = n.sys.Interfaces() })
	return l, err
}

func (n *labNetwork) LookUp(flows []Flow) (l []FlowRoute, err error) {
	n.host.Do(func() { l, err = n.sys.LookUp(flows) })
	return l, err
}

func (n *labNetwork) Routing() (r Routing, err error) {
	n.host.Do(func() { r, err = n.sys.Routing() })
	return r, err
}

func (n *labNetwork) Sent() (m map[string]uint64, err error) {
	n.host.Do(func() { m, err = n.sys.Sent() })
	return m, err
}

// labTimers are full scale at 1/25 for the first try, but for waits that end as soon as
// an answer comes.
func labTimers(s pace.Scale) verifier.Timers {
	t := verifier.DefaultTimers().Scale(1.0 / 25)
	t.Hop, t.Query, t.Handshake = 150*time.Millisecond, 300*time.Millisecond, 3*time.Second
	t.Walks = 5 * time.Second
	return t.Scale(float64(s))
}

// Addresses of the lab: relays in the documented ranges, and a dead host behind the
// firewall.
var (
	relay4, relay6 = netip.MustParseAddr("20.202.0.1"), netip.MustParseAddr("2603:1063::1")
	other4, other6 = netip.MustParseAddr("20.202.9.9"), netip.MustParseAddr("2603:1063::9")
	dead4, dead6   = netip.MustParseAddr("192.0.2.9"), netip.MustParseAddr("fd21::99")
	near4, near6   = netip.MustParseAddr("10.20.0.1"), netip.MustParseAddr("fd20::1")
)

// network is a lab with STUN and TURN on the server's UDP 3478 to 3481 and TCP 443.
type network struct {
	*lab.Lab
	client *labNetwork
	tb     testing.TB
}

func newNetwork(tb testing.TB, opts ...lab.Option) *network {
	tb.Helper()
	need.Program(tb, "nft")
	l := lab.New(tb, opts...)
	n := &network{l, &labNetwork{host: l.Client}, tb}
	for port := uint16(3478); port <= 3481; port++ {
		serveSTUN(tb, l.Server, port)
	}
	// An ICMPv6 error comes from the target only where a link really has its address.
	l.Server.MustRun(tb, "ip", "addr", "add", relay6.String()+"/128", "dev", "lo", "nodad")
	return n
}

// accepts waits until the server is let in at an address of its own.
func (n *network) accepts(at netip.AddrPort) {
	n.tb.Helper()
	await.NoError(n.tb, "a server at "+at.String(), func() error {
		c, err := n.Server.Dial(nil, "tcp", at.String())
		if err == nil {
			err = c.Close()
		}
		return err
	})
}

// filter loads rules into a host's hook.
func (n *network) filter(h *lab.Host, hook, rules string) {
	n.tb.Helper()
	h.MustExec(n.tb, "table inet t_"+hook+" { chain c { type filter hook "+hook+" priority 0;\n"+rules+"\n}\n}\n", "nft", "-f", "-")
}

// plan asks hosts for services under one rule that holds the ranges of the lab.
func plan(services []string, hosts ...string) *verifier.Plan {
	p := &verifier.Plan{Format: verifier.PlanFormat, Source: verifier.Source{Name: "policy.hcl"}}
	set := verifier.Set{Name: "acs_media", Place: verifier.Place{File: "policy.hcl", Line: 3}}
	if err := set.To.UnmarshalJSON([]byte(`["20.202.0.0/16","2603:1063::/38","192.0.2.0/24","fd21::/64"]`)); err != nil {
		panic(err)
	}
	p.Sets = []verifier.Set{set}
	r := verifier.Rule{Name: "calls", Set: "acs_media", Place: verifier.Place{File: "policy.hcl", Line: 14}}
	for _, s := range services {
		var one verifier.Service
		if err := one.UnmarshalText([]byte(s)); err != nil {
			panic(err)
		}
		r.Services = append(r.Services, one)
	}
	p.Rules = []verifier.Rule{r}
	for i, h := range hosts {
		p.Probes = append(p.Probes, verifier.Probe{Name: "probe" + string(rune('a'+i%26)) + string(rune('a'+i/26)), Host: h, Rule: "calls"})
	}
	if err := p.Validate(); err != nil {
		panic(err)
	}
	return p
}

func (n *network) run(p *verifier.Plan, opt Options) *verifier.Report {
	n.tb.Helper()
	opt.Network = n.client
	if opt.Timers.RTO == 0 {
		opt.Timers = labTimers(pace.Of(n.tb))
	}
	return Run(context.Background(), p, opt)
}

// find returns the findings that fit, and fails without any.
func find(tb testing.TB, r *verifier.Report, ok func(f *verifier.Finding) bool) []verifier.Finding {
	tb.Helper()
	list := slices.DeleteFunc(slices.Clone(r.Findings), func(f verifier.Finding) bool { return !ok(&f) })
	if len(list) == 0 {
		for _, f := range r.Findings {
			tb.Logf("%s %s: %s: %s %q", f.Kind, f.Check, f.Outcome, f.Summary, f.Evidence)
		}
		tb.Fatal("no such finding")
	}
	return list
}

// reach is the one finding about a port.
func reach(tb testing.TB, r *verifier.Report, a netip.Addr, prot string, port uint16) verifier.Finding {
	tb.Helper()
	return find(tb, r, func(f *verifier.Finding) bool {
		return f.Check == verifier.CheckReach && f.Address == a && f.Protocol == prot && f.Port == port
	})[0]
}
