package verifier

import (
	"bytes"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sallyport/ipranges"
)

func samplePlan() *Plan {
	return &Plan{
		Format: PlanFormat,
		Source: Source{Name: "policy.hcl", PolicyHash: "abc", Feeds: []string{"azure change 398"}, Made: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)},
		Sets: []Set{{Name: "acs_media", To: Ranges{ipranges.MustParse("20.202.0.0/16", "52.112.0.0-52.115.255.254", "192.0.2.7", "2603:1063::/38")},
			Place: Place{"policy.hcl", 3, 1}}},
		Rules:     []Rule{{Name: "calls", Set: "acs_media", Services: []Service{{"udp", 3478, 3481}, {"tcp", 443, 443}}, Place: Place{"policy.hcl", 14, 1}}},
		Probes:    []Probe{{Name: "relay", Host: "worldaz.tr.teams.microsoft.com", Rule: "calls"}, {Name: "own", Host: "2603:1063::9", Rule: "calls", Kinds: []Kind{STUN}, Services: []Service{{"udp", 3478, 3478}}}},
		Routes:    []Way{{Name: "laptops", Set: "acs_media", Direction: Bypass}},
		Resolvers: []netip.AddrPort{netip.MustParseAddrPort("10.0.0.53:53")},
		Vantage:   Client, VPN: []string{"tun0"},
	}
}

var equal = cmp.Options{cmpopts.EquateEmpty(), cmp.Comparer(func(a, b Ranges) bool { return a.Equal(b.Set) }), cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })}

