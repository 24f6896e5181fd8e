package measure

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"sallyport/verifier"
	"sallyport/verifier/media"
)

// cut is a socket on a path that drops what is longer.
type cut struct {
	media.Conn
	longest int
}

func (c cut) Write(b []byte) (int, error) {
	if len(b) > c.longest {
		return len(b), nil
	}
	return c.Conn.Write(b)
}

func TestPacketSize(t *testing.T) {
	for longest, want := range map[int]struct {
		outcome verifier.Outcome
		says    string
	}{1472: {verifier.Pass, "1200 bytes pass"}, 800: {verifier.Fail, "those of 700 pass"}, 200: {verifier.Fail, "those of 172 pass"}} {
		to, key := startReflector(t)
		opt := Options{Reflectors: []netip.AddrPort{to}, Host: "reflector", Key: key, Sizes: true,
			Train: media.Options{Rate: 500, Duration: 200 * time.Millisecond, Linger: 200 * time.Millisecond},
			Dial: func(ctx context.Context, to netip.AddrPort) (media.Conn, error) {
				c, err := media.Dial(ctx, to, media.DialOptions{})
				return cut{c, longest}, err
			}}
		found := false
		for _, f := range Run(context.Background(), plan(), opt).Findings {
			if f.Case != "packet_size" {
				continue
			}
			found = true
			if f.Outcome != want.outcome || !strings.Contains(f.Summary, want.says) || f.Outcome == verifier.Fail && f.Remedy == "" {
				t.Errorf("up to %d bytes: %s: %s %q", longest, f.Outcome, f.Summary, f.Evidence)
			}
		}
		if !found {
			t.Errorf("up to %d bytes: nothing was found", longest)
		}
	}
}
