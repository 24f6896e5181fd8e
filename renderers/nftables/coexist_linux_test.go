package nftables

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sallyport/internal/testkit/filtercheck"
	"sallyport/internal/testkit/lab"
	"sallyport/internal/testkit/need"
	"sallyport/ipranges"
	"sallyport/rules"
)

// adminGateway is the rule set of somebody who drops by default and knows what a
// gateway needs: SSH, DNS, neighbour discovery, and nothing else.
const adminGateway = `
table inet filter {
	chain input {
		type filter hook input priority filter; policy drop;
		ct state established,related accept
		iif "lo" accept
		icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit } accept
		tcp dport 22 accept
	}
	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state established,related accept
		iifname "lan0" tcp dport 22 accept
		iifname "lan0" udp dport 53 accept
	}
	chain output {
		type filter hook output priority filter; policy drop;
		ct state established,related accept
		oif "lo" accept
		icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert } accept
	}
}
`

// visit is one thing that the client tries.
type visit struct {
	name, network, to string
	bytes             int // of the payload
}

// everyday is what the admin's rules decide; calls is what the policy adds.
var (
	everyday = []visit{
		{"SSH to the firewall", "tcp", "10.20.0.1:22", 4},
		{"SSH to the firewall, IPv6", "tcp", "[fd20::1]:22", 4},
		{"SSH through it", "tcp", "9.9.9.9:22", 4},
		{"SSH through it, IPv6, with large packets", "tcp", "[2620:fe::9]:22", 100_000},
		{"DNS", "udp", "9.9.9.9:53", 40},
		{"DNS, IPv6", "udp", "[2620:fe::9]:53", 40},
		{"HTTP", "tcp", "9.9.9.9:80", 4},
		{"HTTP, IPv6", "tcp", "[2620:fe::9]:80", 4},
		{"media outside the ranges", "udp", "9.9.9.9:3478", 40},
		{"another port inside the ranges", "udp", "20.202.0.1:3477", 40},
		{"another port inside the ranges, IPv6", "udp", "[2603:1063::1]:53000", 40},
		{"an address before the ranges", "udp", "20.201.255.255:3478", 40},
	}
	calls = []visit{
		{"media", "udp", "20.202.0.1:3478", 400},
		{"media, last address and port", "udp", "52.115.255.255:3481", 400},
		{"media, IPv6", "udp", "[2603:1063::1]:3480", 400},
		{"media over TCP, with large packets", "tcp", "52.112.0.9:443", 100_000},
		{"media over TCP, IPv6, with large packets", "tcp", "[2603:1063:3ff::7]:443", 100_000},
	}
)

// try makes every visit at once, beginning with empty neighbour caches, and
// returns which of them came through.
func try(t *testing.T, l *lab.Lab, list []visit) map[string]bool {
	t.Helper()
	for _, h := range []*lab.Host{l.Client, l.Firewall, l.Server} {
		if err := h.FlushNeighbours(); err != nil {
			t.Fatal(err)
		}
	}
	passed := make([]bool, len(list))
	var wg sync.WaitGroup
	for i, v := range list {
		wg.Go(func() { passed[i] = visitOnce(l, v) })
	}
	wg.Wait()
	got := map[string]bool{}
	for i, v := range list {
		got[v.name] = passed[i]
	}
	return got
}

// visitOnce asks with growing patience, so that a busy machine is not taken for a
// firewall. What is dropped costs the whole of it.
func visitOnce(l *lab.Lab, v visit) bool {
	payload := make([]byte, v.bytes)
	for i := range payload {
		payload[i] = byte('a' + i%26)
	}
	for _, patience := range []time.Duration{300 * time.Millisecond, 1500 * time.Millisecond} {
		answer, err := l.Client.Ask(v.network, netip.MustParseAddrPort(v.to), payload, patience)
		if err == nil && string(answer.Echo) == string(payload) {
			return true
		}
	}
	return false
}

