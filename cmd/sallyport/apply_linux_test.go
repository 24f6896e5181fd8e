package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"sallyport/internal/apply"
	"sallyport/internal/testkit/await"
	"sallyport/internal/testkit/lab"
	"sallyport/internal/testkit/need"
)

// machine is a host of the lab on which sallyport loads.
type machine struct {
	*lab.Host
	t    *testing.T
	dir  string
	list string // what shows all that is loaded
}

func newMachine(t *testing.T, list string) machine {
	m := machine{lab.NewInjector(t).Host(), t, t.TempDir(), list}
	m.endGuards()
	return m
}

// endGuards ends guards before the folder that they look into is removed.
func (m machine) endGuards() {
	m.t.Cleanup(func() {
		await.Until(m.t, "guards to end", func() bool { return killGuards(m.t, m.dir) == 0 })
	})
}

func (m machine) write(name, text string) {
	m.t.Helper()
	if err := os.WriteFile(filepath.Join(m.dir, name), []byte(text), 0o644); err != nil {
		m.t.Fatal(err)
	}
}

// sallyport runs a command line on the machine, which has to exit with code.
func (m machine) sallyport(code int, args ...string) string {
	m.t.Helper()
	cmd := subprocess(m.t, m.dir, append(args, "--state", "state")...)
	var out, said strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &said
	m.Do(func() { _ = cmd.Run() })
	if got := cmd.ProcessState.ExitCode(); got != code {
		m.t.Fatalf("sallyport %s exits with %d, want %d\n%s%s", strings.Join(args, " "), got, code, out.String(), said.String())
	}
	return out.String()
}

func (m machine) loaded() string { return withoutComments(m.MustExec(m.t, m.list, "sh")) }

// deployedTarget is a target that is loaded, with what an admin has there before.
type deployedTarget struct {
	programs []string
	admin    string
	target   string
	list     string
	stop     string   // takes all away, as a restart does
	drifts   []string // commands that change what is ours
	own      []string // and what is the admin's
}

// machine is one on which the admin's own things are loaded, with both versions of the policy:
// a.hcl and b.hcl.
func (c deployedTarget) machine(t *testing.T) machine {
	t.Helper()
	need.Root(t)
	for _, p := range c.programs {
		need.Program(t, p)
	}
	m := newMachine(t, c.list)
	m.MustExec(t, c.admin, "sh")
	m.write("a.hcl", deployPolicy(c.target, false))
	m.write("b.hcl", deployPolicy(c.target, true))
	return m
}

// deployed are the targets that are loaded by default, each in two versions that differ in
// rules, sets and families, with what an admin has there before.
var deployed = map[string]deployedTarget{
	"nftables": {
		[]string{"nft"},
		"nft -f - <<E\ntable inet filter {\nset mine { type ipv4_addr; elements = { 192.0.2.9 } }\nchain forward { type filter hook forward priority 0; policy drop; ip saddr @mine accept\n}\n}\ntable ip other {\nchain c {\n}\n}\nE\n",
		"target \"nftables\" \"edge\" {\n  hook = \"forward\"\n  ingress = [\"lan0\"]\n}\n",
		"nft -s list ruleset",
		"nft flush ruleset",
		[]string{
			"nft delete element inet filter sallyport_edge.one_v4 '{ 198.51.100.0/24 }'",
			"nft add element inet filter sallyport_edge.one_v4 '{ 203.0.113.0/24 }'",
			"nft flush set inet filter sallyport_edge.one_v4",
			"nft flush chain inet filter sallyport_edge",
			"nft insert rule inet filter sallyport_edge accept",
			"nft add set inet filter sallyport_edge.more '{ type ipv4_addr; }'",
			"nft add chain inet filter sallyport_edge.more",
			"nft delete element inet filter sallyport_edge.media_svc '{ tcp . 443 }'",
			"nft flush table inet filter",
		},
		[]string{
			"nft add element inet filter mine '{ 192.0.2.10 }'",
			"nft add rule inet filter forward counter",
			"nft add chain ip other d",
			"nft add rule inet filter forward jump sallyport_edge",
			"nft add table inet sallyport_other",
		},
	},
	"iptables": {
		[]string{"iptables", "ipset"},
		"ip6tables -P FORWARD ACCEPT; iptables -P FORWARD DROP; iptables -A FORWARD -s 192.0.2.9 -j ACCEPT; ipset create mine hash:net; ipset add mine 192.0.2.9\n",
		"target \"iptables\" \"edge\" {\n  hook = \"forward\"\n  ingress = [\"lan0\"]\n}\n",
		"iptables-save; ip6tables-save; ipset save | sed 's/ hashsize.*//' | sort",
		"for p in iptables ip6tables; do $p -F; $p -X; done; ipset destroy",
		[]string{
			"ipset del sallyport_edge.one_v4 198.51.100.0/24",
			"ipset add sallyport_edge.one_v4 203.0.113.0/24",
			"ipset flush sallyport_edge.one_v4",
			"iptables -F sallyport_edge",
			"iptables -I sallyport_edge -j ACCEPT",
			"ip6tables -F sallyport_edge",
			"iptables -N sallyport_edge.more",
		},
		[]string{
			"ipset add mine 192.0.2.10",
			"iptables -A FORWARD -s 192.0.2.11 -j ACCEPT",
			"iptables -A FORWARD -j sallyport_edge",
			"iptables -N sallyport_other",
			"ipset create sallyport_other hash:net",
		},
	},
	"iproute": {
		[]string{"ip"},
		"ip link add tun9 type veth peer name tun8; ip link set tun8 up; ip link set tun9 up; ip route add 192.0.2.0/24 dev tun9\n",
		"target \"iproute\" \"edge\" {\n  include = set.SET\n  families = FAMILIES\n  device = \"tun9\"\n}\n",
		"ip route show; ip -6 route show",
		"ip link del tun9",
		[]string{
			"ip route del 198.51.100.0/24",
			"ip route add 203.0.113.0/24 dev tun9 proto 213",
			"ip route flush proto 213",
		},
		[]string{"ip route add 203.0.113.0/25 dev tun9", "ip route add 203.0.113.0/26 dev tun9 proto 42"},
	},
}

