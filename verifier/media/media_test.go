package media

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sallyport/internal/testkit/impair"
	"sallyport/verifier"
	"sallyport/verifier/reflector"
)

var key = func() *reflector.Key {
	k, err := reflector.ParseKey("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
	if err != nil {
		panic(err)
	}
	return k
}()

// link is a path to a reflector, for one train.
type link struct {
	forward, backward impair.Faults
	server            reflector.Options
	seed              uint64
	during            func(*impair.Link) // beside the train
}

// simulate sends a train over a link in fake time, which takes milliseconds.
func simulate(t *testing.T, c link, opt Options) (train *Train, forward, backward *impair.Path) {
	t.Helper()
	c.forward.Spare, c.backward.Spare = 1, 1
	if opt.Sleep == nil {
		opt.Sleep = sleep // the finer one knows no fake time
	}
	forward, backward = impair.NewPath(c.forward, 2*c.seed), impair.NewPath(c.backward, 2*c.seed+1)
	synctest.Test(t, func(t *testing.T) {
		l := impair.NewLink(forward, backward, impair.NAT{})
		server := reflector.NewServer(key, c.server)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- server.Serve(ctx, l.Server()) }()
		if c.during != nil {
			go c.during(l)
		}
		var err error
		if train, err = Measure(t.Context(), l.Client(), key, opt); err != nil {
			t.Error(err)
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	if t.Failed() {
		t.FailNow()
	}
	return train, forward, backward
}

type outcomes map[Criterion]verifier.Outcome

const (
	pass      = verifier.Pass
	undecided = verifier.Undecided
	fail      = verifier.Fail
)

// outcomesOf are those of an assessment, by criterion.
func outcomesOf(r Assessment) outcomes {
	m := outcomes{}
	for _, f := range r.Judgements {
		m[f.Criterion] = f.Outcome
	}
	return m
}

func explain(r Assessment) string {
	var b strings.Builder
	for _, f := range r.Judgements {
		fmt.Fprintf(&b, "\n  %s: %s, %.3g of %.3g %s, %s", f.Criterion, f.Outcome, f.Measured, f.Limit, f.Unit, f.Reason)
	}
	return b.String() + "\n  " + strings.Join(r.Notes, "\n  ")
}

// TestPerfect is a path without faults: everything passes that the samples can show.
func TestPerfect(t *testing.T) {
	for _, c := range []struct {
		opt  Options
		l    Limits
		want outcomes
	}{
		{Options{}, Client(), outcomes{OneWay: pass, RoundTrip: pass, BurstLoss: pass, LossRate: pass, Jittering: pass, Reordering: undecided}},
		{Options{}, Edge(), outcomes{OneWay: pass, RoundTrip: pass, BurstLoss: undecided, LossRate: undecided, Jittering: pass, Reordering: undecided}},
		{Options{Duration: 200 * time.Second}, Client(), outcomes{BurstLoss: pass, LossRate: pass, Reordering: pass}},
		{Options{Duration: 5 * time.Second}, Client(), outcomes{OneWay: pass, RoundTrip: pass, BurstLoss: undecided, LossRate: undecided, Jittering: undecided, Reordering: undecided}},
		{Options{Duration: 200 * time.Millisecond}, Client(), outcomes{OneWay: undecided, RoundTrip: undecided, BurstLoss: undecided, LossRate: undecided, Jittering: undecided, Reordering: undecided}},
		{Options{Rate: 500, Duration: 95 * time.Second}, Edge(), outcomes{OneWay: pass, RoundTrip: pass, BurstLoss: pass, LossRate: pass, Jittering: pass, Reordering: pass}},
	} {
		train, _, _ := simulate(t, link{forward: impair.Faults{Delay: 10 * time.Millisecond}, backward: impair.Faults{Delay: 4 * time.Millisecond}, server: reflector.Options{PerSource: 1000}}, c.opt)
		r := Judge(train, c.l)
		got := outcomesOf(r)
		for m, want := range c.want {
			if got[m] != want {
				t.Errorf("%s, %v at %s: %s is %s, want %s%s", c.opt.Duration, c.opt.Rate, c.l.Vantage, m, got[m], want, explain(r))
			}
		}
		s := r.Stats
		if s.Answered != len(train.Samples) || s.RTT.Min != 14*time.Millisecond || s.RTT.Max != 14*time.Millisecond || s.Late.Max != 0 || !train.Counted || len(r.Notes) > 0 {
			t.Errorf("%+v%s", s, explain(r))
		}
		if s.Forward.Reordered+s.Backward.Reordered+s.Forward.Duplicates+s.Backward.Duplicates != 0 || s.Forward.Jitter.Peak != 0 || s.Backward.Jitter.Peak != 0 {
			t.Errorf("%+v", s)
		}
		half := 0.0
		for _, f := range r.Judgements {
			if f.Criterion == OneWay {
				half = f.Measured
			}
		}
		if half != 7 {
			t.Errorf("one way is %v ms of 14 for both", half)
		}
	}
}

// TestLossIsTold loses packets in each direction, and compares every fate with what the
// link did.
func TestLossIsTold(t *testing.T) {
	for _, c := range []struct {
		name              string
		forward, backward impair.Faults
	}{
		{"forward", impair.Faults{Loss: 0.05}, impair.Faults{}},
		{"backward", impair.Faults{}, impair.Faults{Loss: 0.05}},
		{"both", impair.Faults{Loss: 0.2}, impair.Faults{Loss: 0.2}},
		{"bursts both ways", impair.Faults{Loss: 0.1, Burst: 8}, impair.Faults{Loss: 0.1, Burst: 8}},
		{"a gap there", impair.Faults{Drop: func(n int) bool { return n > 100 && n <= 300 }}, impair.Faults{}},
		{"a gap back", impair.Faults{}, impair.Faults{Drop: func(n int) bool { return n > 100 && n <= 300 }}},
		{"the end there", impair.Faults{Drop: func(n int) bool { return n > 740 && n <= 750 }}, impair.Faults{}},
		{"the end back", impair.Faults{}, impair.Faults{Drop: func(n int) bool { return n > 740 && n <= 750 }}},
	} {
		for seed := range uint64(5) {
			train, forward, backward := simulate(t, link{forward: c.forward, backward: c.backward, seed: seed}, Options{})
			s := train.Stats(Client())
			unknown := s.Forward.Unknown
			if unknown > 0 {
				t.Errorf("%s %d: nobody knows of %d", c.name, seed, unknown)
			}
			// Beside the train the paths carried the hellos, and the requests for counts.
			packets, lost := forward.Counts()
			others := packets - len(train.Samples)
			if s.Forward.Lost > lost || s.Forward.Lost < lost-others {
				t.Errorf("%s %d: %d lost there, the link lost %d", c.name, seed, s.Forward.Lost, lost)
			}
			packets, lost = backward.Counts()
			others = packets - s.Backward.Packets
			if s.Backward.Lost > lost || s.Backward.Lost < lost-others {
				t.Errorf("%s %d: %d lost back, the link lost %d", c.name, seed, s.Backward.Lost, lost)
			}
			if int(train.ArrivedThere) != s.Forward.Packets-s.Forward.Lost {
				t.Errorf("%s %d: %d arrived there, the reflector counted %d", c.name, seed, s.Forward.Packets-s.Forward.Lost, train.ArrivedThere)
			}
		}
	}
}

// TestNoFalseVerdicts sends many trains over links of known quality. What is worse
// than a limit never passes it, and what is better never fails; what is far from it is
// not inconclusive either.
func TestNoFalseVerdicts(t *testing.T) {
	both := func(f impair.Faults) link { return link{forward: f, backward: f} }
	ms := time.Millisecond
	for _, c := range []struct {
		name  string
		link  link
		never outcomes // a false verdict
		must  outcomes // where the link is far from the limit
	}{
		{name: "0.5 % loss", link: both(impair.Faults{Loss: 0.005}), never: outcomes{LossRate: fail, Jittering: fail, Reordering: fail, RoundTrip: fail}},
		{name: "0.9 % loss", link: both(impair.Faults{Loss: 0.009}), never: outcomes{LossRate: fail}},
		{name: "1.1 % loss", link: both(impair.Faults{Loss: 0.011}), never: outcomes{LossRate: pass}},
		{name: "2 % loss", link: both(impair.Faults{Loss: 0.02}), never: outcomes{LossRate: pass}},
		{name: "5 % loss", link: both(impair.Faults{Loss: 0.05}), must: outcomes{LossRate: fail, BurstLoss: fail, Jittering: pass, RoundTrip: pass}},
		{name: "20 % loss", link: both(impair.Faults{Loss: 0.2}), must: outcomes{LossRate: fail, BurstLoss: fail, RoundTrip: pass}},
		{name: "20 % loss, one way", link: link{backward: impair.Faults{Loss: 0.2}}, must: outcomes{LossRate: fail, BurstLoss: fail, RoundTrip: pass}},
		{name: "5 % loss in bursts", link: both(impair.Faults{Loss: 0.05, Burst: 6}), must: outcomes{BurstLoss: fail, RoundTrip: pass}, never: outcomes{LossRate: pass}},
		{name: "2 % loss in bursts", link: both(impair.Faults{Loss: 0.02, Burst: 4}), never: outcomes{LossRate: pass, BurstLoss: pass}},
		{name: "no answer after the hello", link: link{forward: impair.Faults{Drop: func(n int) bool { return n > 0 }}}, must: outcomes{LossRate: fail, BurstLoss: fail, RoundTrip: undecided, OneWay: undecided, Jittering: undecided, Reordering: undecided}},
		{name: "80 ms there and back", link: both(impair.Faults{Delay: 40 * ms}), must: outcomes{RoundTrip: pass, OneWay: pass, LossRate: pass, BurstLoss: pass, Jittering: pass}},
		{name: "102 ms there and back", link: both(impair.Faults{Delay: 51 * ms}), must: outcomes{RoundTrip: fail, OneWay: fail, LossRate: pass, BurstLoss: pass, Jittering: pass}},
		{name: "90 to 130 ms", link: link{forward: impair.Faults{Delay: 90 * ms, Jitter: 40 * ms}}, never: outcomes{RoundTrip: pass}},
		{name: "10 ms of jitter", link: both(impair.Faults{Jitter: 20 * ms}), must: outcomes{Jittering: pass, LossRate: pass, BurstLoss: pass}, never: outcomes{Reordering: fail}},
		{name: "200 ms of jitter, reordering", link: link{forward: impair.Faults{Reorder: 0.4, HoldBack: 150 * ms}}, must: outcomes{Jittering: fail, Reordering: fail, LossRate: pass, BurstLoss: pass}},
		{name: "60 ms of jitter back", link: link{backward: impair.Faults{Reorder: 0.5, HoldBack: 100 * ms}}, must: outcomes{Jittering: fail, Reordering: fail, LossRate: pass}},
		{name: "3 % reordered", link: link{backward: impair.Faults{Reorder: 0.03, HoldBack: 30 * ms}}, must: outcomes{Reordering: fail, LossRate: pass, BurstLoss: pass, Jittering: pass}},
		{name: "0.03 % reordered", link: both(impair.Faults{Reorder: 0.0003, HoldBack: 30 * ms}), never: outcomes{Reordering: fail}},
		{name: "duplicates", link: both(impair.Faults{Duplicate: 0.3}), must: outcomes{LossRate: pass, BurstLoss: pass, Jittering: pass, RoundTrip: pass}, never: outcomes{Reordering: fail}},
	} {
		t.Run(c.name, func(t *testing.T) {
			seen := map[verifier.Outcome]int{}
			seeds := uint64(10)
			if testing.Short() {
				seeds = 3
			}
			for seed := range seeds {
				c.link.seed = seed
				train, _, _ := simulate(t, c.link, Options{})
				r := Judge(train, Client())
				for m, got := range outcomesOf(r) {
					if want, ok := c.must[m]; ok && got != want || c.never[m] != "" && got == c.never[m] {
						t.Errorf("seed %d: %s is %s%s", seed, m, got, explain(r))
					}
				}
				seen[outcomesOf(r)[LossRate]]++
			}
			t.Log("loss:", seen)
		})
	}
}

// TestOneLostPacket is the least that can go wrong: it fails nothing, wherever it is.
func TestOneLostPacket(t *testing.T) {
	for n := 1; n <= 750; n += 83 {
		for _, f := range []link{
			{forward: impair.Faults{Drop: func(k int) bool { return k == n }}},
			{backward: impair.Faults{Drop: func(k int) bool { return k == n }}},
		} {
			train, _, _ := simulate(t, f, Options{})
			for _, l := range []Limits{Client(), Edge()} {
				r := Judge(train, l)
				for m, v := range outcomesOf(r) {
					if v == fail || m == BurstLoss && v != undecided || m == LossRate && l.Vantage == verifier.Client && v != pass {
						t.Errorf("packet %d, %s: %s%s", n, m, v, explain(r))
					}
				}
			}
		}
	}
}

// TestTwoLostPackets: within 200 ms they are a burst, further apart they are not.
func TestTwoLostPackets(t *testing.T) {
	for gap, want := range map[int]verifier.Outcome{1: fail, 5: fail, 9: fail, 10: undecided, 300: undecided} {
		train, _, _ := simulate(t, link{forward: impair.Faults{Drop: func(n int) bool { return n == 200 || n == 200+gap }}}, Options{})
		r := Judge(train, Client())
		if got := outcomesOf(r); got[BurstLoss] != want || got[LossRate] == fail {
			t.Errorf("%d apart: %s%s", gap, got[BurstLoss], explain(r))
		}
	}
}

// TestWindows: loss that is heavy for a while fails, though it is light over all.
func TestWindows(t *testing.T) {
	train, _, _ := simulate(t, link{forward: impair.Faults{Drop: func(n int) bool { return n > 3000 && n < 3700 && n%12 == 0 }}}, Options{Duration: 300 * time.Second})
	r := Judge(train, Client())
	if got := outcomesOf(r); got[LossRate] != fail {
		t.Error(explain(r))
	}
	if s := r.Stats.Forward; float64(s.Lost)/float64(s.Packets) > 0.005 {
		t.Errorf("%d of %d: the loss is to be light over all", s.Lost, s.Packets)
	}
}

// TestDisturbed: what the reflector or a NAT did is not held against the path.
func TestDisturbed(t *testing.T) {
	for name, c := range map[string]link{
		"a rate limit":        {server: reflector.Options{PerSource: 20}},
		"a new mapping":       {during: func(l *impair.Link) { time.Sleep(7 * time.Second); l.Move() }},
		"a reflector's limit": {server: reflector.Options{Total: 30}},
	} {
		train, _, _ := simulate(t, c, Options{})
		r := Judge(train, Client())
		got := outcomesOf(r)
		if got[LossRate] != undecided || got[BurstLoss] != undecided || len(r.Notes) == 0 || r.Stats.Answered > 700 {
			t.Errorf("%s: %+v%s", name, r.Stats.RTT, explain(r))
		}
		if name == "a new mapping" && len(train.Mapped) != 2 {
			t.Errorf("%v", train.Mapped)
		}
	}
}

// TestLateSender: a machine that is late says so, and does not blame the path.
func TestLateSender(t *testing.T) {
	late := Options{Sleep: func(ctx context.Context, until time.Time) { sleep(ctx, until.Add(3*time.Millisecond)) }}
	train, _, _ := simulate(t, link{}, late)
	r := Judge(train, Client())
	if got := outcomesOf(r); r.TimerOK || len(r.Notes) == 0 || got[BurstLoss] != undecided || got[LossRate] != pass || got[RoundTrip] != pass {
		t.Error(explain(r))
	}
	train, _, _ = simulate(t, link{forward: impair.Faults{Reorder: 0.4, HoldBack: 150 * time.Millisecond}}, late)
	if r = Judge(train, Client()); outcomesOf(r)[Jittering] != undecided {
		t.Error(explain(r))
	}
	// A machine that stood still for a minute does not send a minute's packets at once.
	stood := false
	still := Options{Duration: 100 * time.Second, Sleep: func(ctx context.Context, until time.Time) {
		sleep(ctx, until)
		if !stood && time.Until(until) <= 0 && until.Sub(train.Began) > 0 {
			stood = true
			time.Sleep(time.Minute)
		}
	}}
	train, _, _ = simulate(t, link{}, still)
	r = Judge(train, Client())
	if train.Skipped < 2900 || r.Stats.Forward.Lost != 0 || r.Stats.Late.Max > time.Minute+time.Second || outcomesOf(r)[BurstLoss] == pass {
		t.Errorf("%d were skipped%s", train.Skipped, explain(r))
	}
}

func TestOptions(t *testing.T) {
	for _, o := range []Options{
		{Rate: -1}, {Rate: math.NaN()}, {Rate: 1e9}, {Duration: -time.Second}, {Duration: time.Millisecond},
		{Duration: 1000 * time.Hour}, {Size: 100}, {Size: 5000}, {Linger: -1},
	} {
		if _, err := Measure(t.Context(), nil, key, o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
}

func TestInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := impair.NewLink(impair.NewPath(impair.Faults{}, 1), impair.NewPath(impair.Faults{}, 2), impair.NAT{})
		server := reflector.NewServer(key, reflector.Options{})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- server.Serve(ctx, l.Server()) }()
		short, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		began := time.Now()
		if _, err := Measure(short, l.Client(), key, Options{Sleep: sleep}); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 4*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		stop()
		<-done
	})
}
