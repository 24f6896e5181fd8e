package faults

import (
	"bytes"
	"cmp"
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/internal/errqueue"
	"sallyport/internal/feeds"
	"sallyport/internal/fetch"
	"sallyport/internal/measure"
	"sallyport/internal/pipeline"
	"sallyport/internal/testkit/impair"
	"sallyport/internal/testkit/lab"
	"sallyport/internal/testkit/need"
	"sallyport/internal/testkit/pace"
	"sallyport/verifier"
	"sallyport/verifier/media"
	"sallyport/verifier/probe"
)

// Names and addresses of the lab.
const (
	relayName, otherName, signalName = "relay.lab.example", "other.lab.example", "signal.lab.example"
	issuer                           = "Lab Corporation"
)

var (
	addr       = netip.MustParseAddr
	outside4   = addr("203.0.113.7")  // a relay outside the ranges
	portal4    = addr("203.0.113.80") // where a hijacker leads
	resolver   = netip.MustParseAddrPort("20.202.0.53:53")
	resolver2  = netip.MustParseAddrPort("20.202.1.53:53")
	reflector6 = netip.MustParseAddrPort("[2603:1063::33]:3500")
	reflector4 = netip.MustParseAddrPort("20.202.3.3:3500") // the user's own
)

// by is who speaks for a place: the source of its ICMP errors.
func by(place int, t target) netip.Addr {
	if place == server {
		return t.addr
	}
	four := map[int]netip.Addr{firewall: addr("10.20.0.1"), router: addr("198.18.0.2")}
	six := map[int]netip.Addr{firewall: addr("fd20::1"), router: addr("fd21::2")}
	if t.addr.Is4() {
		return four[place]
	}
	return six[place]
}

const policyText = `
set "media" {
  include = ["20.202.0.0/16", "2603:1063::/38"]
}
set "signalling" {
  include = ["52.112.0.0/14", "2603:1062::/38"]
}
service "media" {
  udp = ["3478-3481"]
  tcp = [443]
}
service "stun" {
  udp = ["3478-3479"]
}
service "https" {
  tcp = [443]
}
rule "calls" {
  action   = "allow"
  to       = set.media
  services = [service.media]
}
rule "signalling" {
  action   = "allow"
  to       = set.signalling
  services = [service.https]
}
probe "relay" {
  host    = "relay.lab.example"
  rule    = rule.calls
  issuers = ["Lab Corporation"]
}
probe "other" {
  host     = "other.lab.example"
  rule     = rule.calls
  services = [service.stun]
}
probe "signal" {
  host    = "signal.lab.example"
  rule    = rule.signalling
  issuers = ["lab corporation"]
}
`

// thousand is a bypass list of a thousand prefixes that do not touch, with the ranges
// of the media among them.
func thousand() (prefixes []string, policy string) {
	prefixes = []string{"20.202.0.0/16", "2603:1063::/38", "52.112.0.0/14", "2603:1062::/38"}
	for i := range 996 {
		prefixes = append(prefixes, fmt.Sprintf("51.%d.%d.0/25", i/250, i%250))
	}
	policy = policyText + "set \"routes\" {\n  include = [\"" + strings.Join(prefixes, `", "`) + "\"]\n}\n" +
		"target \"generic\" \"laptops\" {\n  bypass = set.routes\n}\n"
	return prefixes, policy
}

// bundle compiles a policy and writes its plan, as generate --bundle does.
func bundle(tb testing.TB, text string) []byte {
	tb.Helper()
	dir := tb.TempDir()
	file := filepath.Join(dir, "policy.hcl")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	cache, err := fetch.OpenCache(filepath.Join(dir, "cache"))
	if err != nil {
		tb.Fatal(err)
	}
	req := pipeline.Request{Policy: file, Out: dir, Version: "test", Opener: &feeds.Opener{Fetcher: &fetch.Fetcher{Cache: cache}},
		Now: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)}
	res, err := pipeline.Compile(context.Background(), req)
	if err == nil {
		res, err = res.Render()
	}
	if err != nil {
		tb.Fatal(err)
	}
	if res.Diagnostics.HasErrors() {
		tb.Fatal(res.Diagnostics)
	}
	var b bytes.Buffer
	if err := res.VerifyPlan().WriteJSON(&b); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// A world is a lab with relays and their like, faults, and what is true of it.
type world struct {
	*lab.Lab
	tb     testing.TB
	plan   *verifier.Plan
	facts  facts
	scale  float64
	opt    measure.Options
	dns    map[netip.AddrPort]*nameServer
	signal func(net.Conn) // the signalling host's TCP 443
	net    *clientNet
	tables int  // how many filters there are
	peers  bool // real programs serve, and not this one
}

func (w *world) host(place int) *lab.Host {
	return [...]*lab.Host{client: w.Client, firewall: w.Firewall, router: w.Router, server: w.Server}[place]
}

