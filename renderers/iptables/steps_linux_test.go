package iptables

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/testkit/lab"
	"sallyport/internal/testkit/need"
	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// watcher stands before the programs that change what is loaded and saves the state
// after each change: every command of ipset that can touch a set in use, and every
// transaction of iptables-restore. The transaction number fails, from 1, fails.
type watcher struct {
	*device
	folder string
}

func watch(t *testing.T, d *device, fails int) *watcher {
	t.Helper()
	w := &watcher{&device{d.t, d.host, d.path, d.backend}, t.TempDir()}
	bin := t.TempDir()
	real, err := exec.LookPath("ipset")
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) {
		t.Helper()
		text = strings.NewReplacer("REAL", d.path, "IPSET", real, "FOLDER", w.folder, "FAILS", fmt.Sprint(fails)).Replace(text)
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write("snapshot", `PATH=REAL
n=$(printf %s/%04d FOLDER $(ls FOLDER | wc -l))
iptables-save -t filter >"$n.v4" && ip6tables-save -t filter >"$n.v6" && ipset save >"$n.sets"
`)
	write("ipset", `[ "$*" = restore ] || exec IPSET "$@"
chunk=
while IFS= read -r line; do
	chunk="$chunk$line
"
	case $line in
	add*|create*|\#*) ;;
	*) printf %s "$chunk" | IPSET restore && snapshot || exit 1; chunk= ;;
	esac
done
`)
	for _, program := range []string{"iptables-restore", "ip6tables-restore"} {
		write(program, `echo x >>FOLDER/../transactions
[ "$(wc -l <FOLDER/../transactions)" != FAILS ] || { echo "failed by the test" >&2; exit 1; }
(PATH=REAL; exec `+program+` "$@") && snapshot
`)
	}
	w.path = bin + ":" + d.path
	return w
}

// states reads what was in force after each change.
func (w *watcher) states(r *renderer, f dialect) []*rules.Plan {
	w.t.Helper()
	var list []*rules.Plan
	for n := 0; ; n++ {
		base := filepath.Join(w.folder, fmt.Sprintf("%04d.", 3*n))
		saved, err := os.ReadFile(base + f.suffix)
		if err != nil {
			return list
		}
		sets, err := os.ReadFile(base + "sets")
		if err != nil {
			w.t.Fatal(err)
		}
		p, err := r.readPlan(string(sets), map[ipranges.Family]string{f.family: comments.ReplaceAllString(string(saved), "")})
		if err != nil {
			w.t.Fatalf("after step %d: %v", n, err)
		}
		p.Families = rules.Only(f.family)
		list = append(list, p)
	}
}

// versions are three policies: between the first two, addresses move from one set
// to the other while the sets change their places; the third changes addresses only.
func versions() []*rules.Plan {
	a, b, c := ipranges.MustParse("20.202.0.0/16", "2603:1063::/38"), ipranges.MustParse("52.112.0.0/14", "2603:1046::/37"), ipranges.MustParse("52.122.0.0/15", "2603:1056::/37")
	service := rules.NewService("media", rules.Ports(rules.UDP, 3478, 3481))
	plan := func(deny, allow rules.Addresses) *rules.Plan {
		return &rules.Plan{Name: "edge", Families: rules.BothFamilies, Rules: []rules.Rule{
			{Name: "hole", Verdict: rules.Deny, From: rules.Any(), To: deny, Services: []rules.Service{service}},
			{Name: "calls", Verdict: rules.Allow, From: rules.Any(), To: allow, Services: []rules.Service{service}},
		}}
	}
	return []*rules.Plan{
		plan(rules.In("one", a), rules.In("two", a.Union(b))),
		plan(rules.In("two", b), rules.In("one", a.Union(b).Union(c))),
		plan(rules.In("two", c), rules.In("one", a.Union(c))),
	}
}

// TestNoStateBetween loads one version after another and looks at what is in force
// after every single step: for each family the old version, and from some step on
// the new one. So it is when a load breaks off, with one family on the copies of its
// sets or between the families, and the next one brings yet another version.
func TestNoStateBetween(t *testing.T) {
	need.Time(t, "a long laboratory")
	backends(t, func(t *testing.T, on func(*lab.Host) *device) {
		for _, fails := range []int{0, 1, 2, 3, 4} {
			t.Run(fmt.Sprintf("breaking off at transaction %d", fails), func(t *testing.T) {
				d := on(lab.NewInjector(t).Host())
				list := versions()
				var files [][]renderers.File
				var r *renderer
				for i, p := range list {
					var previous []renderers.File
					if i > 0 {
						previous = files[i-1]
					}
					var out []renderers.File
					r, out = renderAs(t, Options{Placement: fragment, Sets: ipset, Hook: "forward", Ingress: []string{"lan0"}}, "edge", p, previous)
					files = append(files, out)
				}
				d.load(files[0])
				w := watch(t, d, fails)
				if err := w.script(files[1], ".load.sh"); (err != nil) != (fails > 0) {
					t.Fatalf("loading the second: %v", err)
				}
				w.load(files[2])
				for _, f := range dialects {
					at, seen := 0, map[int]bool{}
					for n, got := range w.states(r, f) {
						for ; at < len(list); at++ {
							want := *list[at]
							want.Families = rules.Only(f.family)
							if rules.Compare(&want, got) == nil {
								break
							}
						}
						if at == len(list) {
							t.Fatalf("%s: after step %d, what is in force is none of the versions, or an older one than before: %+v", f.family, n, got)
						}
						seen[at] = true
					}
					if !seen[2] || !seen[1] && fails == 0 || len(seen) < 2 {
						t.Errorf("%s: only versions %v were seen: this test shows nothing", f.family, seen)
					}
				}
				fresh := on(lab.NewInjector(t).Host())
				fresh.load(files[2])
				if got, want := d.state(), fresh.state(); got != want {
					t.Errorf("after both loads:\n%s\nwanted:\n%s", got, want)
				}
			})
		}
	})
}
