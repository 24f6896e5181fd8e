package iptables

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/testkit/await"
	"sallyport/internal/testkit/filtercheck"
	"sallyport/internal/testkit/lab"
	"sallyport/internal/testkit/need"
	"sallyport/internal/testkit/rendered"
	"sallyport/internal/testkit/turns"
	"sallyport/ipranges"
	"sallyport/rules"
)

// version is a folder with what one policy makes.
type version struct {
	name, script string
	state        string // what a load into nothing makes
}

// publish writes the files of a plan into a folder and loads them once, into nothing.
func publish(t *testing.T, on func(*lab.Host) *device, opt Options, p *rules.Plan) *version {
	t.Helper()
	_, files := renderAs(t, opt, "edge", p, nil)
	v := &version{name: fmt.Sprintf("%s %s %s, %s, %d rules", opt.Placement, opt.Sets, opt.Hook, p.Families, len(p.Rules)),
		script: filepath.Join(t.TempDir(), "edge.load.sh")}
	rendered.Write(t, filepath.Dir(v.script), files)
	fresh := on(lab.NewInjector(t).Host())
	fresh.run("", "sh", v.script)
	v.state = fresh.state()
	return v
}

// two are versions that have nothing in common but the names of their sets.
func two(t *testing.T, on func(*lab.Host) *device, sets string) [2]*version {
	opt := Options{Placement: fragment, Sets: sets, Hook: "forward", Ingress: []string{"lan0"}}
	list := versions()
	list[0].Rules[1].To = rules.In("two", ipranges.MustParse("20.0.0.0/9", "2603:1000::/26").Minus(ipranges.MustParse("20.1.7.0/24", "20.3.3.3", "2603:1007::/36")))
	return [2]*version{publish(t, on, opt, list[0]), publish(t, on, opt, list[1])}
}

var forms = []string{ipset, trie}

// loads are the versions on a device.
func loads(d *device, of [2]*version) turns.Loads {
	l := turns.Loads{State: d.state, Run: func(name string, args ...string) (string, error) {
		return d.try("", append([]string{name}, args...)...)
	}}
	for i, v := range of {
		l.Of[i] = turns.Version{Command: "exec sh " + v.script, State: v.state}
	}
	return l
}

// pairs runs f with two versions of each form, and with two that differ in their one set
// of addresses alone, which changes under its rules.
func pairs(t *testing.T, f func(t *testing.T, l turns.Loads)) {
	backends(t, func(t *testing.T, on func(*lab.Host) *device) {
		run := func(name string, of func() [2]*version) {
			t.Run(name, func(t *testing.T) { f(t, loads(on(lab.NewInjector(t).Host()), of())) })
		}
		for _, sets := range forms {
			run(sets, func() [2]*version { return two(t, on, sets) })
		}
		run("one set", func() (of [2]*version) {
			opt := Options{Placement: fragment, Sets: ipset, Hook: "forward", Ingress: []string{"lan0"}}
			for i, texts := range [][]string{{"20.0.0.0/9", "2603:1000::/26"}, {"20.128.0.0/9", "2603:1000::/27"}} {
				holes := ipranges.MustParse("20.1.7.0/24", "20.3.3.3", "20.70.0.1", "2603:1007::/36", "2603:1008::1")
				of[i] = publish(t, on, opt, filtercheck.Calls(ipranges.MustParse(texts...).Minus(holes)))
			}
			return of
		})
	})
}

func TestLoadsTakeTurns(t *testing.T) {
	pairs(t, func(t *testing.T, l turns.Loads) { l.AtOnce(t, turns.Rounds(8, 200)) })
}

func TestKilledLoads(t *testing.T) {
	pairs(t, func(t *testing.T, l turns.Loads) { l.Killed(t, turns.Rounds(8, 200)) })
}

// TestEveryChangeOfOptions loads each of some versions after each other one: form,
// placement, hook, families, names of sets and number of rules change, and what is loaded
// is what a load into nothing makes.
func TestEveryChangeOfOptions(t *testing.T) {
	need.Time(t, "a long laboratory")
	backends(t, func(t *testing.T, on func(*lab.Host) *device) {
		forward := Options{Placement: fragment, Sets: ipset, Hook: "forward", Ingress: []string{"lan0"}}
		output := Options{Placement: fragment, Sets: ipset, Hook: "output"}
		chains, alone, host := forward, forward, output
		chains.Sets = trie
		alone.Placement = standalone
		host.Placement, host.Sets = standalone, trie
		plan := func(n int, families rules.Families, rename string) *rules.Plan {
			p := *versions()[n]
			p.Families = families
			if rename != "" {
				p.Rules = p.Rules[:1]
				p.Rules[0].To = rules.In(rename, p.Rules[0].To.Set())
			}
			return &p
		}
		list := []*version{
			publish(t, on, forward, plan(0, rules.BothFamilies, "")),
			publish(t, on, output, plan(1, rules.BothFamilies, "another_name")),
			publish(t, on, chains, plan(1, rules.OnlyIPv4, "")),
			publish(t, on, alone, plan(2, rules.BothFamilies, "")),
			publish(t, on, alone, plan(2, rules.OnlyIPv6, "renamed")),
			publish(t, on, host, plan(0, rules.BothFamilies, "")),
		}
		d := on(lab.NewInjector(t).Host())
		step := func(before, v *version) {
			d.run("", "sh", v.script)
			if got := d.state(); got != v.state {
				t.Errorf("%s after %s:\n%s\nwanted:\n%s", v.name, before.name, got, v.state)
			}
		}
		for i, a := range list {
			for _, b := range list[:i] {
				step(b, a)
				step(a, b)
			}
			step(a, a)
		}
	})
}