// deployPolicy is a version of the policy. The second has another set, and IPv6.
func deployPolicy(target string, second bool) string {
	set, prefixes, families := "one", `"198.51.100.0/24"`, `["ipv4"]`
	if second {
		set, prefixes, families = "two", `"198.51.100.0/25", "203.0.113.0/24", "2001:db8:7::/48"`, `["ipv4", "ipv6"]`
	}
	text := fmt.Sprintf("set %q { include = [%s] }\n", set, prefixes)
	if !strings.Contains(target, "include") {
		text += fmt.Sprintf("service \"media\" {\n  udp = [\"3478-3481\"]\n  tcp = [443]\n}\nrule %q {\n  action = \"allow\"\n  to = set.%s\n  services = [service.media]\n}\n", set, set)
	}
	return text + strings.NewReplacer("SET", set, "FAMILIES", families).Replace(target) + "deploy \"edge\" { target = target.edge }\n"
}

// TestApplied loads for real: what is taken back leaves the machine as it was, whatever
// version was there before, and so does a rollback.
func TestApplied(t *testing.T) {
	for name, c := range deployed {
		t.Run(name, func(t *testing.T) {
			m := c.machine(t)
			bare := m.loaded()
			m.sallyport(exitOK, "apply", "--policy", "a.hcl")
			m.sallyport(exitOK, "confirm", "--undo")
			if got := m.loaded(); got != bare {
				t.Fatalf("the first load, taken back, leaves\n%s\nand there was\n%s", got, bare)
			}
			m.sallyport(exitOK, "apply", "--policy", "a.hcl", "--confirm", "now")
			first := m.loaded()
			if first == bare {
				t.Fatal("nothing was loaded")
			}
			m.sallyport(exitOK, "apply", "--policy", "b.hcl")
			second := m.loaded()
			m.sallyport(exitOK, "confirm", "--undo")
			if got := m.loaded(); got != first {
				t.Fatalf("the second version, taken back, leaves\n%s\nand there was\n%s", got, first)
			}
			m.sallyport(exitOK, "apply", "--policy", "b.hcl", "--confirm", "now")
			if got := m.loaded(); got != second {
				t.Fatalf("loaded again, it is\n%s\nand was\n%s", got, second)
			}
			m.sallyport(exitOK, "rollback", "2", "--confirm", "now")
			if got := m.loaded(); got != first {
				t.Fatalf("the rollback leaves\n%s\nand there was\n%s", got, first)
			}
			m.sallyport(exitOK, "status")

			// A machine that starts anew has nothing loaded, also where it stopped in an open run.
			m.sallyport(exitOK, "rollback", "--unpin")
			m.sallyport(exitOK, "apply", "--policy", "b.hcl")
			await.Until(t, "the guard to be gone", func() bool { return killGuards(t, m.dir) == 0 })
			if out := m.sallyport(exitFailed, "status"); !strings.Contains(out, "its guard is gone") {
				t.Errorf("status does not say that nobody guards the run: %s", out)
			}
			m.MustExec(t, c.stop, "sh")
			m.MustExec(t, c.admin, "sh")
			m.sallyport(exitOK, "restore")
			if got := m.loaded(); got != first {
				t.Fatalf("restore loads\n%s\nand there was\n%s", got, first)
			}
			m.sallyport(exitOK, "status")
		})
	}
}

