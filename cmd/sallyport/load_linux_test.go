package main

import (
	"context"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/testkit/await"
	"sallyport/internal/testkit/lab"
	"sallyport/internal/testkit/need"
)

// printedLoads runs generate with the built-in policy in a folder of its own, and returns
// the folder and what is printed for each target: the lines as they can be pasted.
func printedLoads(t *testing.T) (dir string, lines map[string]string) {
	t.Helper()
	dir = t.TempDir()
	out, err := subprocess(t, dir, "generate").Output()
	if err != nil {
		t.Fatal(err)
	}
	_, text, ok := strings.Cut(string(out), "\nTo load")
	if !ok {
		t.Fatalf("nothing is said of loading:\n%s", out)
	}
	lines, target := map[string]string{}, ""
	for line := range strings.SplitSeq(text, "\n") {
		switch {
		case strings.HasPrefix(line, "    "):
			lines[target] += line + "\n"
		case strings.HasPrefix(line, "  ") && strings.HasSuffix(line, ":"):
			target, _, _ = strings.Cut(strings.TrimSpace(line), " ")
		}
	}
	return dir, lines
}

// TestPrintedFirewallLoads pastes what generate prints into firewalls: one without any
// rule, and one whose own rules drop everything first.
func TestPrintedFirewallLoads(t *testing.T) {
	dir, lines := printedLoads(t)
	media := []lab.Packet{lab.UDP(netip.MustParseAddr("20.202.0.1"), 3478), lab.Connect(netip.MustParseAddr("52.112.0.1"), 443), lab.UDP(netip.MustParseAddr("2603:1063::1"), 3480)}
	other := []lab.Packet{lab.UDP(netip.MustParseAddr("198.51.100.1"), 3478), lab.Connect(netip.MustParseAddr("20.202.0.1"), 22), lab.UDP(netip.MustParseAddr("2001:db8::1"), 3478)}
	for target, c := range map[string]struct {
		program string
		own     string // the admin's rules
		list    string
	}{
		"acs_media": {"nft", "nft -f - <<E\ntable inet filter {\nchain forward {\ntype filter hook forward priority filter; policy drop;\ncounter drop\n}\n}\nE\n", "nft -s list ruleset"},
		"acs_ipt":   {"ipset", "for p in iptables ip6tables; do $p -P FORWARD DROP; $p -A FORWARD -j DROP; done\n", "iptables-save; ip6tables-save"},
	} {
		for _, own := range []string{"", c.own} {
			t.Run(target+map[bool]string{true: " on a bare machine", false: " beside drops"}[own == ""], func(t *testing.T) {
				need.Program(t, c.program)
				in := lab.NewInjector(t)
				host := in.Host()
				host.MustExec(t, own, "sh")
				host.MustExec(t, "set -e\ncd "+dir+"\n"+lines[target], "sh")
				got, err := in.Decide(append(append([]lab.Packet{}, media...), other...))
				if err != nil {
					t.Fatal(err)
				}
				for i, p := range got {
					want := lab.Passed
					if i >= len(media) && own != "" {
						want = lab.Dropped
					}
					if p.Verdict != want {
						t.Errorf("packet %d: %v, want %v", i, p.Verdict, want)
					}
				}
				if t.Failed() {
					t.Log(host.MustExec(t, c.list, "sh"))
				}
				// Loading again changes nothing; the jump is not pasted twice.
				first := host.MustExec(t, c.list, "sh")
				again := strings.Join(strings.SplitAfterN(lines[target], "\n", 2)[:1], "")
				host.MustExec(t, "set -e\ncd "+dir+"\n"+again, "sh")
				if now := host.MustExec(t, c.list, "sh"); withoutComments(now) != withoutComments(first) {
					t.Errorf("a second load changes\n%s\ninto\n%s", first, now)
				}
			})
		}
	}
}

// withoutComments leaves out what iptables-save stamps.
func withoutComments(list string) string {
	var out []string
	for line := range strings.Lines(list) {
		if !strings.HasPrefix(line, "#") {
			out = append(out, line)
		}
	}
	return strings.Join(out, "")
}

// vpnClient is a client in a namespace of its own, with an uplink and an OpenVPN
// configuration whose tunnel takes everything. $LOAD is what is pasted.
const vpnClient = `set -eu
ip link set lo up
ip link add up0 type veth peer name up1
ip addr add 192.0.2.2/24 dev up0
ip addr add 2001:db8::2/64 dev up0 nodad
ip link set up0 up
ip link set up1 up
ip route add default via 192.0.2.1
ip route add default via 2001:db8::1
openvpn --genkey secret static.key
cat >CLIENT.ovpn <<END
dev tun
remote 192.0.2.1 1194
ifconfig 10.9.0.1 10.9.0.2
secret static.key
cipher AES-256-CBC
redirect-gateway def1
writepid pid
END
sh -e -c "$LOAD" >load.log 2>&1 &
until [ "$(ip route show 52.122.0.0/15)" ]; do sleep 0.05; done
ip route get 20.202.0.1
ip route get 52.115.255.255
[ $TARGET = acs_openvpn ] || until [ "$(ip -6 route show 2603:1063::/38)" ]; do sleep 0.05; done
ip -6 route get 2603:1063::1
[ ! -e pid ] || kill "$(cat pid)"
wait || true
`

// TestPrintedClientLoads pastes what generate prints into a VPN client, and looks by which
// way media goes.
func TestPrintedClientLoads(t *testing.T) {
	need.Root(t)
	for _, name := range []string{"openvpn", "unshare", "ip"} {
		need.Program(t, name)
	}
	dir, lines := printedLoads(t)
	for _, target := range []string{"acs_openvpn", "acs_wireguard"} {
		t.Run(target, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), await.Patience)
			defer cancel()
			cmd := exec.CommandContext(ctx, "unshare", "--net", "--pid", "--fork", "--kill-child", "sh", "-c", vpnClient)
			cmd.Dir, cmd.Env = dir, append(os.Environ(), "LOAD="+lines[target], "TARGET="+target)
			out, err := cmd.CombinedOutput()
			if log, readErr := os.ReadFile(filepath.Join(dir, "load.log")); err != nil {
				t.Fatalf("%v: %s\n%s\n%v", err, out, log, readErr)
			}
			for _, want := range []string{"20.202.0.1 via 192.0.2.1 dev up0", "52.115.255.255 via 192.0.2.1 dev up0", "2603:1063::1 from :: via 2001:db8::1 dev up0"} {
				if !strings.Contains(string(out), want) {
					t.Errorf("media does not go %q:\n%s", want, out)
				}
			}
		})
	}
}