// newWorld makes the network with the faults in it, and starts its services.
func newWorld(tb testing.TB, bundles map[bool][]byte, faults ...fault) *world {
	tb.Helper()
	need.Program(tb, "nft")
	w := &world{tb: tb, scale: 1.0 / 25}
	var there, back lab.Carrier
	routes, loses, delay := false, false, time.Duration(0)
	for i, f := range faults {
		routes = routes || f.routes
		if f.there != nil || f.back != nil {
			loses = loses || f.there.Loss > 0 || f.back.Loss > 0
			delay = f.there.Delay + f.back.Delay
			there, back = mediaOnly(f.there, uint64(2*i+1)), mediaOnly(f.back, uint64(2*i+2))
		}
	}
	w.Lab = lab.New(tb, lab.FarRouter(there, back))
	plan, err := verifier.ReadPlan(bytes.NewReader(bundles[routes]))
	if err != nil {
		tb.Fatal(err)
	}
	w.plan = plan
	w.net = &clientNet{host: w.Client, resolvers: []netip.AddrPort{resolver}}
	w.opt.Probe.Roots = x509.NewCertPool()
	w.opt.Probe.Roots.AddCert(labCA().cert)
	w.dns = map[netip.AddrPort]*nameServer{resolver: {zone: zone{relayName: {relay4, relay6}, otherName: {other4, other6}, signalName: {signal4, signal6}}}}
	w.facts = facts{resolvers: map[netip.AddrPort]resolverFact{resolver: {answers: true, knows: true}},
		names: map[string][]netip.Addr{relayName: {relay4, relay6}, otherName: {other4, other6}, signalName: {signal4, signal6}},
		ways:  map[string]way{"ipv4": {routed: true}, "ipv6": {routed: true}}, loses: loses, delay: delay}
	w.signal = pageBy(labCA(), time.Now().Add(time.Hour))
	w.watch()
	for _, f := range faults {
		w.facts.stops = append(w.facts.stops, f.stops...)
		for _, r := range f.rules {
			w.filter(r)
		}
		if f.apply != nil {
			f.apply(w)
		}
	}
	w.serve()
	return w
}

// mediaOnly is a carrier that does to the UDP packets of the media ports what the path
// does, and nothing to others: names have to resolve, and TCP's own timers are not at
// 1/25.
func mediaOnly(f *impair.Faults, seed uint64) lab.Carrier {
	if f == nil {
		return nil
	}
	path := impair.NewPath(*f, seed)
	return func(packet []byte, send func([]byte)) {
		if isMedia(packet) {
			path.Carry(packet, send)
			return
		}
		send(packet)
	}
}

// isMedia says whether an IP packet is UDP from or to a media port.
func isMedia(b []byte) bool {
	const udp = 17
	at := 40
	switch {
	case len(b) < 28 || b[0]>>4 == 4 && b[9] != udp || b[0]>>4 == 6 && b[6] != udp:
		return false
	case b[0]>>4 == 4:
		at = int(b[0]&15) * 4
	}
	if len(b) < at+4 {
		return false
	}
	media := func(i int) bool {
		port := int(b[i])<<8 | int(b[i+1])
		return 3478 <= port && port <= 3481
	}
	return media(at) || media(at+2)
}

// timers are those of full time at the world's scale, and longer where the machine stood
// still at that. At 1/25, TCP has the time to send its first packet again, which its own
// timer does after a second.
func (w *world) timers() verifier.Timers {
	t := verifier.DefaultTimers().Scale(w.scale)
	t.Connect = max(t.Connect, 1500*time.Millisecond)
	t.Handshake = max(t.Handshake, 9*time.Second)
	t.Query = max(t.Query, 400*time.Millisecond)
	t.Hop = max(t.Hop, 400*time.Millisecond)
	t.Walks = max(t.Walks, 20*time.Second)
	t.NoHostAfter = max(t.NoHostAfter, 200*time.Millisecond)
	return t.Scale(float64(pace.Of(w.tb)))
}

// verify runs the plan as the command does.
func (w *world) verify() *verifier.Report {
	w.tb.Helper()
	if err := w.plan.Validate(); err != nil {
		w.tb.Fatal(err)
	}
	w.opt.Probe.Network = w.net
	if w.opt.Probe.Timers.RTO == 0 {
		w.opt.Probe.Timers = w.timers()
	}
	w.opt.Dial = func(ctx context.Context, to netip.AddrPort) (c media.Conn, err error) {
		w.Client.Do(func() { c, err = media.Dial(ctx, to, media.DialOptions{DSCP: w.opt.DSCP}) })
		return c, err
	}
	return measure.Run(context.Background(), w.plan, w.opt)
}

// nft loads a table of rules into a host.
func (w *world) nft(h *lab.Host, table string) {
	w.tb.Helper()
	h.MustExec(w.tb, table, "nft", "-f", "-")
}