// TestAnotherTargetIsUndone takes back a run whose deploy went over to another target, which
// is taken away, or whose target moved to another path: what was loaded before stays.
func TestAnotherTargetIsUndone(t *testing.T) {
	c := deployed["nftables"]
	for name, second := range map[string]string{
		"another target": strings.Replace(deployPolicy(strings.Replace(c.target, "edge", "border", 1), true), "target.edge", "target.border", 1),
		"another path":   deployPolicy(strings.Replace(c.target, "hook", "path = \"moved.nft\"\n  hook", 1), true),
	} {
		t.Run(name, func(t *testing.T) {
			m := c.machine(t)
			m.write("b.hcl", second)
			m.sallyport(exitOK, "apply", "--policy", "a.hcl", "--confirm", "now")
			first := m.loaded()
			m.sallyport(exitOK, "apply", "--policy", "b.hcl")
			m.sallyport(exitOK, "confirm", "--undo")
			if got := m.loaded(); got != first {
				t.Errorf("taken back, it leaves\n%s\nand there was\n%s", got, first)
			}
		})
	}
}

// TestFirstLoadIsJumpedTo takes a first load back after the admin jumped to it: then the
// chain cannot be deleted, and is emptied.
func TestFirstLoadIsJumpedTo(t *testing.T) {
	m := deployed["nftables"].machine(t)
	m.sallyport(exitOK, "apply", "--policy", "a.hcl")
	m.MustExec(t, "nft insert rule inet filter forward jump sallyport_edge", "sh")
	m.sallyport(exitOK, "confirm", "--undo")
	if got := m.loaded(); strings.Contains(got, "accept comment") || strings.Contains(got, "sallyport_edge.one_v4") {
		t.Errorf("rules are left:\n%s", got)
	}
}

// TestDrift changes what is loaded by hand. Each change of ours is found, and repaired when
// asked; the admin's own changes are none of ours.
func TestDrift(t *testing.T) {
	for name, c := range deployed {
		t.Run(name, func(t *testing.T) {
			m := c.machine(t)
			m.sallyport(exitOK, "apply", "--policy", "a.hcl", "--confirm", "now")
			for _, edit := range c.own {
				m.MustExec(t, "set -e\n"+edit+"\n", "sh")
				if out := m.sallyport(exitOK, "status", "--json"); strings.Contains(out, `"drift"`) {
					t.Errorf("%s is called drift: %s", edit, out)
				}
			}
			for _, edit := range c.drifts {
				m.MustExec(t, "set -e\n"+edit+"\n", "sh")
				var status struct {
					Deploys []struct {
						Drift *struct{ Missing, More []string }
					}
				}
				if err := json.Unmarshal([]byte(m.sallyport(exitFailed, "status", "--json")), &status); err != nil {
					t.Fatal(err)
				}
				if d := status.Deploys[0].Drift; d == nil || len(d.Missing)+len(d.More) == 0 {
					t.Errorf("%s is not found", edit)
				}
				m.sallyport(exitOK, "apply", "--policy", "a.hcl", "--repair", "--confirm", "now")
				m.sallyport(exitOK, "status")
			}
		})
	}
}

// TestProbesDecide loads a version that stops a probe: it is noticed, and taken back. One
// that stops nothing stays.
func TestProbesDecide(t *testing.T) {
	need.Root(t)
	need.Program(t, "nft")
	m := newMachine(t, "nft -s list ruleset")
	m.MustExec(t, "ip addr add 198.51.100.7/32 dev lo\nnft -f - <<E\ntable inet filter {\nchain output { type filter hook output priority 0; policy accept; jump sallyport_edge; }\nchain sallyport_edge { }\n}\nE\n", "sh")
	if err := m.AnswerTCP(443); err != nil {
		t.Fatal(err)
	}
	policy := func(name, action, more string) {
		m.write(name, fmt.Sprintf(`
set "one" { include = ["198.51.100.0/24"] }
set "more" { include = [%s] }
service "media" { tcp = [443] }
rule "more" {
  action   = %q
  to       = set.more
  services = [service.media]
}
rule "calls" {
  action   = "allow"
  to       = set.one
  services = [service.media]
}
target "nftables" "edge" { hook = "output" }
deploy "edge" { target = target.edge }
probe "host" {
  host  = "198.51.100.7"
  rule  = rule.calls
  kinds = ["tcp"]
}
`, more, action))
	}
	policy("a.hcl", "allow", `"203.0.113.0/25"`)
	policy("b.hcl", "allow", `"203.0.113.0/24"`)
	policy("c.hcl", "deny", `"198.51.100.0/25"`)
	probes := []string{"--confirm", "verify", "--time-scale", "0.1", "--quiet"}
	m.sallyport(exitOK, append([]string{"refresh", "--policy", "a.hcl"}, probes[:4]...)...)
	m.sallyport(exitOK, append([]string{"refresh", "--policy", "b.hcl"}, probes[:4]...)...)
	good := m.loaded()
	m.sallyport(exitFailed, append([]string{"refresh", "--policy", "c.hcl"}, probes[:4]...)...)
	if got := m.loaded(); got != good {
		t.Errorf("the version that stops the probe leaves\n%s\nand there was\n%s", got, good)
	}
	if out := m.sallyport(exitOK, "history"); !strings.Contains(out, "worse than before") {
		t.Errorf("the history does not say why:\n%s", out)
	}
}

