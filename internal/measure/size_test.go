package measure

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"sallyport/verifier"
	"sallyport/verifier/media"
)

// cut is a socket on a path that drops what is longer, there or back.
type cut struct {
	media.Conn
	there, back int
}

func (c cut) Write(b []byte) (int, error) {
	if len(b) > c.there {
		return len(b), nil
	}
	return c.Conn.Write(b)
}

func (c cut) Read(b []byte) (int, error) {
	for {
		n, err := c.Conn.Read(b)
		if n <= c.back {
			return n, err
		}
	}
}

// away is a path that loses the first long datagrams, whatever their number, until a
// shorter one comes.
type away struct {
	media.Conn
	long, back bool
}

func (a *away) Write(b []byte) (int, error) {
	a.back = a.back || a.long && len(b) < videoSize && len(b) > 400
	if a.long = a.long || len(b) >= videoSize; len(b) >= videoSize && !a.back {
		return len(b), nil
	}
	return a.Conn.Write(b)
}

// TestSizeFlaps: a path that is away for a moment does not cut long datagrams off.
func TestSizeFlaps(t *testing.T) {
	t.Parallel()
	to, key := startReflector(t)
	a := &away{}
	opt := Options{Reflectors: []netip.AddrPort{to}, Key: key, Sizes: true,
		Train: media.Options{Rate: 500, Duration: 200 * time.Millisecond, Linger: 200 * time.Millisecond},
		Dial: func(ctx context.Context, to netip.AddrPort) (media.Conn, error) {
			conn, err := media.Dial(ctx, to, media.DialOptions{})
			a.Conn = conn
			return a, err
		}}
	for _, f := range Run(context.Background(), plan(), opt).Findings {
		if f.Case == "packet_size" && (f.Outcome != verifier.Undecided || f.Remedy == "") {
			t.Errorf("%s: %s %q", f.Outcome, f.Summary, f.Evidence)
		}
	}
	if !a.back {
		t.Error("no shorter datagram was tried")
	}
}

func TestPacketSize(t *testing.T) {
	const any = 1 << 16
	for _, c := range []struct {
		there, back int
		outcome     verifier.Outcome
		says        string
	}{
		{any, any, verifier.Pass, "full ones of 1472, too"},
		{1300, any, verifier.Warn, "1200 bytes pass"},
		{800, any, verifier.Fail, "1200 bytes vanish on the way to the reflector"},
		{any, 800, verifier.Fail, "1200 bytes vanish on the way from the reflector"},
		{200, any, verifier.Fail, "1200 bytes vanish on the way to the reflector"},
	} {
		t.Run(fmt.Sprintf("%d there, %d back", c.there, c.back), func(t *testing.T) {
			t.Parallel()
			to, key := startReflector(t)
			opt := Options{Reflectors: []netip.AddrPort{to}, Host: "reflector", Key: key, Sizes: true,
				Train: media.Options{Rate: 500, Duration: 200 * time.Millisecond, Linger: 200 * time.Millisecond},
				Dial: func(ctx context.Context, to netip.AddrPort) (media.Conn, error) {
					conn, err := media.Dial(ctx, to, media.DialOptions{})
					return cut{conn, c.there, c.back}, err
				}}
			found := false
			for _, f := range Run(context.Background(), plan(), opt).Findings {
				if f.Case != "packet_size" {
					continue
				}
				found = true
				longest := min(c.there, c.back, 1472)
				if got := int(f.Metrics[0].Value); got > longest || got < longest-sizeStep {
					t.Errorf("up to %d bytes: %d pass", longest, got)
				}
				if f.Outcome != c.outcome || !strings.Contains(f.Summary, c.says) || f.Outcome != verifier.Pass && f.Remedy == "" {
					t.Errorf("up to %d bytes there, %d back: %s: %s %q", c.there, c.back, f.Outcome, f.Summary, f.Evidence)
				}
			}
			if !found {
				t.Errorf("up to %d bytes: nothing was found", c.there)
			}
		})
	}
}
