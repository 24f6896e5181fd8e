package iptables

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sallyport/internal/testkit/filtercheck"
	"sallyport/internal/testkit/lab"
	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// counted is d with nothing in PATH but what the script may use, each program of which
// writes its name into a file before it runs.
func counted(t *testing.T, d *device) (c *device, log string) {
	t.Helper()
	bin := t.TempDir()
	log = filepath.Join(t.TempDir(), "log")
	for _, name := range []string{"flock", "sed", "awk", "sha256sum", "sleep", "ipset", "iptables", "iptables-restore", "ip6tables", "ip6tables-restore"} {
		real := filepath.Join(filepath.SplitList(d.path)[0], name)
		if _, err := os.Stat(real); err != nil {
			if real, err = exec.LookPath(name); err != nil {
				t.Fatal(err)
			}
		}
		text := fmt.Sprintf("#!/bin/sh\necho %s >>%s\nexec %s \"$@\"\n", name, log, real)
		if err := os.WriteFile(filepath.Join(bin, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	link(t, shell, filepath.Join(bin, "sh"))
	return &device{d.t, d.host, bin, d.backend}, log
}

// TestProcesses holds how many programs a load starts, each of which costs about as much
// as a hundred addresses. Ten of them: the lock, two for the checksum, what is in force,
// what of it matters, the sets, the rules, and the sets that are left over.
func TestProcesses(t *testing.T) {
	one, other := ipranges.MustParse("20.202.0.0/16", "2603:1063::/38"), ipranges.MustParse("52.112.0.0/14", "2603:1046::/37")
	single, moved, two := filtercheck.Calls(one), filtercheck.Calls(other), versions()
	backends(t, func(t *testing.T, on func(*lab.Host) *device) {
		for _, tt := range []struct {
			name            string
			placement, sets string
			before, after   *rules.Plan
			programs        int
		}{
			{"fresh", fragment, ipset, nil, single, 10},
			{"fresh", fragment, trie, nil, single, 9},
			{"fresh", standalone, ipset, nil, single, 14},                 // with a look for the jump, and the jump
			{"again", fragment, ipset, single, single, 8},                 // rules that are in force stay
			{"again", fragment, trie, single, single, 7},                  //
			{"again", standalone, ipset, single, single, 8},               //
			{"other addresses", fragment, ipset, single, moved, 8},        //
			{"other addresses", fragment, trie, single, moved, 9},         //
			{"sets change places", fragment, ipset, two[0], two[1], 17},   // with copies of the sets
			{"sets change places", standalone, ipset, two[0], two[1], 17}, //
		} {
			t.Run(strings.Join([]string{tt.name, tt.placement, tt.sets}, " "), func(t *testing.T) {
				d := on(lab.NewInjector(t).Host())
				opt := Options{Placement: tt.placement, Sets: tt.sets, Hook: "forward", Ingress: []string{"lan0"}}
				var files []renderers.File
				if tt.before != nil {
					_, files = renderAs(t, opt, "edge", tt.before, nil)
					d.load(files)
				}
				_, files = renderAs(t, opt, "edge", tt.after, files)
				c, log := counted(t, d)
				c.load(files)
				data, err := os.ReadFile(log)
				if err != nil {
					t.Fatal(err)
				}
				programs := strings.Fields(string(data))
				slices.Sort(programs)
				// A set that nf_tables has not let go of yet is asked for again.
				waits := strings.Count(string(data), "sleep")
				if n := len(programs) - 3*waits; n != tt.programs {
					t.Errorf("%d programs, not %d: %s", n, tt.programs, strings.Join(programs, " "))
				}
			})
		}
	})
}

// TestOneSetUnderItsRules: where the rules stay and have one set a family, only the set
// changes, at once, and the rules keep their counters.
func TestOneSetUnderItsRules(t *testing.T) {
	backends(t, func(t *testing.T, on func(*lab.Host) *device) {
		opt := Options{Placement: fragment, Sets: ipset, Hook: "forward", Ingress: []string{"lan0"}}
		plans := []*rules.Plan{filtercheck.Calls(ipranges.MustParse("20.202.0.0/16", "2603:1063::/38")), filtercheck.Calls(ipranges.MustParse("52.112.0.0/14", "2603:1046::/37"))}
		d, fresh := on(lab.NewInjector(t).Host()), on(lab.NewInjector(t).Host())
		_, before := renderAs(t, opt, "edge", plans[0], nil)
		r, after := renderAs(t, opt, "edge", plans[1], before)
		d.load(before)
		w := watch(t, d, 0)
		w.load(after)
		if _, err := os.Stat(filepath.Join(w.folder, "..", "transactions")); err == nil {
			t.Error("rules that stay are loaded anew")
		}
		for _, f := range dialects {
			seen := [2]bool{}
			for n, got := range w.states(r, f) {
				at := slices.IndexFunc(plans, func(p *rules.Plan) bool {
					want := *p
					want.Families = rules.Only(f.family)
					return rules.Compare(&want, got) == nil
				})
				if at < 0 || at == 0 && seen[1] {
					t.Fatalf("%s: after step %d, what is in force is neither the old set nor the new one: %+v", f.family, n, got)
				}
				seen[at] = true
			}
			if seen != [2]bool{true, true} {
				t.Errorf("%s: seen %v: this test shows nothing", f.family, seen)
			}
		}
		fresh.load(after)
		if got, want := d.state(), fresh.state(); got != want {
			t.Errorf("what is loaded:\n%s\nwanted:\n%s", got, want)
		}
	})
}

// TestAnAdminsHandOnOurChains: rules of ours that somebody has changed, moved, taken away
// or added to are not those of the files, and a load puts them right.
func TestAnAdminsHandOnOurChains(t *testing.T) {
	backends(t, func(t *testing.T, on func(*lab.Host) *device) {
		for _, sets := range forms {
			opt := Options{Placement: fragment, Sets: sets, Hook: "forward", Ingress: []string{"lan0"}}
			_, files := renderAs(t, opt, "edge", damagePlan(), nil)
			d := on(lab.NewInjector(t).Host())
			d.load(files)
			want := d.state()
			const chain = "sallyport_edge.rules"
			first := strings.SplitN(d.run("", "iptables", "-w", "-S", chain), "\n", 3)[1]
			for _, edit := range []string{
				"-F " + chain, "-D " + chain + " 2", "-A " + chain + " -j ACCEPT", "-I sallyport_edge -j RETURN", "-N sallyport_edge.stray", "-F sallyport_edge",
				"-R " + chain + " 1 -j ACCEPT", first, // once more, at the end
			} {
				d.run("", "sh", "-c", "iptables -w "+edit)
				if d.state() == want {
					t.Errorf("%s: iptables %s changes nothing: this test shows nothing", sets, edit)
				}
				d.load(files)
				if got := d.state(); got != want {
					t.Errorf("%s: a load after iptables %s leaves\n%s\nwanted:\n%s", sets, edit, got, want)
				}
			}
		}
	})
}
