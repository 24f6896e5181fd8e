package nftables

import (
	"fmt"
	"net/netip"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"sallyport/internal/testkit/filtercheck"
	"sallyport/internal/testkit/lab"
	"sallyport/internal/testkit/need"
	"sallyport/internal/testkit/rendered"
	"sallyport/internal/testkit/turns"
	"sallyport/ipranges"
	"sallyport/rules"
)

// TestFromNothing follows what generate prints on a machine without any table: the file
// loads, and traffic is decided as the policy says. On a machine with a firewall of its
// own the same commands leave it as it is, and come before its drops.
func TestFromNothing(t *testing.T) {
	need.Program(t, "nft")
	opt := Options{Placement: fragment, Table: "inet filter", Hook: "forward", Ingress: []string{"lan0"}}
	p := filtercheck.Calls(ipranges.MustParse("20.202.0.0/16", "2603:1063::/38"))
	hole := p.Rules[0]
	hole.Name, hole.Verdict, hole.To = "hole", rules.Deny, rules.In("hole", ipranges.MustParse("20.202.7.0/24", "2603:1063:7::/48"))
	p.Rules = append([]rules.Rule{hole}, p.Rules...)
	files := render(t, opt, p, nil)
	for _, tt := range []struct {
		name, admin string
		other       lab.Verdict // of what the policy does not decide
	}{
		{"a bare machine", "", lab.Passed},
		{"an admin's table without a chain", "table inet filter {\n\tcomment \"mine\"\n\tset own { type ipv4_addr; }\n}\n", lab.Passed},
		{"an admin's chain that drops", "table inet filter {\n\tchain forward {\n\t\ttype filter hook forward priority filter; policy drop;\n\t\tct state established,related accept\n\t\tudp dport 1-65535 drop comment \"own\"\n\t}\n}\n", lab.Dropped},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := lab.NewInjector(t)
			h := in.Host()
			h.MustExec(t, tt.admin, "nft", "-f", "-")
			before := h.MustRun(t, "nft", "list", "ruleset")
			path := filepath.Join(t.TempDir(), "edge.nft")
			writeFile(t, path, files[0].Data)
			h.MustRun(t, "sh", "-c", strings.ReplaceAll(files[0].Use, "{}", path))
			for _, once := range files[0].Once {
				h.MustRun(t, "sh", "-c", once)
			}
			loaded := h.MustRun(t, "nft", "list", "ruleset")
			for line := range strings.Lines(before) {
				if !strings.Contains(loaded, line) {
					t.Errorf("%q is gone:\n%s", line, loaded)
				}
			}
			for dst, want := range map[string]lab.Verdict{"20.202.0.1": lab.Passed, "2603:1063::1": lab.Passed, "20.202.7.1": lab.Dropped, "2603:1063:7::1": lab.Dropped,
				"9.9.9.9": tt.other, "2620:fe::9": tt.other} {
				if got := filtercheck.Verdicts(t, in, lab.UDP(netip.MustParseAddr(dst), 3478)); got[0] != want {
					t.Errorf("to %s: %v, not %v", dst, got[0], want)
				}
			}
			h.MustRun(t, "sh", "-c", strings.ReplaceAll(files[0].Use, "{}", path))
			if again := h.MustRun(t, "nft", "list", "ruleset"); again != loaded {
				t.Errorf("a second load changes what is loaded:\n%s", again)
			}
		})
	}
}

// TestLoadsAtOnce loads two versions at the same time, again and again: what is loaded is
// always one of the two, whole. A load that is killed is done or not begun.
func TestLoadsAtOnce(t *testing.T) {
	need.Program(t, "nft")
	for _, opt := range []Options{
		{Placement: fragment, Table: "inet filter", Hook: "forward", Ingress: []string{"lan0"}, DSCP: true},
		{Placement: standalone, Hook: "forward", Ingress: []string{"lan0"}},
	} {
		t.Run(opt.Placement, func(t *testing.T) {
			h := lab.NewInjector(t).Host()
			loads := turns.Loads{Run: h.Run, State: func() string { return h.MustRun(t, "nft", "list", "ruleset") }}
			for i, set := range []ipranges.Set{manyRanges(0, 3000), manyRanges(1, 3000)} {
				script := filepath.Join(t.TempDir(), "edge.nft")
				writeFile(t, script, render(t, opt, filtercheck.Calls(set), nil)[0].Data)
				fresh := lab.NewInjector(t).Host()
				fresh.MustRun(t, "nft", "-f", script)
				loads.Of[i] = turns.Version{Command: "nft -f " + script, State: fresh.MustRun(t, "nft", "list", "ruleset")}
			}
			for i := range turns.Rounds(10, 200) {
				loads.AtOnce(t, 1)
				h.MustRun(t, "sh", "-c", fmt.Sprintf("%s & sleep 0.0%02d; kill -9 $!; wait; true", loads.Of[i%2].Command, i*37%100))
				if got := loads.State(); got != loads.Of[0].State && got != loads.Of[1].State {
					t.Fatal("killed: loaded is neither of the two")
				}
			}
		})
	}
}

