package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/pion/stun/v3"

	"sallyport/internal/errqueue"
	"sallyport/verifier"
)

// chain is a path of routers, of which the first silent ones send no errors, to a target
// behind them. What stands at the hop liar answers STUN for it.
type chain struct {
	Tables
	target, liar int // hops
	silent       int
}

func (chain) Interfaces() ([]Interface, error) { return nil, nil }
func (chain) LookUp(flows []Flow) ([]FlowRoute, error) {
	return make([]FlowRoute, len(flows)), nil
}
func (chain) ListenUDP(context.Context, netip.Addr) (PacketConn, error) {
	return nil, errors.ErrUnsupported
}

// ended is the error of a packet that ends at a hop before a distance, or nil.
func (c chain) ended(ttl, distance int) error {
	switch {
	case ttl == 0 || ttl >= distance:
		return nil
	case ttl <= c.silent:
		return os.ErrDeadlineExceeded
	}
	router := netip.MustParseAddr(fmt.Sprintf("198.18.0.%d", ttl))
	return &errqueue.Error{Origin: errqueue.ICMP, Type: 11, Offender: router, Err: errors.New("time exceeded")}
}

func (c chain) DialTCP(_ context.Context, _ netip.AddrPort, o errqueue.Options) (net.Conn, error) {
	if err := c.ended(o.TTL, c.target); err != nil {
		return nil, err
	}
	here, there := net.Pipe()
	return here, there.Close()
}

func (c chain) DialUDP(_ context.Context, _ netip.AddrPort, o errqueue.Options) (UDPConn, error) {
	answers := c.target
	if c.liar > 0 {
		answers = c.liar
	}
	return &chainConn{ended: c.ended(o.TTL, answers)}, nil
}

// chainConn answers one request, or fails as the path does.
type chainConn struct {
	UDPConn
	ended error
	id    transaction
}

func (c *chainConn) Write(b []byte) (int, error) {
	copy(c.id[:], b[8:20])
	return len(b), nil
}

func (c *chainConn) Read(b []byte) (int, error) {
	if c.ended != nil {
		return 0, c.ended
	}
	return copy(b, mustBuild(stun.NewTransactionIDSetter(c.id), stun.BindingSuccess, &stun.XORMappedAddress{IP: net.IPv4(192, 0, 2, 1), Port: 4711})), nil
}

func (*chainConn) SetReadDeadline(time.Time) error { return nil }
func (*chainConn) Close() error                    { return nil }

// TestWhoAnswers: an answer that comes from a hop before the target is somebody else's, up
// to as many hops as are tried, and what was not tried is no evidence.
func TestWhoAnswers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		path  chain
		spent int // datagrams to the port before
		want  verifier.Verdict
	}{
		"the target, far away":            {chain{target: 9}, 1, verifier.Reachable},
		"the target, in the next network": {chain{target: 2}, 1, verifier.Reachable},
		"a liar at the second hop":        {chain{target: 9, liar: 2}, 1, verifier.Intercepted},
		"a liar at the fourth hop":        {chain{target: 9, liar: 4}, 1, verifier.Intercepted},
		"a liar at the fifth hop":         {chain{target: 9, liar: 5}, 4, verifier.Intercepted},
		"a liar behind a silent router":   {chain{target: 9, liar: 4, silent: 1}, 1, verifier.Inconclusive},
		"no datagram is left":             {chain{target: 9}, usualBudget, verifier.Inconclusive},
		"too few are left":                {chain{target: 9, silent: 9}, usualBudget - 2, verifier.Inconclusive},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			relay := netip.MustParseAddr("52.112.0.1")
			p := portOf{"udp", netip.AddrPortFrom(relay, 3478)}
			e := newEnv(&verifier.Plan{}, Options{Network: c.path})
			e.planned[relay] = []portOf{p, {"tcp", netip.AddrPortFrom(relay, 443)}}
			for range c.spent {
				e.budget.take(p.to)
			}
			r := ruling{facts: anAnswer}
			if e.examine(t.Context(), p, &r); r.verdict != c.want {
				t.Errorf("%s, want %s: %s", r.verdict, c.want, r.why)
			}
		})
	}
}
