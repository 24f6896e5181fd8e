package f5

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sallyport/internal/testkit/conformance"
	"sallyport/internal/testkit/rendered"
	"sallyport/internal/testkit/routecheck"
	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// device is the attributes of a network access resource, and how often each access
// profile was applied. It takes the commands that a shell hands to a program tmsh, as
// the tmsh reference has them; it shares nothing with the code under test.
type device map[string]string

// known are the attributes of the resource that may be set, and whether they are lists
// of subnets (apm resource network-access; F5's Ansible collection).
var known = map[string]bool{
	"address-space-exclude-subnet": true, "ipv6-address-space-exclude-subnet": true,
	"address-space-include-subnet": true, "ipv6-address-space-include-subnet": true,
	"address-space-exclude-dns-name": false, "split-tunneling": false,
}

// run runs a script with a tmsh that writes its words down, and carries them out.
func (d device) run(t *testing.T, f renderers.File) {
	t.Helper()
	dir := t.TempDir()
	script, log := filepath.Join(dir, "script"), filepath.Join(dir, "log")
	tmsh := "#!/bin/sh\nprintf '%s\\n' \"$@\" END >> " + log + "\n"
	for name, data := range map[string][]byte{script: f.Data, filepath.Join(dir, "tmsh"): []byte(tmsh)} {
		if err := os.WriteFile(name, data, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("sh", script)
	cmd.Env = []string{"PATH=" + dir + ":" + os.Getenv("PATH")}
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("%v\n%s", err, out)
	}
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	for command := range strings.SplitSeq(strings.TrimSuffix(string(text), "END\n"), "END\n") {
		d.command(t, strings.Split(strings.TrimSuffix(command, "\n"), "\n"))
	}
}

func (d device) command(t *testing.T, w []string) {
	t.Helper()
	switch {
	case len(w) == 7 && slices.Equal(w[:4], []string{"modify", "/apm", "profile", "access"}) && slices.Equal(w[5:], []string{"generation-action", "increment"}):
		d["profile "+w[4]] += "+"
	case len(w) > 5 && slices.Equal(w[:3], []string{"modify", "/apm", "resource"}) && w[3] == "network-access":
		d.modify(t, w[4], w[5:])
	default:
		t.Fatalf("no command: %q", w)
	}
}

func (d device) modify(t *testing.T, resource string, w []string) {
	t.Helper()
	for len(w) > 0 {
		name := w[0]
		subnets, ok := known[name]
		if !ok || len(w) < 2 {
			t.Fatalf("no attribute: %q", w)
		}
		w = w[1:]
		if w[0] == "replace-all-with" && !subnets {
			w = w[1:]
		}
		if w[0] != "{" {
			d[resource+" "+name], w = w[0], w[1:]
			continue
		}
		end := closing(w)
		if end < 0 {
			t.Fatalf("%s does not end", name)
		}
		d[resource+" "+name], w = value(t, w[1:end], subnets), w[end+1:]
	}
}

// closing is the word that closes the brace of the first one.
func closing(w []string) int {
	depth := 0
	for i, word := range w {
		depth += strings.Count(word, "{") - strings.Count(word, "}")
		if depth == 0 {
			return i
		}
	}
	return -1
}

// value is what a list holds, each subnet without the words around it.
func value(t *testing.T, w []string, subnets bool) string {
	t.Helper()
	if !subnets {
		return strings.Join(w, " ")
	}
	var list []string
	for ; len(w) > 0; w = w[3:] {
		if len(w) < 3 || w[0] != "{subnet" || w[2] != "}" {
			t.Fatalf("no subnet: %q", w[:min(len(w), 4)])
		}
		list = append(list, w[1])
	}
	return strings.Join(list, " ")
}

// TestLoadingReplaces is the load contract: the script of change 398 after that of 396
// is as if it had been the first, and what the admin has besides stays.
func TestLoadingReplaces(t *testing.T) {
	admin := device{"/Common/vpn/laptops-2.0 address-space-include-subnet": "0.0.0.0/0", "phones address-space-exclude-subnet": "10.0.0.0/8"}
	old, now := routecheck.AzureCloud(t, 396), routecheck.AzureCloud(t, 398)
	fresh, after := maps.Clone(admin), maps.Clone(admin)
	a, err := render(t, options(full), plan(rules.Bypass, old), nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := render(t, options(full), plan(rules.Bypass, now), a)
	if err != nil {
		t.Fatal(err)
	}
	after.run(t, a[0])
	after.run(t, b[0])
	fresh.run(t, b[0])
	for _, profile := range []string{"profile /Common/portal", "profile phones"} {
		if fresh[profile] != "+" || after[profile] != "++" {
			t.Errorf("%s is applied %q and %q", profile, fresh[profile], after[profile])
		}
		delete(fresh, profile)
		delete(after, profile)
	}
	if !maps.Equal(fresh, after) {
		t.Error("loading over an earlier script differs from loading it alone")
	}
	for f, name := range map[ipranges.Family]string{ipranges.IPv4: "address-space-exclude-subnet", ipranges.IPv6: "ipv6-address-space-exclude-subnet"} {
		want := strings.Fields(string(now.AppendPrefixes(nil, f, "", "\n")))
		if got := strings.Fields(fresh["/Common/vpn/laptops-2.0 "+name]); !slices.Equal(got, want) {
			t.Errorf("%s: %d subnets, not %d", name, len(got), len(want))
		}
	}
	if got := fresh["/Common/vpn/laptops-2.0 address-space-exclude-dns-name"]; got != strings.Join(saas.Patterns, " ") {
		t.Errorf("names: %q", got)
	}
	for name, value := range admin {
		if fresh[name] != value {
			t.Errorf("the admin's %s is %q now", name, fresh[name])
		}
	}
}

func TestInclude(t *testing.T) {
	four := plan(rules.Tunnel, relays)
	four.Families = rules.OnlyIPv4
	for _, tt := range []struct {
		plan *rules.Plan
		want device
	}{
		{plan(rules.Tunnel, relays), device{"split-tunneling": "true", "address-space-include-subnet": "20.202.0.0/16 52.112.0.0/14 52.122.0.0/15", "ipv6-address-space-include-subnet": "2603:1063::/38"}},
		{plan(rules.Tunnel, relays.Only(ipranges.IPv6)), device{"split-tunneling": "true", "address-space-include-subnet": "none", "ipv6-address-space-include-subnet": "2603:1063::/38"}},
		{four, device{"split-tunneling": "true", "address-space-include-subnet": "20.202.0.0/16 52.112.0.0/14 52.122.0.0/15"}},
	} {
		files, err := render(t, options(plain), tt.plan, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, want := device{}, device{}
		got.run(t, files[0])
		for name, value := range tt.want {
			want["laptops "+name] = value
		}
		if !maps.Equal(got, want) {
			t.Errorf("%v, not %v", got, want)
		}
	}
}

// TestShellcheck holds the scripts to a linter of shells.
func TestShellcheck(t *testing.T) {
	for v, change := range map[rules.Verdict]func(*Options){rules.Bypass: full, rules.Tunnel: plain} {
		conformance.CheckShell(t, rendered.Files(t, rendered.Target(t, Kind(), options(change)), plan(v, relays))[0])
	}
}

// TestCutOnItsWay hands the shell scripts that end early, as a connection that breaks does:
// nothing is carried out.
func TestCutOnItsWay(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "log")
	tmsh := "#!/bin/sh\nprintf '%s\\n' \"$@\" >> " + log + "\n"
	if err := os.WriteFile(filepath.Join(dir, "tmsh"), []byte(tmsh), 0o700); err != nil {
		t.Fatal(err)
	}
	run := func(script string) bool {
		cmd := exec.Command("sh", "-s")
		cmd.Env, cmd.Dir, cmd.Stdin = []string{"PATH=" + dir + ":" + os.Getenv("PATH")}, dir, strings.NewReader(script)
		_ = cmd.Run() // it may well fail
		_, err := os.Stat(log)
		return err == nil
	}
	for _, opt := range []*Options{options(plain), options(full)} {
		r := rendered.Target(t, Kind(), opt)
		files, err := r.Render(plan(rules.Bypass, ipranges.MustParse("52.112.0.0/14", "2603:1063::/38")))
		if err != nil {
			t.Fatal(err)
		}
		script := strings.TrimSuffix(string(files[0].Data), "\n")
		step := 1
		if testing.Short() {
			step = 23
		}
		for n := len(script) - 1; n > len(script)-700 && n > 0; n -= step {
			if run(script[:n]) {
				t.Fatalf("cut before %.40q, it runs tmsh", script[n:])
			}
		}
		if !run(script) {
			t.Error("whole, it does not run tmsh")
		}
		if err := os.Remove(log); err != nil {
			t.Fatal(err)
		}
	}
}
