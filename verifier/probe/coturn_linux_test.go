package probe

import (
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"sallyport/internal/testkit/lab"
	"sallyport/internal/testkit/need"
	"sallyport/internal/testkit/pace"
	"sallyport/verifier"
)

// TestCoturn asks a real relay, over UDP and TCP, in both families.
func TestCoturn(t *testing.T) {
	t.Parallel()
	turnserver := need.Program(t, "turnserver")
	pace.Run(t, func(t testing.TB, s pace.Scale) {
		l := lab.New(t)
		n := &network{l, &labNetwork{host: l.Client}, t}
		for _, a := range []netip.Addr{relay4, relay6} {
			n.Server.MustRun(t, "ip", "addr", "add", netip.PrefixFrom(a, a.BitLen()).String(), "dev", "lo")
		}
		dir := t.TempDir()
		cmd := exec.Command(turnserver, "-n", "--listening-ip", relay4.String(), "--listening-ip", relay6.String(),
			"--relay-ip", relay4.String(), "--relay-ip", relay6.String(), "--listening-port", "3478", "--alt-listening-port", "3480",
			"--lt-cred-mech", "--user", "a:b", "--realm", "lab.example", "--no-tls", "--no-dtls", "--no-cli", "--log-file", "stdout",
			"--pidfile", dir+"/pid", "--db", dir+"/db", "--min-port", "50000", "--max-port", "50100")
		var log strings.Builder
		cmd.Stdout, cmd.Stderr = &log, &log
		stop, err := n.Server.Start(cmd)
		if err != nil {
			t.Fatal(err)
		}
		p := plan([]string{"udp/3478", "tcp/3478"}, relay4.String(), relay6.String())
		for _, a := range []netip.Addr{relay4, relay6} {
			n.accepts(netip.AddrPortFrom(a, 3478)) // UDP is ready before
		}
		r := n.run(p, Options{})
		for _, a := range []netip.Addr{relay4, relay6} {
			for _, prot := range []string{"udp", "tcp"} {
				f := reach(t, r, a, prot, 3478)
				if f.Verdict != verifier.Reachable || f.Outcome != verifier.Pass {
					t.Errorf("%s %s: %s: %q", a, prot, f.Verdict, f.Evidence)
				}
				if prot == "udp" && f.Mapped.Addr() != n.Client.Addrs()[map[bool]int{true: 0, false: 1}[a.Is4()]].Addr() {
					t.Errorf("it sees us as %v", f.Mapped)
				}
				if prot == "tcp" && !strings.Contains(strings.Join(f.Evidence, " "), "401") {
					t.Errorf("an allocation without credentials: %q", f.Evidence)
				}
			}
		}
		if t.Failed() {
			stop()
			t.Log(log.String())
		}
	})
}
