package probe

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"sallyport/verifier"
)

// losses count lost datagrams on ports that answered. For a port that never answers,
// loss is not known.
type losses struct {
	mu   sync.Mutex
	list []loss
}

type loss struct {
	port       portOf
	sent, lost int
}

func (l *losses) add(p portOf, sent, lost int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := slices.IndexFunc(l.list, func(x loss) bool { return x.port == p })
	if at < 0 {
		at = len(l.list)
		l.list = append(l.list, loss{port: p})
	}
	l.list[at].sent += sent
	l.list[at].lost += lost
}

// of sums up the ports of an address.
func (l *losses) of(a netip.Addr) (sent, lost int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, x := range l.list {
		if x.port.to.Addr() == a {
			sent, lost = sent+x.sent, lost+x.lost
		}
	}
	return sent, lost
}

// lossy reports whether too many datagrams were lost: three, or two that are at least a
// tenth. One lost packet is normal.
func lossy(sent, lost int) bool { return lost >= 3 || lost >= 2 && lost*10 >= sent }

// maxLossy is how many ports a finding names.
const maxLossy = 8

// finding reports a line that loses packets: its ports are reachable, but calls over
// them are bad. It returns nothing for normal loss.
func (l *losses) finding() []verifier.Finding {
	l.mu.Lock()
	defer l.mu.Unlock()
	sent, lost := 0, 0
	for _, x := range l.list {
		sent, lost = sent+x.sent, lost+x.lost
	}
	if !lossy(sent, lost) {
		return nil
	}
	f := verifier.Finding{Kind: verifier.STUN, Check: verifier.CheckLoss, Outcome: verifier.Undecided, Verdict: verifier.Inconclusive,
		Summary: fmt.Sprintf("reachable, and lossy: of %d datagrams to ports that answer, %d were lost, or their answers were", sent, lost),
		Remedy:  "measure the line with a reflector of your own (--reflector), and look for a limit of packets a second, a full line, or bad radio",
		Metrics: []verifier.Metric{{Name: "sent_packets", Value: float64(sent)}, {Name: "lost_packets", Value: float64(lost)}}}
	slices.SortFunc(l.list, func(a, b loss) int {
		return cmp.Or(cmp.Compare(b.lost, a.lost), a.port.to.Compare(b.port.to))
	})
	for _, x := range l.list[:min(len(l.list), maxLossy)] {
		if x.lost > 0 {
			f.Note("%s %s: %d of %d", x.port.to.Addr(), x.port, x.lost, x.sent)
		}
	}
	return []verifier.Finding{f}
}
