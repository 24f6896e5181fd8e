package nftables

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sallyport/internal/testkit/conformance"
	"sallyport/internal/testkit/filtercheck"
	"sallyport/internal/testkit/lab"
	"sallyport/internal/testkit/need"
	"sallyport/internal/testkit/rendered"
	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// These tests load what is rendered into the kernel, in network namespaces of
// their own, and ask it with packets.

// adminTables is a firewall that drops by default and lets the admin's own
// traffic pass, in the families that a fragment can live in.
const adminTables = `
table inet filter {
	chain forward { type filter hook forward priority filter; policy drop; }
	chain output { type filter hook output priority filter; policy drop; }
}
table ip fw {
	chain forward { type filter hook forward priority filter; policy accept; }
}
table ip6 fw {
	chain forward { type filter hook forward priority filter; policy accept; }
}
`

func load(t *testing.T, h *lab.Host, files []renderers.File) {
	t.Helper()
	h.MustExec(t, string(files[0].Data), "nft", "-f", "-")
}

// TestVerdictsOnEveryBoundary decides every boundary of the whole Azure cloud with
// packets, in both placements and hooks.
func TestVerdictsOnEveryBoundary(t *testing.T) {
	need.Time(t, "a long laboratory")
	need.Program(t, "nft")
	set := conformance.AzureCloud(t, 398)
	flows := filtercheck.Flows(set, lab.Forwardable)
	for _, tt := range []struct {
		name string
		opt  Options
		jump string // the admin's chain that jumps to ours
	}{
		{"fragment forward", Options{Placement: fragment, Table: "inet filter", Hook: "forward", Ingress: []string{"lan0"}}, "forward"},
		{"fragment output", Options{Placement: fragment, Table: "inet filter", Hook: "output"}, "output"},
		{"standalone forward", Options{Placement: standalone, Hook: "forward", Ingress: []string{"lan0"}}, ""},
		{"standalone output", Options{Placement: standalone, Hook: "output"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := lab.NewInjector(t)
			p := filtercheck.Calls(set)
			if tt.jump != "" {
				in.Host().MustExec(t, adminTables, "nft", "-f", "-")
			} else {
				p.Default = rules.Deny
			}
			load(t, in.Host(), render(t, tt.opt, p, nil))
			device := ""
			if tt.opt.Hook == "output" {
				device = lab.Local
			}
			if tt.jump != "" {
				filtercheck.Dropped(t, in, flows, device, "without the jump")
				in.Host().MustRun(t, "nft", "add", "rule", "inet", "filter", tt.jump, "jump", "sallyport_edge")
			}
			filtercheck.Expect(t, in, p, flows, device)
		})
	}
}

// TestOtherInterfacesAreLeftAlone sends the same packets in by a device that the
// policy does not name.
func TestOtherInterfacesAreLeftAlone(t *testing.T) {
	need.Program(t, "nft")
	p := filtercheck.Calls(ipranges.MustParse("20.202.0.0/16", "2603:1063::/38"))
	p.Default = rules.Deny
	in := lab.NewInjector(t, lab.Lan("lan0", "10.20.0.1/16", "fd20::1/64"), lab.Lan("dmz0", "10.30.0.1/16", "fd30::1/64"))
	load(t, in.Host(), render(t, Options{Placement: standalone, Hook: "forward", Ingress: []string{"lan0"}}, p, nil))
	dst := netip.MustParseAddr("9.9.9.9")
	for _, tt := range []struct {
		device string
		want   lab.Verdict
	}{{"lan0", lab.Dropped}, {"dmz0", lab.Passed}} {
		pkt := lab.UDP(dst, 53)
		pkt.In = tt.device
		if got := filtercheck.Verdicts(t, in, pkt); got[0] != tt.want {
			t.Errorf("from %s: %v, not %v", tt.device, got[0], tt.want)
		}
	}
}

// TestReloadEqualsFresh loads change 396 and then 398: the kernel's state must be
// that of 398 alone, in both placements.
func TestReloadEqualsFresh(t *testing.T) {
	need.Time(t, "a long laboratory")
	need.Program(t, "nft")
	old, now := filtercheck.Calls(conformance.AzureCloud(t, 396)), filtercheck.Calls(conformance.AzureCloud(t, 398))
	for _, opt := range []Options{
		{Placement: fragment, Table: "inet filter", Hook: "forward", Ingress: []string{"lan0"}},
		{Placement: standalone, Hook: "forward", Ingress: []string{"lan0"}, DSCP: true},
	} {
		t.Run(opt.Placement, func(t *testing.T) {
			files := render(t, opt, now, nil)
			state := func(before string) string {
				h := lab.NewInjector(t).Host()
				h.MustExec(t, adminTables, "nft", "-f", "-")
				h.MustExec(t, before, "nft", "-f", "-")
				load(t, h, files)
				return h.MustRun(t, "nft", "list", "ruleset")
			}
			fresh, before := state(""), string(render(t, opt, old, nil)[0].Data)
			if state(before) != fresh {
				t.Error("change 398 loaded after 396 differs from 398 alone")
			}
			// Until 2026-12 the sets of addresses had a flag more.
			merging := regexp.MustCompile(`(type ipv._addr)(;? *\s*)(flags interval)`).ReplaceAllString(before, "$1${2}auto-merge$2$3")
			if strings.Count(merging, "auto-merge") < 2 || state(merging) != fresh {
				t.Error("change 398 loaded over sets with auto-merge differs from 398 alone")
			}
		})
	}
}