// TestApplyKilled kills apply, its guard, or both, at random instants. The machine, a file
// here, is always one version or the other in the end, the journal says which, and the next
// run goes on by itself.
func TestApplyKilled(t *testing.T) {
	dir := t.TempDir()
	m := machine{t: t, dir: dir}
	m.endGuards()
	var want []string
	for i, prefix := range []string{"192.0.2.0/24", "198.51.100.0/24"} {
		m.write(fmt.Sprintf("%d.hcl", i), fmt.Sprintf(`
set "calls" { include = [%q] }
rule "calls" {
  action   = "allow"
  to       = set.calls
  services = any
}
target "generic" "edge" { path = "edge.json" }
deploy "edge" {
  target = target.edge
  load   = ["cp", "{}", "device"]
  state  = ["sh", "-c", "cat device 2>/dev/null || true"]
  remove = ["rm", "-f", "device"]
}
`, prefix))
	}
	state := filepath.Join(dir, "state")
	run := func(args ...string) error {
		return subprocess(t, dir, append(args, "--state", state)...).Run()
	}
	var takes time.Duration
	for i := range 2 {
		start := time.Now()
		if err := run("apply", "--policy", fmt.Sprintf("%d.hcl", i), "--confirm", "now"); err != nil {
			t.Fatal(err)
		}
		takes = time.Since(start)
		data, err := os.ReadFile(filepath.Join(dir, "device"))
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, string(data))
	}
	rounds := 60
	if testing.Short() {
		rounds = 12
	}
	folder, err := apply.Open(state)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[apply.Step]int{}
	for round := range rounds {
		cmd := subprocess(t, dir, "apply", "--policy", fmt.Sprintf("%d.hcl", round%2), "--state", state, "--confirm", []string{"now", "1s", "1h"}[rand.N(3)])
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(rand.N(takes + takes/2))
		victims := rand.N(3)
		if victims != 1 {
			cmd.Process.Kill()
		}
		if victims != 0 {
			killGuards(t, dir)
		}
		_ = cmd.Wait()
		if victims == 2 {
			killGuards(t, dir) // one that was started meanwhile
		}
		seen[settle(t, folder, run)]++
		data, _ := os.ReadFile(filepath.Join(dir, "device"))
		if !slices.Contains(want, string(data)) {
			t.Fatalf("round %d: the machine has neither version: %q", round, data)
		}
		if out, err := subprocess(t, dir, "status", "--state", state).CombinedOutput(); err != nil {
			t.Fatalf("round %d: status: %v\n%s", round, err, out)
		}
	}
	t.Log(seen)
}

// settle waits until the last run is decided, by its guard or, where that is dead, by the
// next run, and returns how it was decided.
func settle(t *testing.T, folder *apply.Folder, run func(args ...string) error) apply.Step {
	t.Helper()
	var last apply.Step
	await.Until(t, "the last run to be decided", func() bool {
		j, err := folder.Read()
		if err != nil {
			t.Fatal(err)
		}
		p := j.Runs[len(j.Runs)-1]
		if last = p.Step; !p.Open() {
			return true
		}
		if p.Step == apply.Loaded && p.Confirm.Duration > time.Minute {
			_ = run("confirm", "--undo")
			return false
		}
		_ = run("restore") // takes it back where no guard does
		return false
	})
	if last == apply.Stuck {
		t.Fatal("a run could not be taken back")
	}
	return last
}

// killGuards kills the guards of state folders in dir, and returns how many there were.
func killGuards(t *testing.T, dir string) (killed int) {
	t.Helper()
	list, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range list {
		data, _ := os.ReadFile(name)
		if words := strings.Split(string(data), "\x00"); slices.Contains(words, "guard") && slices.Contains(words, filepath.Join(dir, "state")) {
			var pid int
			if _, err := fmt.Sscanf(name, "/proc/%d/cmdline", &pid); err == nil {
				killed++
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	}
	return killed
}
