package probe

import (
	"net/netip"
	"testing"

	"sallyport/verifier"
)

func TestLossy(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		sent, lost int
		want       bool
	}{{8, 0, false}, {8, 1, false}, {2, 1, false}, {20, 2, true}, {21, 2, false}, {100, 3, true}, {4, 3, true}} {
		var l losses
		l.add(portOf{"udp", netip.MustParseAddrPort("192.0.2.1:3478")}, c.sent, c.lost)
		found := l.finding()
		if (len(found) > 0) != c.want {
			t.Errorf("%d of %d: %+v", c.lost, c.sent, found)
		}
		if c.want && (found[0].Outcome != verifier.Undecided || len(found[0].Evidence) != 1) {
			t.Errorf("%+v", found[0])
		}
	}
}