// manyRanges are n ranges of each family with gaps between; shift moves them.
func manyRanges(shift, n int) ipranges.Set {
	var b ipranges.Builder
	for i := range n {
		four := netip.AddrFrom4([4]byte{20, byte(i >> 6), byte(i << 2), byte(shift * 16)})
		six := netip.AddrFrom16([16]byte{0x26, 0x03, 0x10, byte(i >> 6), byte(i << 2), byte(shift)})
		for _, p := range []netip.Prefix{netip.PrefixFrom(four, 28), netip.PrefixFrom(six, 48)} {
			if err := b.AddPrefix(p); err != nil {
				panic(err)
			}
		}
	}
	return b.Set()
}

// TestEveryChangeOfOptions makes each version after each other one in the same folder and
// loads it: generate refuses, or what is loaded is what a load into nothing makes.
func TestEveryChangeOfOptions(t *testing.T) {
	need.Time(t, "a long laboratory")
	need.Program(t, "nft")
	forward := Options{Placement: fragment, Table: "inet filter", Hook: "forward", Ingress: []string{"lan0"}}
	marked, output, other, alone := forward, forward, forward, forward
	marked.DSCP, marked.Counters = true, true
	output.Hook, output.Ingress = "output", nil
	other.Table = "inet other"
	alone.Placement = standalone
	host := output
	host.Placement = standalone
	set := ipranges.MustParse("20.202.0.0/16", "2603:1063::/38")
	four := filtercheck.Calls(set)
	four.Families = rules.OnlyIPv4
	renamed := filtercheck.Calls(set)
	renamed.Rules[0].To = rules.In("another_name", set)
	type version struct {
		name string
		opt  Options
		plan *rules.Plan
	}
	list := []version{{"plain", forward, filtercheck.Calls(set)}, {"marked", marked, renamed}, {"one family", forward, four}, {"output", output, renamed},
		{"another table", other, filtercheck.Calls(set)}, {"standalone", alone, filtercheck.Calls(set)}, {"standalone host", host, four}}
	state := func(h *lab.Host) string {
		var kept []string
		for line := range strings.Lines(h.MustRun(t, "nft", "list", "ruleset")) {
			kept = append(kept, strings.TrimSpace(line))
		}
		return sorted(strings.Join(kept, "\n")) // sets are listed in the order in which they were made
	}
	admin := strings.ReplaceAll(adminTables, "table inet filter", "table inet other {\n}\ntable inet filter")
	refused := 0
	for _, a := range list {
		h := lab.NewInjector(t).Host()
		h.MustExec(t, admin, "nft", "-f", "-")
		before := render(t, a.opt, a.plan, nil)
		load(t, h, before)
		for _, b := range list {
			r := rendered.Target(t, Kind(), &b.opt, before...)
			files, err := rendered.Try(r, b.plan)
			if err != nil {
				refused++
				if a.opt.Placement == standalone || a.opt.Placement == b.opt.Placement && a.opt.Hook == b.opt.Hook && a.opt.Table == b.opt.Table {
					t.Errorf("%s after %s: %v", b.name, a.name, err)
				}
				continue
			}
			fresh := lab.NewInjector(t).Host()
			fresh.MustExec(t, admin, "nft", "-f", "-")
			load(t, fresh, files)
			load(t, h, files)
			if got, want := state(h), state(fresh); got != want {
				t.Errorf("%s after %s:\n%s\nwanted:\n%s", b.name, a.name, got, want)
			}
			h.MustExec(t, string(files[1].Data), "nft", "-f", "-")
			load(t, h, before)
		}
	}
	if refused == 0 || refused > 24 {
		t.Errorf("%d changes are refused", refused)
	}
}

// TestContainerWithoutRights loads, where nft cannot raise its buffer, what fits by our
// count: twice, because a first load can take more than the next. Above it there is advice.
func TestContainerWithoutRights(t *testing.T) {
	need.Root(t)
	need.Program(t, "nft")
	need.Program(t, "unshare")
	for _, opt := range []Options{
		{Placement: fragment, Table: "inet filter", Hook: "forward", Ingress: []string{"lan0"}},
		{Placement: standalone, Hook: "output"},
	} {
		for _, f := range rules.BothFamilies.List() {
			t.Run(opt.Placement+" "+f.String(), func(t *testing.T) {
				built := rendered.Target(t, Kind(), &opt)
				r := built.Renderer.(*renderer)
				plan := func(n int) *rules.Plan {
					p := filtercheck.Calls(manyRanges(0, n).Only(f))
					if opt.Placement == standalone {
						p.Default = rules.Deny
					}
					return p
				}
				most := sort.Search(10_000, func(n int) bool { return r.messageBytes(plan(n+1)) > mostBytes })
				if advice := r.advice(plan(most)); len(advice) != 0 {
					t.Errorf("%d ranges: %v", most, advice[0])
				}
				if advice := r.advice(plan(most + 1)); len(advice) != 1 {
					t.Errorf("%d ranges: %v", most+1, advice)
				}
				path := filepath.Join(t.TempDir(), "edge.nft")
				writeFile(t, path, render(t, opt, plan(most), nil)[0].Data)
				out, err := exec.Command("unshare", "-rn", "sh", "-c", "nft -f "+path+" && nft -f "+path).CombinedOutput()
				if err != nil {
					t.Errorf("%d ranges: %v: %s", most, err, out)
				}
				t.Logf("%d ranges", most)
			})
		}
	}
}