func TestPlanTravels(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	want := samplePlan()
	if err := want.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	got, err := ReadPlan(bytes.NewReader(b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got, equal); d != "" {
		t.Error(d)
	}
	for _, text := range []string{`"52.112.0.0-52.115.255.254"`, `"192.0.2.7"`, `"udp/3478-3481"`, `"tcp/443"`} {
		if !strings.Contains(b.String(), text) {
			t.Errorf("no %s in %s", text, b.String())
		}
	}
}

func TestReadPlanRefuses(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := samplePlan().WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	good := b.String()
	for name, change := range map[string][2]string{
		"an unknown member":   {`"routes"`, `"wishes"`},
		"a member twice":      {`"vantage"`, `"sets": [], "vantage"`},
		"another format":      {PlanFormat, "sallyport-verify/2"},
		"host bits":           {"20.202.0.0/16", "20.202.0.1/16"},
		"an unknown rule":     {`"rule": "calls"`, `"rule": "other"`},
		"an unknown set":      {`"set": "acs_media"`, `"set": "other"`},
		"an unknown kind":     {`"stun"`, `"sweep"`},
		"a bad service":       {"udp/3478-3481", "udp/3481-3478"},
		"a port too high":     {"tcp/443", "tcp/70000"},
		"a direction":         {`"bypass"`, `"around"`},
		"a wildcard":          {"worldaz.tr.teams.microsoft.com", "*.teams.microsoft.com"},
		"a URL":               {"worldaz.tr.teams.microsoft.com", "https://x/"},
		"a zone":              {"2603:1063::9", "fe80::1%eth0"},
		"a broadcast":         {"2603:1063::9", "0.0.0.0"},
		"a multicast":         {"2603:1063::9", "ff02::1"},
		"an escape sequence":  {`"relay"`, `"re\u001b[2Jlay"`},
		"a newline in a name": {`"tun0"`, `"tun0\nx"`},
		"a vantage":           {`"client"`, `"moon"`},
		"an empty set":        {`"20.202.0.0/16"`, `"20.202.0.0/16" ] , "place": {"file":"","line":0}}, {"name": "b", "ranges": [], "place": {"file":"","line":0}}, {"name": "c", "ranges": ["10.0.0.0/8"`},
		"something behind it": {"}\n", "}\n{}"},
	} {
		text := strings.Replace(good, change[0], change[1], 1)
		if name == "something behind it" {
			text = good + "{}"
		}
		if text == good {
			t.Fatalf("%s: the sample has no %q", name, change[0])
		}
		if _, err := ReadPlan(strings.NewReader(text)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	for name, text := range map[string]string{"nothing": "", "no JSON": "hello", "a list": "[]", "deep": strings.Repeat("[", 100_000)} {
		if _, err := ReadPlan(strings.NewReader(text)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestValidateBounds(t *testing.T) {
	t.Parallel()
	p := samplePlan()
	for i := range maxProbes + 1 {
		p.Probes = append(p.Probes, Probe{Name: fmt.Sprintf("p%d", i), Host: "192.0.2.1", Rule: "calls"})
	}
	if err := p.Validate(); err == nil || !strings.Contains(err.Error(), "more than 2000") {
		t.Errorf("%v", err)
	}
	p = samplePlan()
	for i := range p.Probes {
		p.Probes[i].Rule = "no\x1b"
	}
	if err := p.Validate(); err == nil || strings.ContainsRune(err.Error(), 0x1b) {
		t.Errorf("%q", err)
	}
}

func FuzzReadPlan(f *testing.F) {
	var b bytes.Buffer
	if err := samplePlan().WriteJSON(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ReadPlan(bytes.NewReader(b))
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := p.WriteJSON(&out); err != nil {
			t.Fatal(err)
		}
		again, err := ReadPlan(&out)
		if err != nil {
			t.Fatalf("%v: what was written is not read: %s", err, b)
		}
		if !cmp.Equal(again.Rules, p.Rules, equal) || !cmp.Equal(again.Sets, p.Sets, equal) {
			t.Errorf("%+v became %+v", p, again)
		}
		for i := range p.Probes {
			p.Asks(&p.Probes[i])
		}
	})
}

func TestAsks(t *testing.T) {
	t.Parallel()
	p := samplePlan()
	relay := []Ask{{STUN, "udp", 3478}, {STUN, "udp", 3479}, {STUN, "udp", 3480}, {STUN, "udp", 3481}, {STUN, "tcp", 443}}
	for _, c := range []struct {
		name string
		pr   Probe
		want []Ask
		left int
	}{
		{"a relay", Probe{Host: "a.example", Rule: "calls"}, relay, 0},
		{"signalling", Probe{Host: "a.example", Services: []Service{{"tcp", 80, 80}, {"tcp", 443, 443}, {"tcp", 5061, 5061}}},
			[]Ask{{HTTP, "tcp", 80}, {HTTPS, "tcp", 443}, {TCP, "tcp", 5061}}, 0},
		{"an address has no certificate", Probe{Host: "192.0.2.1", Services: []Service{{"tcp", 443, 443}}}, []Ask{{TCP, "tcp", 443}}, 0},
		{"kinds by name", Probe{Host: "a.example", Rule: "calls", Kinds: []Kind{TLS, TCP, DNS}}, []Ask{{TLS, "tcp", 443}, {TCP, "tcp", 443}}, 0},
		{"no kind fits", Probe{Host: "a.example", Kinds: []Kind{TLS}, Services: []Service{{"udp", 1, 1}}}, nil, 1},
		{"never a sweep", Probe{Host: "a.example", Services: []Service{{"udp", 0, 65535}, {"tcp", 443, 443}}}, []Ask{{HTTPS, "tcp", 443}}, 1},
		{"another protocol", Probe{Host: "a.example", Services: []Service{{"esp", 0, 65535}}}, nil, 1},
		{"overlaps once", Probe{Host: "192.0.2.1", Services: []Service{{"udp", 1, 2}, {"udp", 2, 3}}}, []Ask{{STUN, "udp", 1}, {STUN, "udp", 2}, {STUN, "udp", 3}}, 0},
	} {
		got, left := p.Asks(&c.pr)
		if !reflect.DeepEqual(got, c.want) || len(left) != c.left {
			t.Errorf("%s: %v %q, want %v", c.name, got, left, c.want)
		}
	}
}

func TestDefaultProbes(t *testing.T) {
	t.Parallel()
	p := samplePlan()
	p.Probes = DefaultProbes()
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	for i := range p.Probes {
		if asks, left := p.Asks(&p.Probes[i]); len(asks) == 0 || len(left) > 0 {
			t.Errorf("%s: %v %q", p.Probes[i].Name, asks, left)
		}
	}
	if got := (&Probe{Host: "Relay.Communication.Microsoft.com."}).IssuersFor(); len(got) == 0 {
		t.Error("no issuers for a name of Microsoft")
	}
	if got := (&Probe{Host: "notmicrosoft.com"}).IssuersFor(); got != nil {
		t.Errorf("%v", got)
	}
}

func TestTimers(t *testing.T) {
	t.Parallel()
	d := DefaultTimers()
	if got := d.Silence(); got != 39500*time.Millisecond {
		t.Errorf("a silence takes %v, and RFC 8489 says 39.5 s", got)
	}
	s := d.Scale(1.0 / 25)
	if s.RTO != 20*time.Millisecond || s.Rc != 7 || s.Silence() != 1580*time.Millisecond || s.Idle[0] != d.Idle[0]/25 {
		t.Errorf("%+v", s)
	}
	if d.Idle[0] != 25*time.Second {
		t.Error("Scale changed its receiver")
	}
	// The default run stays under a minute: the slowest chain is a name that needs every
	// query, a silence, and a walk.
	if total := 3*d.Query + d.Silence() + d.Walks; total >= time.Minute {
		t.Errorf("a default run may take %v", total)
	}
}
