package rules

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"sallyport/internal/testkit/cost"
	"sallyport/ipranges"
)

// TestCompareNames checks Compare in a small world of host names and addresses, where
// every flow can be asked.
func TestCompareNames(t *testing.T) {
	patterns := []string{"a.x.de", "b.x.de", "*.x.de", "*.de", "*a.x.de", "x.de", "c.a.x.de", "*.a.x.de", "*0.x.de", "0sample0.x.de"}
	hosts := []string{"", "x.de", "a.x.de", "b.x.de", "ba.x.de", "c.a.x.de", "d.a.x.de", "q.x.de", "z.de", "z.com", "70.x.de", "0sample0.x.de"}
	rng := rand.New(rand.NewPCG(3, 3))
	random := func() *Plan {
		p := plan()
		p.Families = OnlyIPv4
		for i := range 1 + rng.IntN(4) {
			to := In(fmt.Sprintf("s%d", i), ipranges.MustParse(fmt.Sprintf("10.0.0.%d-10.0.0.%d", rng.IntN(2), 1+rng.IntN(2))))
			if rng.IntN(3) > 0 {
				var list []string
				for range 1 + rng.IntN(3) {
					list = append(list, patterns[rng.IntN(len(patterns))])
				}
				to = Named(fmt.Sprintf("n%d", i), list)
			}
			p.Rules = append(p.Rules, rule(fmt.Sprintf("r%d", i), Verdict(1+rng.IntN(2)), Any(), to, media))
		}
		return p
	}
	equal := 0
	for range 3000 {
		a, b := random(), random()
		same := true
		for _, host := range hosts {
			for dst := range 4 {
				f := Flow{Src: netip.MustParseAddr("10.0.0.9"), Dst: netip.AddrFrom4([4]byte{10, 0, 0, byte(dst)}), Proto: TCP, Point: 443, Name: host}
				va, _ := a.Decide(f)
				vb, _ := b.Decide(f)
				same = same && va == vb
			}
		}
		d := Compare(a, b)
		if (d == nil) != same {
			t.Fatalf("Compare says %v, and asking every flow says they are equal: %v\n%+v\n%+v", d, same, a.Rules, b.Rules)
		}
		if d == nil {
			equal++
			continue
		}
		va, _ := a.Decide(d.Flow)
		vb, _ := b.Decide(d.Flow)
		if va == vb {
			t.Fatalf("the difference is none: %v", d)
		}
	}
	if equal < 20 || equal > 2980 {
		t.Errorf("%d of 3000 pairs of plans are equal: the test is one-sided", equal)
	}
}

func TestLowerNames(t *testing.T) {
	p := plan(rule("signalling", Allow, Any(), Named("hosts", []string{"*.skype.com", "login.skype.com"}), media))
	caps := Caps{Families: BothFamilies, Verdicts: []Verdict{Allow, Deny}, Defaults: []Verdict{Continue, Deny}, Sources: true, Ports: true}
	for _, tt := range []struct {
		names, wildcards bool
		want             string
	}{
		{false, false, "cannot match host names"},
		{true, false, "*.skype.com is none"},
		{true, true, ""},
	} {
		caps.Names, caps.Wildcards = tt.names, tt.wildcards
		out, losses, errs := Lower(p, caps)
		if tt.want == "" {
			if len(errs) > 0 || len(losses) > 0 || Compare(p, out) != nil {
				t.Errorf("a target with names: %v, %v", errs, losses)
			}
			continue
		}
		if len(errs) != 1 || errs[0].Rule != "signalling" || !strings.Contains(errs[0].Cause, tt.want) || errs[0].Fix == "" {
			t.Errorf("names %v, wildcards %v: %v", tt.names, tt.wildcards, errs)
		}
	}
}

// TestShadowedNames holds that a rule to names hides no rule to addresses, and is hidden
// by one that covers every address.
func TestShadowedNames(t *testing.T) {
	names := Named("hosts", []string{"*.skype.com"})
	everywhere := rule("everywhere", Deny, Any(), Any(), media)
	hosts := rule("hosts", Allow, Any(), names, media)
	if s := shadows(plan(hosts, everywhere)); len(s) != 0 {
		t.Errorf("a rule to names hides %s", s[0].Rule.Name)
	}
	if s := shadows(plan(everywhere, hosts)); len(s) != 1 || s[0].Rule.Name != "hosts" {
		t.Errorf("a rule to names behind one to everything is not reported: %v", s)
	}
	wide := rule("wide", Allow, Any(), Named("wide", []string{"*.com", "x.de"}), media)
	if s := shadows(plan(wide, hosts)); len(s) != 1 || s[0].Rule.Name != "hosts" {
		t.Errorf("a rule to names behind one to wider names is not reported: %v", s)
	}
	if s := shadows(plan(hosts, wide)); len(s) != 0 {
		t.Errorf("%s counts as hidden by narrower names", s[0].Rule.Name)
	}
	some := rule("some", Deny, Any(), In("some", ipranges.MustParse("10.0.0.0/8")), media)
	if s := shadows(plan(some, hosts)); len(s) != 0 {
		t.Errorf("a rule to names counts as hidden by one to some addresses")
	}
}

// TestNameHolders: the index finds what the list of patterns finds.
func TestNameHolders(t *testing.T) {
	names := []string{"", "*", "a", "a.example.com", "example.com", ".example.com", "!.example.com", "!-files.example.com", "x-files.example.com", "files.example.com", "!", "b.a.example.com"}
	patterns := []string{"*", "*.example.com", "*-files.example.com", "a.example.com", "example.com", "*.com"}
	for mask := range 1 << len(patterns) {
		var list []string
		for i, p := range patterns {
			if mask&(1<<i) != 0 {
				list = append(list, p)
			}
		}
		a := Named("names", list)
		for _, name := range names {
			if got, want := !holdersOf([]Rule{{To: a}}).of(name).empty(), a.fits(name); got != want {
				t.Errorf("%q of %q: %v, not %v", name, list, got, want)
			}
		}
	}
}

// TestManyNames: a comparison of lists of names takes as much for each name, however many
// there are.
func TestManyNames(t *testing.T) {
	cost.Linear(t, "comparing host names", 1_000, func(n int) {
		list := make([]string, n)
		for i := range list {
			list[i] = fmt.Sprintf("h%d.example.com", i)
		}
		p := &Plan{Families: BothFamilies, Default: Deny, Rules: []Rule{{Name: "r", Verdict: Allow, From: Any(), To: Named("names", list), Services: []Service{AnyService()}}}}
		q := *p
		q.Rules = append(slices.Clone(p.Rules), p.Rules[0]) // else the rules are compared one by one
		if d := Compare(p, &q); d != nil {
			t.Fatal(d)
		}
	})
}