// TestRetiredObjectsGo renames a set and drops the marks: what the earlier file
// made and the new one does not need is gone after loading, however many versions
// were rendered in between.
func TestRetiredObjectsGo(t *testing.T) {
	need.Program(t, "nft")
	opt := Options{Placement: fragment, Table: "inet filter", Hook: "forward", Ingress: []string{"lan0"}}
	marked := opt
	marked.DSCP = true
	set := ipranges.MustParse("20.202.0.0/16", "2603:1063::/38")
	first := filtercheck.Calls(set)
	second := filtercheck.Calls(set)
	second.Rules[0].To = rules.In("renamed", set)
	third := filtercheck.Calls(set)
	third.Rules[0].To = rules.In("again", set.Only(ipranges.IPv4))

	fresh := lab.NewInjector(t).Host()
	fresh.MustExec(t, adminTables, "nft", "-f", "-")
	load(t, fresh, render(t, opt, third, nil))

	h := lab.NewInjector(t).Host()
	h.MustExec(t, adminTables, "nft", "-f", "-")
	before := h.MustRun(t, "nft", "list", "ruleset")
	one := render(t, marked, first, nil)
	load(t, h, one)
	two := render(t, opt, second, one)
	three := render(t, opt, third, two) // two was never loaded
	load(t, h, three)
	// The kernel lists sets in the order in which they were made.
	if got, want := sorted(h.MustRun(t, "nft", "list", "ruleset")), sorted(fresh.MustRun(t, "nft", "list", "ruleset")); got != want {
		t.Errorf("objects are left behind:\n%s\nwanted:\n%s", got, want)
	}
	h.MustExec(t, string(three[1].Data), "nft", "-f", "-")
	if got := h.MustRun(t, "nft", "list", "ruleset"); got != before {
		t.Errorf("removal leaves something behind:\n%s", got)
	}
}

func sorted(text string) string {
	lines := strings.Split(text, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// TestKernelReadsBack loads every case of the conformance suite in every variant
// and reads the plan back from what the kernel lists.
func TestKernelReadsBack(t *testing.T) {
	need.Time(t, "a long laboratory")
	need.Program(t, "nft")
	for _, v := range variants() {
		t.Run(v.Name, func(t *testing.T) {
			h := lab.NewInjector(t).Host()
			h.MustExec(t, adminTables, "nft", "-f", "-")
			opt := *v.Options.(*Options)
			built := rendered.Target(t, Kind(), &opt)
			r := built.Renderer.(*renderer)
			var previous []renderers.File
			for _, c := range conformance.FilterCases() {
				lowered, _, errs := rules.Lower(c.Plan, r.caps())
				if len(errs) > 0 {
					continue
				}
				previous = render(t, opt, lowered, previous)
				load(t, h, previous)
				rs, err := parse(h.MustRun(t, "nft", "list", "table", strings.Fields(r.table)[0], strings.Fields(r.table)[1]))
				if err != nil {
					t.Fatal(err)
				}
				got, err := r.readPlan(rs)
				if err != nil {
					t.Errorf("%s: %v", c.Name, err)
					continue
				}
				if d := rules.Compare(lowered, got); d != nil {
					t.Errorf("%s: %v", c.Name, d)
				}
			}
			h.MustExec(t, string(previous[1].Data), "nft", "-f", "-")
			if left := h.MustRun(t, "nft", "list", "ruleset"); strings.Contains(left, "sallyport") {
				t.Errorf("after removal:\n%s", left)
			}
		})
	}
}

// TestMarks looks at the DSCP of what comes out, and that established connections
// keep it although the admin's chain accepts them before our jump.
func TestMarks(t *testing.T) {
	need.Program(t, "nft")
	in := lab.NewInjector(t)
	h := in.Host()
	h.MustExec(t, adminTables, "nft", "-f", "-")
	opt := Options{Placement: fragment, Table: "inet filter", Hook: "forward", Ingress: []string{"lan0"}, DSCP: true}
	load(t, h, render(t, opt, filtercheck.Calls(ipranges.MustParse("20.202.0.0/16", "2603:1063::/38")), nil))
	h.MustRun(t, "nft", "add rule inet filter forward ct state established,related accept")
	h.MustRun(t, "nft", "add rule inet filter forward jump sallyport_edge")
	want := map[uint16]uint8{3478: 0, 3479: 46, 3480: 34, 3481: 18}
	for _, dst := range []string{"20.202.1.1", "2603:1063::1"} {
		for port, dscp := range want {
			p := lab.UDP(netip.MustParseAddr(dst), port)
			p.SrcPort = 50001
			for _, send := range []func([]lab.Packet) ([]lab.Outcome, error){in.Decide, in.Continue} {
				got, err := send([]lab.Packet{p})
				if err != nil {
					t.Fatal(err)
				}
				if got[0].Verdict != lab.Passed || got[0].DSCP() != dscp {
					t.Errorf("%s port %d: %v with DSCP %d, not %d", dst, port, got[0].Verdict, got[0].DSCP(), dscp)
				}
			}
		}
	}
}
