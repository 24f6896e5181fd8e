package faults

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"sallyport/internal/errqueue"
	"sallyport/internal/measure"
	"sallyport/internal/testkit/impair"
	"sallyport/verifier"
	"sallyport/verifier/media"
	"sallyport/verifier/probe"
	"sallyport/verifier/reflector"
)

// A quality is what is true of a path by a limit.
type quality string

const (
	good quality = "within the limit"
	bad  quality = "over the limit"
	near quality = "too near to say, or not defined"
)

// Metrics by the names that findings give them.
const (
	oneWay, roundTrip, burst, loss, jitter, reorder = "one_way", "round_trip", "burst_loss", "loss", "jitter", "reordering"
)

// A path is a path with faults, what is true of it at the limits of a client, and what
// trains over it come to: a metric without a word is good and passes, and one with an
// empty word may come to anything that is no lie.
type path struct {
	name        string
	there, back impair.Faults
	rate        float64
	duration    time.Duration
	vantage     verifier.Vantage
	truth       map[string]quality
	want        map[string]verifier.Outcome
	exit        int
	more        bool // long datagrams and bandwidth, too
	limits      reflector.Options
}

// anyExit is the exit code where chance decides whether two packets are lost together.
const anyExit = -1

func paths() []path {
	const fail, undecided, either = verifier.Fail, verifier.Undecided, verifier.Outcome("")
	// 750 packets cannot show 0.05 % of reordering, and are not asked to.
	short := func(m map[string]verifier.Outcome) map[string]verifier.Outcome {
		if m == nil {
			m = map[string]verifier.Outcome{}
		}
		if m[reorder] == "" {
			m[reorder] = verifier.Unprobed
		}
		return m
	}
	lost := func(p float64, length int) impair.Faults { return impair.Faults{Loss: p, Burst: length} }
	delayed := func(ms time.Duration) impair.Faults { return impair.Faults{Delay: ms * time.Millisecond} }
	list := []path{
		{name: "no fault", exit: 0},
		{name: "no fault, for long", duration: 200 * time.Second, want: map[string]verifier.Outcome{reorder: verifier.Pass}},
		{name: "a train that is too short", duration: 5 * time.Second, want: map[string]verifier.Outcome{loss: undecided, burst: undecided, jitter: undecided}, exit: 3},
		{name: "edge", vantage: verifier.Edge, want: map[string]verifier.Outcome{loss: undecided, burst: undecided}, exit: 3},

		{name: "one packet", there: impair.Faults{Drop: func(n int) bool { return n == 300 }}, truth: map[string]quality{burst: near}, want: map[string]verifier.Outcome{burst: undecided}, exit: 3},
		{name: "three in a row", back: impair.Faults{Drop: func(n int) bool { return 300 <= n && n < 303 }}, truth: map[string]quality{burst: bad}, want: map[string]verifier.Outcome{burst: fail, loss: undecided}, exit: 1},
		{name: "loss of 0.5 %", back: lost(0.005, 0), truth: map[string]quality{burst: near}, want: map[string]verifier.Outcome{loss: either}, exit: anyExit},
		{name: "loss of 1 %", there: lost(0.01, 0), truth: map[string]quality{loss: near, burst: near}, want: map[string]verifier.Outcome{loss: either}, exit: anyExit},
		{name: "loss of 5 %", there: lost(0.05, 0), truth: map[string]quality{loss: bad, burst: bad}, want: map[string]verifier.Outcome{loss: fail, burst: fail}, exit: 1},
		{name: "loss of 10 % back", back: lost(0.1, 0), truth: map[string]quality{loss: bad, burst: bad}, want: map[string]verifier.Outcome{loss: fail, burst: fail}, exit: 1},
		{name: "loss of 20 %", there: lost(0.2, 0), truth: map[string]quality{loss: bad, burst: bad}, want: map[string]verifier.Outcome{loss: fail, burst: fail}, exit: 1},
		{name: "loss of 5 % in bursts", there: lost(0.05, 6), truth: map[string]quality{loss: near, burst: bad}, want: map[string]verifier.Outcome{burst: fail}, exit: 1},
		{name: "loss of 20 % in bursts", back: lost(0.2, 8), truth: map[string]quality{loss: bad, burst: bad}, want: map[string]verifier.Outcome{loss: fail, burst: fail}, exit: 1},

		{name: "delay within", there: delayed(40), back: delayed(40), exit: 0},
		{name: "delay over", there: delayed(60), back: delayed(60), truth: map[string]quality{oneWay: bad, roundTrip: bad}, want: map[string]verifier.Outcome{oneWay: fail, roundTrip: fail}, exit: 1},
		{name: "delay over for the edge", vantage: verifier.Edge, there: delayed(40), back: delayed(40), truth: map[string]quality{oneWay: bad, roundTrip: bad},
			want: map[string]verifier.Outcome{oneWay: fail, roundTrip: fail, loss: undecided, burst: undecided}, exit: 1},
		{name: "jitter within", there: impair.Faults{Jitter: 20 * time.Millisecond}, exit: 0},
		{name: "jitter over", there: impair.Faults{Reorder: 0.5, HoldBack: 90 * time.Millisecond}, truth: map[string]quality{jitter: bad, reorder: bad, roundTrip: near, oneWay: near},
			want: map[string]verifier.Outcome{jitter: fail, reorder: fail, roundTrip: verifier.Pass}, exit: 1},
		{name: "reordering of 3 %", there: impair.Faults{Reorder: 0.03, HoldBack: 50 * time.Millisecond}, truth: map[string]quality{reorder: bad}, want: map[string]verifier.Outcome{reorder: fail}, exit: 1},
		{name: "duplicates", there: impair.Faults{Duplicate: 0.3}, back: impair.Faults{Duplicate: 0.3}, exit: 0},

		{name: "loss and delay", there: lost(0.05, 0), back: delayed(120), truth: map[string]quality{loss: bad, burst: bad, roundTrip: bad, oneWay: bad},
			want: map[string]verifier.Outcome{loss: fail, burst: fail, roundTrip: fail, oneWay: fail}, exit: 1},
		{name: "loss each way and reordering", there: impair.Faults{Loss: 0.06, Reorder: 0.03, HoldBack: 50 * time.Millisecond}, back: lost(0.06, 0),
			truth: map[string]quality{loss: bad, burst: bad, reorder: bad}, want: map[string]verifier.Outcome{loss: fail, burst: fail, reorder: fail}, exit: 1},
		{name: "duplicates and bursts", there: impair.Faults{Duplicate: 0.3, Loss: 0.1, Burst: 5}, truth: map[string]quality{loss: bad, burst: bad},
			want: map[string]verifier.Outcome{loss: fail, burst: fail}, exit: 1},
	}
	for i := range list {
		if list[i].duration < time.Minute {
			list[i].want = short(list[i].want)
		}
	}
	return list
}

