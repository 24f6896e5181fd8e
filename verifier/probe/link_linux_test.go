package probe

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/internal/errqueue"
	"sallyport/internal/testkit/pace"
	"sallyport/verifier"
)

// TestRadio: sysfs names the radio of an interface of Wi-Fi, and of no other.
func TestRadio(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, d := range []string{"wlan0/phy80211", "eth0/queues"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]bool{"wlan0": true, "eth0": false, "no0": false, "": false} {
		if hasRadio(dir, name) != want {
			t.Errorf("%q has a radio: %v", name, !want)
		}
	}
}

// slowAir is a network whose first link is slow radio.
type slowAir struct {
	Network
	takes time.Duration
}

func (n slowAir) Interfaces() ([]Interface, error) {
	list, err := n.Network.Interfaces()
	for i := range list {
		list[i].Wireless = true
	}
	return list, err
}

func (n slowAir) DialUDP(ctx context.Context, to netip.AddrPort, o errqueue.Options) (UDPConn, error) {
	c, err := n.Network.DialUDP(ctx, to, o)
	return slowConn{c, n.takes}, err
}

type slowConn struct {
	UDPConn
	takes time.Duration
}

func (c slowConn) Write(b []byte) (int, error) {
	time.Sleep(c.takes)
	return c.UDPConn.Write(b)
}

// TestFirstLink: a gateway is as fast as packets that end there come back.
func TestFirstLink(t *testing.T) {
	t.Parallel()
	for _, takes := range []time.Duration{0, 2 * slowGateway} {
		pace.Run(t, func(t testing.TB, s pace.Scale) {
			n := newNetwork(t)
			r := Run(context.Background(), plan([]string{"udp/3478"}, relay4.String(), relay6.String()), Options{Network: slowAir{n.client, takes}, Timers: labTimers(s)})
			for family, gateway := range map[string]string{"ipv4": "10.20.0.1", "ipv6": "fd20::1"} {
				f := find(t, r, func(f *verifier.Finding) bool { return f.Check == verifier.CheckLink && f.Family == family })[0]
				slow := f.Outcome == verifier.Warn && f.Remedy != "" && f.Metrics[0].Value >= takes.Seconds()
				if f.Address.String() != gateway || !strings.Contains(f.Summary, "Wi-Fi") || slow != (takes > 0) {
					t.Errorf("a first link of %s: %s %s %v", takes, f.Outcome, f.Summary, f.Metrics)
				}
			}
		})
	}
}