// TestPublishedMeanwhile: a load whose files are replaced by those of another version,
// one after the other, loads one of the two.
func TestPublishedMeanwhile(t *testing.T) {
	need.Time(t, "a long laboratory")
	backends(t, func(t *testing.T, on func(*lab.Host) *device) {
		of := two(t, on, ipset)
		folder := t.TempDir()
		put := func(v *version) {
			files, err := filepath.Glob(filepath.Join(filepath.Dir(v.script), "*"))
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range files {
				data, err := os.ReadFile(f)
				staged := filepath.Join(folder, ".staged")
				if err == nil {
					err = os.WriteFile(staged, data, 0o755)
				}
				if err == nil {
					err = os.Rename(staged, filepath.Join(folder, filepath.Base(f)))
				}
				if err != nil {
					t.Error(err)
				}
			}
		}
		put(of[0])
		d := on(lab.NewInjector(t).Host())
		script := filepath.Join(folder, "edge.load.sh")
		for range turns.Rounds(8, 100) {
			done := make(chan struct{})
			go func() {
				defer close(done)
				for _, v := range []*version{of[1], of[0], of[1], of[0]} {
					put(v)
				}
			}()
			d.run("", "sh", script)
			<-done
			if got := d.state(); got != of[0].state && got != of[1].state {
				t.Fatalf("loaded is neither of the two:\n%s", got)
			}
		}
		// A file of another run, or half of one, is never loaded.
		d.run("", "sh", script)
		before := d.state()
		for name, damage := range map[string]func([]byte) []byte{
			"edge.v4.rules": func(b []byte) []byte { return b[:len(b)/2] },
			"edge.ipset":    func(b []byte) []byte { return b[:strings.LastIndex(string(b), "\nadd ")+1] },
			"edge.load.sh":  func(b []byte) []byte { return b[:len(b)*3/4] },
		} {
			put(of[1])
			data, err := os.ReadFile(filepath.Join(folder, name))
			if err == nil {
				err = os.WriteFile(filepath.Join(folder, name), damage(data), 0o755)
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := d.try("", "env", "SALLYPORT_TRIES=18", "sh", script); err == nil {
				t.Errorf("with half of %s the load succeeds", name)
			}
			if d.state() != before {
				t.Errorf("with half of %s the load changes something", name)
			}
		}
	})
}

// TestWithoutFlock takes turns by a link, as where busybox has no flock. A link of a run
// that has died is taken away; one of a run that lives is waited for, and not for ever.
func TestWithoutFlock(t *testing.T) {
	need.Time(t, "a long laboratory")
	backends(t, func(t *testing.T, on func(*lab.Host) *device) {
		of := two(t, on, trie)
		d := on(lab.NewInjector(t).Host())
		bin := t.TempDir()
		for _, folder := range filepath.SplitList(d.path) {
			programs, err := filepath.Glob(filepath.Join(folder, "*"))
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range programs {
				if name := filepath.Base(p); name != "flock" {
					os.Symlink(p, filepath.Join(bin, name)) // the first in PATH wins
				}
			}
		}
		d.path = bin
		const held = "/run/sallyport.lock"
		await.Until(t, "the end of whoever else on this machine has "+held, func() bool {
			_, err := os.Lstat(held)
			return err != nil
		})
		loads(d, of).AtOnce(t, turns.Rounds(8, 200))
		if err := os.Symlink("999999999", held); err != nil {
			t.Fatal(err)
		}
		loads(d, of).AtOnce(t, turns.Rounds(8, 200))
		if err := os.Symlink(fmt.Sprint(os.Getpid()), held); err != nil {
			t.Fatal(err)
		}
		defer os.Remove(held)
		waits(t, d, of)
	})
}

// TestWaitsForAMinute has the lock held by something that does not end.
func TestWaitsForAMinute(t *testing.T) {
	backends(t, func(t *testing.T, on func(*lab.Host) *device) {
		of := two(t, on, trie)
		d := on(lab.NewInjector(t).Host())
		need.Program(t, "flock")
		if _, err := d.host.Start(exec.Command("flock", "-F", "/proc/self/ns/net", "sleep", "1000")); err != nil {
			t.Fatal(err)
		}
		for {
			if _, err := d.try("", "flock", "-n", "/proc/self/ns/net", "true"); err != nil {
				break // the lock is held
			}
		}
		waits(t, d, of)
	})
}

// waits: with the lock held, a load gives up, and has changed nothing.
func waits(t *testing.T, d *device, of [2]*version) {
	t.Helper()
	before := d.state()
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "sleep"), []byte("#!/bin/sh\nexit 0\n"), 0o755); err != nil { // a minute takes no time
		t.Fatal(err)
	}
	quick := *d
	quick.path = bin + ":" + d.path
	_, err := quick.try("", "sh", of[0].script)
	if err == nil || !strings.Contains(err.Error(), "60 seconds") {
		t.Errorf("while another load runs: %v", err)
	}
	if d.state() != before {
		t.Error("the load that gave up has changed something")
	}
}