// watch records, below the program, where the client's packets go.
func (w *world) watch() {
	w.nft(w.Client, `table inet seen {
	set ports4 { type ipv4_addr . inet_proto . inet_service; flags dynamic; size 65535; }
	set ports6 { type ipv6_addr . inet_proto . inet_service; flags dynamic; size 65535; }
	set other4 { type ipv4_addr . inet_proto; flags dynamic; size 65535; }
	set other6 { type ipv6_addr . inet_proto; flags dynamic; size 65535; }
	chain out {
		type filter hook output priority -500;
		oifname "lo" accept
		icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert, mld-listener-report, mld2-listener-report } accept
		meta nfproto ipv4 meta l4proto { tcp, udp } add @ports4 { ip daddr . meta l4proto . th dport } accept
		meta nfproto ipv6 meta l4proto { tcp, udp } add @ports6 { ip6 daddr . meta l4proto . th dport } accept
		meta nfproto ipv4 add @other4 { ip daddr . meta l4proto }
		meta nfproto ipv6 add @other6 { ip6 daddr . meta l4proto }
	}
}
`)
}

// element is one of the recorded places: an address, a protocol's number, and a port
// where it has one.
var element = regexp.MustCompile(`([0-9a-f.:]+) \. (\d+)(?: \. (\d+))?`)

// sent is where packets went: "udp 20.202.0.1:3478", and "icmp 20.202.0.1".
func (w *world) sent() []string {
	w.tb.Helper()
	protocols := map[string]string{"1": "icmp", "58": "icmp", "6": "tcp", "17": "udp"}
	var list []string
	for _, m := range element.FindAllStringSubmatch(w.Client.MustRun(w.tb, "nft", "-n", "list", "table", "inet", "seen"), -1) {
		to := m[1]
		if m[3] != "" {
			to = net.JoinHostPort(m[1], m[3])
		}
		list = append(list, cmp.Or(protocols[m[2]], m[2])+" "+to)
	}
	return list
}

// named are the places that the plan, its names and the caller of the run name.
func (w *world) named() []string {
	var list []string
	add := func(prot string, to netip.AddrPort) {
		list = append(list, prot+" "+to.String(), "icmp "+to.Addr().String())
	}
	for r := range w.facts.resolvers {
		add("udp", r)
		add("tcp", r)
	}
	for _, r := range w.opt.Reflectors {
		add("udp", r)
	}
	for _, t := range w.facts.targets(w.plan) {
		add(t.prot, netip.AddrPortFrom(t.addr, t.port))
	}
	return list
}

// onlyNamed fails the test if something was sent to an address that nobody named, or if
// nothing was sent where there is a route.
func (w *world) onlyNamed(t testing.TB) {
	t.Helper()
	sent, named := w.sent(), w.named()
	for _, s := range sent {
		if !slices.Contains(named, s) {
			t.Errorf("something was sent to %s, which the plan does not name", s)
		}
	}
	if len(sent) == 0 && w.facts.of(target{"relay", relay4, "udp", 3478}).state != noRoute {
		t.Error("no packet was recorded")
	}
}

// clientNet is the client's network. Everything that a probe opens is opened there.
type clientNet struct {
	host      *lab.Host
	sys       probe.System
	resolvers []netip.AddrPort
	stub      probe.Stub // what else programs look at
}

func (n *clientNet) DialUDP(ctx context.Context, to netip.AddrPort, o errqueue.Options) (c probe.UDPConn, err error) {
	n.host.Do(func() { c, err = n.sys.DialUDP(ctx, to, o) })
	return c, err
}

func (n *clientNet) ListenUDP(ctx context.Context, a netip.Addr) (c probe.PacketConn, err error) {
	n.host.Do(func() { c, err = n.sys.ListenUDP(ctx, a) })
	return c, err
}

func (n *clientNet) DialTCP(ctx context.Context, to netip.AddrPort, o errqueue.Options) (c net.Conn, err error) {
	n.host.Do(func() { c, err = n.sys.DialTCP(ctx, to, o) })
	return c, err
}

func (n *clientNet) Stub() (probe.Stub, error) {
	s := n.stub
	s.Servers, s.Limit, s.Timeout, s.Tries, s.Dots = n.resolvers, 3, 5*time.Second, 2, 1
	return s, nil
}

func (n *clientNet) Interfaces() (l []probe.Interface, err error) {
	n.host.Do(func() { l, err = n.sys.Interfaces() })
	return l, err
}

func (n *clientNet) LookUp(flows []probe.Flow) (l []probe.FlowRoute, err error) {
	n.host.Do(func() { l, err = n.sys.LookUp(flows) })
	return l, err
}

func (n *clientNet) Routing() (r probe.Routing, err error) {
	n.host.Do(func() { r, err = n.sys.Routing() })
	return r, err
}

func (n *clientNet) Sent() (m map[string]uint64, err error) {
	n.host.Do(func() { m, err = n.sys.Sent() })
	return m, err
}

// labCA signs the certificates of the lab's servers.
var labCA = sync.OnceValue(func() *authority { return newAuthority(issuer) })

// proxyCA signs those of an intercepting proxy.
var proxyCA = sync.OnceValue(func() *authority { return newAuthority("Proxy Inc") })