func mediaPlan() *rules.Plan {
	p := filtercheck.Calls(ipranges.MustParse("20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "2603:1063::/38"))
	p.Rules[0].To = rules.In("acs_media", p.Rules[0].To.Set())
	return p
}

func newGateway(t *testing.T) *lab.Lab {
	t.Helper()
	l := lab.New(t, lab.FarMTU(1300)) // large packets need "packet too big" to arrive
	for _, err := range []error{
		l.Server.AnswerUDP(53, 3477, 3478, 3479, 3480, 3481, 53000), l.Server.AnswerTCP(22, 80, 443), l.Firewall.AnswerTCP(22),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// TestFragmentBesideAnAdminsRules adds our fragment to an admin's rule set, reloads
// it ten times during a call, and removes it.
func TestFragmentBesideAnAdminsRules(t *testing.T) {
	need.Time(t, "a long laboratory")
	need.Program(t, "nft")
	l := newGateway(t)
	fw := l.Firewall
	fw.MustExec(t, adminGateway, "nft", "-f", "-")
	start := fw.MustRun(t, "nft", "list", "ruleset")
	before := try(t, l, everyday)
	for name, passed := range before {
		if want := strings.HasPrefix(name, "SSH") || strings.HasPrefix(name, "DNS"); passed != want {
			t.Fatalf("the admin's own rules: %s passed is %v", name, passed)
		}
	}
	for name, passed := range try(t, l, calls) {
		if passed {
			t.Fatalf("%s passes before there is a rule for it", name)
		}
	}

	opt := Options{Placement: fragment, Table: "inet filter", Hook: "forward", Ingress: []string{"lan0"}}
	files := render(t, opt, mediaPlan(), nil)
	load(t, fw, files)
	fw.MustRun(t, "nft", "add", "rule", "inet", "filter", "forward", "jump", "sallyport_edge")
	loaded := fw.MustRun(t, "nft", "list", "ruleset")
	lost := callDuring(t, l, func() {
		for range 10 {
			load(t, fw, files)
		}
	})
	if lost > 0 {
		t.Errorf("%d new media flows were lost while reloading", lost)
	}
	if now := fw.MustRun(t, "nft", "list", "ruleset"); now != loaded {
		t.Error("ten reloads changed the rule set")
	}
	for name, passed := range try(t, l, calls) {
		if !passed {
			t.Errorf("%s does not pass", name)
		}
	}
	compareVisits(t, "beside our fragment", before, try(t, l, everyday))

	removeJump(t, fw)
	fw.MustExec(t, string(files[1].Data), "nft", "-f", "-")
	if now := fw.MustRun(t, "nft", "list", "ruleset"); now != start {
		t.Errorf("after removal the rule set differs from the start:\n%s", now)
	}
	compareVisits(t, "after removal", before, try(t, l, everyday))
}

// callDuring opens one media flow after the other while work runs, and returns how
// many got no answer. Only a flow that fails three times counts.
func callDuring(t *testing.T, l *lab.Lab, work func()) int {
	t.Helper()
	var stop atomic.Bool
	type count struct{ made, lost int }
	done := make(chan count)
	go func() {
		var c count
		for !stop.Load() {
			ok := false
			for range 3 {
				_, err := l.Client.Ask("udp", netip.MustParseAddrPort("52.112.0.1:3479"), []byte("media"), time.Second)
				if ok = err == nil; ok {
					break
				}
			}
			c.made++
			if !ok {
				c.lost++
			}
		}
		done <- c
	}()
	work()
	stop.Store(true)
	c := <-done
	if c.made == 0 {
		t.Error("no flow was opened in between")
	}
	t.Logf("%d flows opened during ten reloads", c.made)
	return c.lost
}

func compareVisits(t *testing.T, when string, before, after map[string]bool) {
	t.Helper()
	for name, passed := range before {
		if after[name] != passed {
			t.Errorf("%s: %s passed was %v and is %v", when, name, passed, after[name])
		}
	}
}

// removeJump does what the header of remove.nft says: find the handle, delete it.
func removeJump(t *testing.T, h *lab.Host) {
	t.Helper()
	for line := range strings.Lines(h.MustRun(t, "nft", "-a", "list", "chain", "inet", "filter", "forward")) {
		if words := strings.Fields(line); slices.Contains(words, "jump") {
			h.MustRun(t, "nft", "delete", "rule", "inet", "filter", "forward", "handle", words[len(words)-1])
			return
		}
	}
	t.Fatal("no jump to remove")
}

// TestJumpSurvivesReloadOfTheAdminsFile follows the page's advice for a firewall
// whose own file begins with "flush ruleset": declare the chain, jump, include.
func TestJumpSurvivesReloadOfTheAdminsFile(t *testing.T) {
	need.Program(t, "nft")
	h := lab.NewInjector(t).Host()
	dir := t.TempDir()
	opt := Options{Placement: fragment, Table: "inet filter", Hook: "forward", Ingress: []string{"lan0"}}
	writeFile(t, dir+"/edge.nft", render(t, opt, mediaPlan(), nil)[0].Data)
	admin := fmt.Sprintf(`flush ruleset
table inet filter {
	chain sallyport_edge {
	}
	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state established,related accept
		jump sallyport_edge
	}
}
include "%s/edge.nft"
`, dir)
	h.MustExec(t, admin, "nft", "-f", "-")
	first := h.MustRun(t, "nft", "list", "ruleset")
	h.MustExec(t, admin, "nft", "-f", "-")
	if again := h.MustRun(t, "nft", "list", "ruleset"); again != first {
		t.Error("reloading the admin's file gives another rule set")
	}
	if !strings.Contains(first, "daddr @sallyport_edge.acs_media_v4") {
		t.Errorf("our rules are not loaded:\n%s", first)
	}
}

// TestStandaloneDenyOnAHost shuts a client down to its calls: neighbour discovery
// with an empty cache, loopback, and packets too big must go on working.
func TestStandaloneDenyOnAHost(t *testing.T) {
	need.Time(t, "a long laboratory")
	need.Program(t, "nft")
	l := newGateway(t)
	p := mediaPlan()
	p.Default = rules.Deny
	l.Client.MustExec(t, string(render(t, Options{Placement: standalone, Hook: "output"}, p, nil)[0].Data), "nft", "-f", "-")
	for name, passed := range try(t, l, calls) {
		if !passed {
			t.Errorf("%s does not pass", name)
		}
	}
	for name, passed := range try(t, l, everyday) {
		if passed {
			t.Errorf("%s passes", name)
		}
	}
	if err := l.Client.AnswerUDP(5353); err != nil {
		t.Fatal(err)
	}
	for _, loopback := range []string{"127.0.0.1:5353", "[::1]:5353"} {
		if _, err := l.Client.Ask("udp", netip.MustParseAddrPort(loopback), []byte("name"), time.Second); err != nil {
			t.Errorf("loopback: %v", err)
		}
	}
}

// TestStandaloneLeavesInboundAlone: a rule describes who opens the connection, so a
// deny towards a host must not cut the replies to connections that it opens.
func TestStandaloneLeavesInboundAlone(t *testing.T) {
	need.Program(t, "nft")
	l := lab.New(t)
	if err := l.Client.AnswerTCP(8080); err != nil {
		t.Fatal(err)
	}
	if err := l.Firewall.AnswerTCP(8080); err != nil {
		t.Fatal(err)
	}
	p := mediaPlan()
	p.Rules = []rules.Rule{{Name: "block", Verdict: rules.Deny, Reject: true, From: rules.Any(), To: rules.In("gateway", ipranges.MustParse("10.20.0.1", "fd20::1")),
		Services: []rules.Service{rules.NewService("tcp", rules.All(rules.TCP))}}}
	l.Client.MustExec(t, string(render(t, Options{Placement: standalone, Hook: "output"}, p, nil)[0].Data), "nft", "-f", "-")
	for _, inbound := range []string{"10.20.0.2:8080", "[fd20::2]:8080"} {
		if _, err := l.Firewall.Ask("tcp", netip.MustParseAddrPort(inbound), []byte("hello"), 3*time.Second); err != nil {
			t.Errorf("a connection from the denied host: %v", err)
		}
	}
	for _, outbound := range []string{"10.20.0.1:8080", "[fd20::1]:8080"} {
		if _, err := l.Client.Ask("tcp", netip.MustParseAddrPort(outbound), []byte("hello"), 3*time.Second); err == nil {
			t.Errorf("a connection to the denied host %s passes", outbound)
		}
	}
}