// TestMedia sends trains over paths with faults, in fake time and from several seeds.
// Where the truth is over a limit nothing passes, and where it is within nothing fails.
func TestMedia(t *testing.T) {
	for _, p := range paths() {
		t.Run(p.name, func(t *testing.T) {
			for seed := range uint64(3) {
				report := p.measure(t, seed+1)
				p.judge(t, report)
				if t.Failed() {
					t.Fatalf("seed %d", seed+1)
				}
			}
		})
	}
}

// measure runs a plan of nothing but a reflector, as the command does.
func (p path) measure(t *testing.T, seed uint64) (report *verifier.Report) {
	t.Helper()
	p.there.Spare, p.back.Spare = 1, 1
	key, err := reflector.ParseKey("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
	if err != nil {
		t.Fatal(err)
	}
	plan := &verifier.Plan{Format: verifier.PlanFormat, Source: verifier.Source{Name: "policy.hcl"}, Vantage: p.vantage}
	if err := plan.Validate(); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		l := impair.NewLink(impair.NewPath(p.there, 2*seed), impair.NewPath(p.back, 2*seed+1), impair.NAT{})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- reflector.NewServer(key, p.limits).Serve(ctx, l.Server()) }()
		report = measure.Run(t.Context(), plan, measure.Options{Probe: probe.Options{Network: noNetwork{}},
			Reflectors: []netip.AddrPort{netip.MustParseAddrPort("198.51.100.1:3478")}, Host: "reflector", Key: key, Sizes: p.more, Bandwidth: p.more,
			Train: media.Options{Rate: p.rate, Duration: p.duration, Sleep: untilThen},
			Dial:  func(context.Context, netip.AddrPort) (media.Conn, error) { return l.Client(), nil }})
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return report
}

// untilThen sleeps in fake time, of which the finer sleep of media knows nothing.
func untilThen(_ context.Context, until time.Time) { time.Sleep(time.Until(until)) }

func (p path) judge(t *testing.T, report *verifier.Report) {
	t.Helper()
	metrics := 0
	for _, f := range report.Findings {
		if f.Check != verifier.CheckTrain {
			continue
		}
		metrics++
		truth := p.truth[f.Case]
		if truth == "" {
			truth = good
		}
		if f.Outcome == verifier.Pass && truth == bad || f.Outcome == verifier.Fail && truth == good {
			t.Errorf("a lie: %s is a %s, and truly it is %s: %s", f.Case, f.Outcome, truth, f.Summary)
		}
		want, said := p.want[f.Case]
		if !said && truth == good {
			want, said = verifier.Pass, true
		}
		if said && want != "" && f.Outcome != want {
			t.Errorf("%s: %s, want %s: %s", f.Case, f.Outcome, want, f.Summary)
		}
	}
	want := 6
	if p.more {
		want = 8
	}
	if metrics != want {
		t.Errorf("%d metrics, want %d", metrics, want)
	}
	if code := report.ExitCode(); p.exit != anyExit && code != p.exit {
		t.Errorf("exit code %d, want %d", code, p.exit)
	}
}

// noNetwork is the network of a plan that names no host.
type noNetwork struct{}

var errUnnamed = errors.New("the plan names no host")

func (noNetwork) DialUDP(context.Context, netip.AddrPort, errqueue.Options) (probe.UDPConn, error) {
	return nil, errUnnamed
}

func (noNetwork) ListenUDP(context.Context, netip.Addr) (probe.PacketConn, error) {
	return nil, errUnnamed
}

func (noNetwork) DialTCP(context.Context, netip.AddrPort, errqueue.Options) (net.Conn, error) {
	return nil, errUnnamed
}

func (noNetwork) Stub() (probe.Stub, error)                      { return probe.Stub{}, nil }
func (noNetwork) Interfaces() ([]probe.Interface, error)         { return nil, nil }
func (noNetwork) LookUp([]probe.Flow) ([]probe.FlowRoute, error) { return nil, errUnnamed }
func (noNetwork) Routing() (probe.Routing, error)                { return probe.Routing{}, nil }
func (noNetwork) Sent() (map[string]uint64, error)               { return nil, nil }
