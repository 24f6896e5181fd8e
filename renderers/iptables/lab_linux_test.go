package iptables

import (
	"fmt"
	"os"
	"path/filepath"
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
// their own, with both back-ends of iptables, and ask it with packets.

// device is a host with a folder in PATH that makes iptables one of its back-ends.
type device struct {
	t       testing.TB
	host    *lab.Host
	path    string // PATH
	backend string // legacy or nft
}

// backends runs f for each back-end of iptables. One that this kernel does not
// carry out is skipped with the program's own words.
func backends[T runner[T]](t T, f func(t T, on func(*lab.Host) *device)) {
	need.Root(t)
	need.Program(t, "ipset")
	for _, backend := range []string{"legacy", "nft"} {
		t.Run(backend, func(t T) {
			bin := t.TempDir()
			for _, family := range []string{"iptables", "ip6tables"} {
				for _, suffix := range []string{"", "-restore", "-save"} {
					link(t, need.Program(t, family+"-"+backend+suffix), filepath.Join(bin, family+suffix))
				}
			}
			on := func(h *lab.Host) *device { return &device{t, h, bin + ":" + os.Getenv("PATH"), backend} }
			probe := on(lab.NewInjector(t).Host())
			for _, command := range []string{"iptables -w -S", "ip6tables -w -S",
				"ipset create probe hash:net && iptables -w -A OUTPUT -m set --match-set probe dst -m comment --comment probe"} {
				_, err := probe.try("", "sh", "-c", command)
				need.Kernel(t, err)
			}
			f(t, on)
		})
	}
}

// runner is a test or a benchmark.
type runner[T any] interface {
	testing.TB
	Run(name string, f func(T)) bool
}

func link(t testing.TB, program, name string) {
	t.Helper()
	if err := os.Symlink(program, name); err != nil {
		t.Fatal(err)
	}
}

func (d *device) try(stdin string, command ...string) (string, error) {
	return d.host.Exec(stdin, "env", append([]string{"PATH=" + d.path}, command...)...)
}

func (d *device) run(stdin string, command ...string) string {
	d.t.Helper()
	out, err := d.try(stdin, command...)
	if err != nil {
		d.t.Fatal(err)
	}
	return out
}

// folder is a new one that holds files.
func (d *device) folder(files []renderers.File) string {
	d.t.Helper()
	dir := filepath.Join(d.t.TempDir(), "it's a $(folder)")
	if err := os.Mkdir(dir, 0o755); err != nil {
		d.t.Fatal(err)
	}
	rendered.Write(d.t, dir, files)
	return dir
}

// script writes files and runs the script among them that ends in suffix.
func (d *device) script(files []renderers.File, suffix string) error {
	d.t.Helper()
	dir := d.folder(files)
	for _, f := range files {
		if strings.HasSuffix(f.Path, suffix) {
			_, err := d.try("", "sh", filepath.Join(dir, f.Path))
			return err
		}
	}
	d.t.Fatalf("no file %s", suffix)
	return nil
}

func (d *device) load(files []renderers.File) {
	d.t.Helper()
	if err := d.script(files, ".load.sh"); err != nil {
		d.t.Fatal(err)
	}
}

// restore loads the files one by one, without the script.
func (d *device) restore(files []renderers.File) {
	d.t.Helper()
	for _, f := range files {
		switch {
		case strings.HasSuffix(f.Path, ".ipset"):
			d.run(string(f.Data), "ipset", "restore")
		case strings.HasSuffix(f.Path, ".v4.rules"):
			d.run(string(f.Data), "iptables-restore", "-w", "--noflush")
		case strings.HasSuffix(f.Path, ".v6.rules"):
			d.run(string(f.Data), "ip6tables-restore", "-w", "--noflush")
		}
	}
}

func (d *device) remove(files []renderers.File) {
	d.t.Helper()
	if err := d.script(files, ".remove.sh"); err != nil {
		d.t.Fatal(err)
	}
}

// jump does what the header of the rules says.
func (d *device) jump(hook, chain string) {
	d.t.Helper()
	for _, p := range []string{"iptables", "ip6tables"} {
		d.run("", "sh", "-c", fmt.Sprintf("%s -w -C %s -j %s 2>/dev/null || %[1]s -w -A %[2]s -j %[3]s", p, hook, chain))
	}
}

var (
	volatile = regexp.MustCompile(`(?m)^#.*\n| (hashsize|bucketsize|initval) \S+| \[\d+:\d+\]`)
	comments = regexp.MustCompile(`(?m)^#.*\n`)
)

// state is everything that is loaded, without counters and what the kernel draws at
// random. Members of sets are in no order of their own.
func (d *device) state() string {
	d.t.Helper()
	sets := strings.Split(d.run("", "ipset", "save"), "\n")
	slices.Sort(sets)
	all := d.run("", "iptables-save", "-t", "filter") + d.run("", "ip6tables-save", "-t", "filter") + strings.Join(sets, "\n")
	return volatile.ReplaceAllString(all, "")
}

// adminRules drops by default and lets the admin's own traffic pass.
const adminRules = `*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT DROP [0:0]
:admin - [0:0]
-A INPUT -i lo -j ACCEPT
-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -i lan0 -j admin
-A OUTPUT -o lo -j ACCEPT
-A admin -p tcp -m tcp --dport 22 -m comment --comment "the admin's own" -j ACCEPT
-A admin -p udp -m udp --dport 53 -j ACCEPT
COMMIT
`

func (d *device) adminRules() {
	d.t.Helper()
	d.run(adminRules, "iptables-restore")
	d.run(adminRules, "ip6tables-restore")
}

// TestVerdictsOnEveryBoundary decides every boundary of the whole Azure cloud with
// packets, in both forms, placements and hooks.
func TestVerdictsOnEveryBoundary(t *testing.T) {
	need.Time(t, "a long laboratory")
	set := conformance.AzureCloud(t, 398)
	flows := filtercheck.Flows(set, lab.Forwardable)
	lan := []string{"lan0"}
	backends(t, func(t *testing.T, on func(*lab.Host) *device) {
		for _, opt := range []Options{
			{Placement: fragment, Sets: ipset, Hook: "forward", Ingress: lan},
			{Placement: fragment, Sets: trie, Hook: "forward", Ingress: []string{"lan*"}, Egress: []string{"wan0", "wan1"}},
			{Placement: standalone, Sets: ipset, Hook: "output"},
			{Placement: standalone, Sets: trie, Hook: "output"},
		} {
			t.Run(opt.Placement+" "+opt.Sets, func(t *testing.T) {
				in := lab.NewInjector(t)
				d := on(in.Host())
				p := filtercheck.Calls(set)
				from := "lan0"
				if opt.Placement == standalone {
					p.Default, from = rules.Deny, lab.Local
				} else {
					d.adminRules()
				}
				_, files := renderAs(t, opt, "edge", p, nil)
				d.load(files)
				if opt.Placement == fragment {
					filtercheck.Dropped(t, in, flows, from, "without the jump")
					d.jump("FORWARD", "sallyport_edge")
				}
				filtercheck.Expect(t, in, p, flows, from)
			})
		}
	})
}

// TestReloadEqualsFresh loads change 396 and then 398: what is loaded must be that
// of 398 alone.
func TestReloadEqualsFresh(t *testing.T) {
	need.Time(t, "a long laboratory")
	old, now := filtercheck.Calls(conformance.AzureCloud(t, 396)), filtercheck.Calls(conformance.AzureCloud(t, 398))
	backends(t, func(t *testing.T, on func(*lab.Host) *device) {
		for _, sets := range []string{ipset, trie} {
			t.Run(sets, func(t *testing.T) {
				opt := Options{Placement: fragment, Sets: sets, Hook: "forward", Ingress: []string{"lan0"}}
				fresh, reloaded := on(lab.NewInjector(t).Host()), on(lab.NewInjector(t).Host())
				_, files := renderAs(t, opt, "edge", now, nil)
				fresh.load(files)
				_, before := renderAs(t, opt, "edge", old, nil)
				reloaded.load(before)
				if fresh.state() == reloaded.state() {
					t.Error("both changes load the same: this test shows nothing")
				}
				_, after := renderAs(t, opt, "edge", now, before)
				reloaded.restore(after)
				if fresh.state() != reloaded.state() {
					t.Error("change 398 loaded after 396 differs from 398 alone")
				}
			})
		}
	})
}

// TestRetiredObjectsGo renames a set, changes the form and drops a family: what
// earlier files made and the last does not need is gone after loading, however many
// versions were rendered in between.
func TestRetiredObjectsGo(t *testing.T) {
	need.Time(t, "a long laboratory")
	backends(t, func(t *testing.T, on func(*lab.Host) *device) {
		set := conformance.AzureCloud(t, 398)
		plan := func(name string, families rules.Families) *rules.Plan {
			p := filtercheck.Calls(set)
			p.Rules[0].To, p.Families = rules.In(name, set), families
			return p
		}
		opt := Options{Placement: fragment, Sets: ipset, Hook: "forward", Ingress: []string{"lan0"}}
		chains := opt
		chains.Sets = trie

		d, fresh := on(lab.NewInjector(t).Host()), on(lab.NewInjector(t).Host())
		d.adminRules()
		fresh.adminRules()
		start := d.state()
		const name = "a_target_with_a_long_name"
		_, one := renderAs(t, chains, name, plan("azure", rules.BothFamilies), nil)
		d.load(one)
		_, two := renderAs(t, opt, name, plan("azure", rules.BothFamilies), one)
		d.load(two)
		_, three := renderAs(t, chains, name, plan("renamed", rules.BothFamilies), two)
		d.load(three)
		if n := strings.Count(d.state(), "\n:"+namesOf(name).prefix); n < 500 {
			t.Fatalf("%d chains are loaded: this test shows nothing", n)
		}
		_, unloaded := renderAs(t, opt, name, plan("azure", rules.OnlyIPv4), three)
		_, four := renderAs(t, opt, name, plan("a_set_with_a_name_that_is_too_long", rules.OnlyIPv4), unloaded)
		d.load(four)
		_, alone := renderAs(t, opt, name, plan("a_set_with_a_name_that_is_too_long", rules.OnlyIPv4), nil)
		fresh.load(alone)
		if got := d.state(); got != fresh.state() {
			t.Errorf("objects are left behind:\n%s\nwanted:\n%s", got, fresh.state())
		}
		d.remove(four)
		if got := d.state(); got != start {
			t.Errorf("removal leaves something behind:\n%s", got)
		}
	})
}

// TestKernelReadsBack loads the cases of the conformance suite and reads the plan
// back from what iptables-save and ipset save print.
func TestKernelReadsBack(t *testing.T) {
	need.Time(t, "a long laboratory")
	backends(t, func(t *testing.T, on func(*lab.Host) *device) {
		for _, v := range variants() {
			if v.Name != "standalone ipset" && v.Name != "chains gates" && v.Name != "standalone chains output" {
				continue // the others hold nothing that these do not
			}
			t.Run(v.Name, func(t *testing.T) {
				d := on(lab.NewInjector(t).Host())
				var previous []renderers.File
				read := 0
				for _, c := range conformance.FilterCases() {
					opt := *v.Options.(*Options)
					built := rendered.Target(t, Kind(), &opt)
					lowered, _, errs := rules.Lower(c.Plan, built.Caps)
					if len(errs) > 0 {
						continue
					}
					r, files := renderAs(t, opt, "edge", lowered, previous)
					previous = files
					d.load(files)
					running := map[ipranges.Family]string{}
					for _, dialect := range dialects {
						saved := comments.ReplaceAllString(d.run("", dialect.program+"-save", "-t", "filter"), "")
						if lowered.Families.Has(dialect.family) {
							running[dialect.family] = saved
						} else if strings.Contains(saved, "sallyport") {
							t.Errorf("%s: %s is left alone, and has\n%s", c.Name, dialect.family, saved)
						}
					}
					got, err := r.readPlan(d.run("", "ipset", "save"), running)
					if err != nil {
						t.Errorf("%s: %v", c.Name, err)
						continue
					}
					read++
					if diff := rules.Compare(lowered, got); diff != nil {
						t.Errorf("%s: %v", c.Name, diff)
					}
				}
				if read < 20 {
					t.Errorf("only %d cases were read back", read)
				}
				d.remove(previous)
				if left := d.state(); strings.Contains(left, "sallyport") {
					t.Errorf("after removal:\n%s", left)
				}
			})
		}
	})
}

// TestAnotherHook: a jump from the hook of an earlier version would take in a chain
// without its gates. A standalone load takes it away, a fragment refuses.
func TestAnotherHook(t *testing.T) {
	need.Root(t)
	need.Program(t, "iptables")
	need.Program(t, "ip6tables")
	for _, placement := range []string{standalone, fragment} {
		t.Run(placement, func(t *testing.T) {
			h := lab.NewInjector(t).Host()
			dir := t.TempDir()
			publish := func(opt Options) {
				_, files := renderAs(t, opt, "edge", filtercheck.Calls(ipranges.MustParse("20.202.0.0/16", "2603:1063::/38")), nil)
				rendered.Write(t, dir, files)
			}
			script := filepath.Join(dir, "edge.load.sh")
			publish(Options{Placement: placement, Sets: trie, Hook: "forward", Ingress: []string{"lan0"}})
			h.MustRun(t, "sh", script)
			if placement == fragment {
				h.MustRun(t, "iptables", "-w", "-I", "FORWARD", "-j", "sallyport_edge")
			}
			publish(Options{Placement: placement, Sets: trie, Hook: "output"})
			_, err := h.Run("sh", script)
			if refused := err != nil; refused != (placement == fragment) {
				t.Errorf("loading another hook: %v", err)
			}
			forward := h.MustRun(t, "iptables", "-w", "-S", "FORWARD")
			if placement == standalone && strings.Contains(forward, "sallyport") {
				t.Errorf("FORWARD still jumps:\n%s", forward)
			}
		})
	}
}
