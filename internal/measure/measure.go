// Package measure runs everything that verifies a plan, and returns one report: the
// probes of the hosts that it names, and trains of media to the user's own reflector.
//
//	plan -> probe.Run + media.Measure -> verifier.Report
//
// Trains and probes run at the same time: the probes send too little to disturb a
// train, and the run stays under a minute. What is measured alone comes after both: the
// round trips to relays, and then the bandwidth to reflectors.
package measure

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"sallyport/verifier"
	"sallyport/verifier/media"
	"sallyport/verifier/probe"
	"sallyport/verifier/reflector"
)

// Options are how to run a plan.
type Options struct {
	Probe probe.Options
	// Reflectors are the addresses of the user's reflector, one for each family; without
	// any, no trains are sent. Host is the name that the user gave for it.
	Reflectors []netip.AddrPort
	Host       string
	// Lost is why the reflector's name led to no address.
	Lost  error
	Key   *reflector.Key
	Train media.Options
	// Sizes asks whether longer datagrams than those of the train pass, too.
	Sizes bool
	// Bandwidth asks how much passes, at the end of the run.
	Bandwidth bool
	// Dial opens a socket to a reflector; nil: media.Dial with DSCP.
	Dial func(ctx context.Context, to netip.AddrPort) (media.Conn, error)
	DSCP int
}

// Run verifies the plan, which must be valid. With reflectors, it also finds out how
// long NAT mappings last.
func Run(ctx context.Context, plan *verifier.Plan, opt Options) *verifier.Report {
	if len(opt.Reflectors) > 0 && opt.Probe.Persist == nil {
		opt.Probe.Persist = opt.persister()
	}
	if told := opt.Probe.Progress; told != nil {
		var one sync.Mutex // probes and trains report their findings one at a time
		opt.Probe.Progress = func(f verifier.Finding) {
			one.Lock()
			defer one.Unlock()
			told(f)
		}
	}
	trains := make([]measured, len(opt.Reflectors))
	var all sync.WaitGroup
	opt.Probe.Quiet = func(context.Context) { all.Wait() } // trains end with the context
	opt.Probe.RoundTrip = limitsOf(plan).RoundTrip
	for i, to := range opt.Reflectors {
		all.Go(func() {
			trains[i] = opt.train(ctx, plan, to)
			opt.tell(trains[i].findings)
		})
	}
	found := probe.Run(ctx, plan, opt.Probe)
	all.Wait()
	for i, one := range trains {
		found.Findings = append(found.Findings, one.findings...)
		if opt.Bandwidth && one.train != nil && ctx.Err() == nil {
			list := opt.bandwidth(ctx, plan, opt.Reflectors[i], one.train)
			opt.tell(list)
			found.Findings = append(found.Findings, list...)
		}
	}
	if opt.Lost != nil {
		f := verifier.Finding{Kind: verifier.Media, Check: verifier.CheckTrain, Host: opt.Host, Outcome: verifier.Undecided, Verdict: verifier.Inconclusive,
			Summary: fmt.Sprintf("the reflector %s was not found, so media were not measured", opt.Host), Remedy: "name its address, or see why the name does not resolve here"}
		f.Note("%v", opt.Lost)
		found.Findings = append(found.Findings, f)
	}
	found.Diagnosis = verifier.Diagnose(found.Findings, opt.Probe.Proxy)
	found.Finished = time.Now()
	return found
}

// measured is what a train to one reflector came to; no train where there was none.
type measured struct {
	train    *media.Train
	findings []verifier.Finding
}

// tell passes findings to Progress.
func (opt Options) tell(list []verifier.Finding) {
	for _, f := range list {
		if opt.Probe.Progress != nil {
			opt.Probe.Progress(f)
		}
	}
}

// about begins a finding about a reflector.
func (opt Options) about(to netip.AddrPort) verifier.Finding {
	return verifier.Finding{Kind: verifier.Media, Check: verifier.CheckTrain, Host: opt.Host, Address: to.Addr(), Port: to.Port(), Protocol: "udp"}
}

// persister asks the first reflector whether a mapping outlives a silence.
func (opt Options) persister() *probe.Persister {
	return &probe.Persister{Reflector: opt.Reflectors[0], Outlives: func(ctx context.Context, conn probe.UDPConn, idle time.Duration) (kept, decided bool, evidence string, err error) {
		session, err := reflector.Open(ctx, conn, opt.Key, opt.Train.Waits)
		if err != nil {
			return false, false, "", err
		}
		r, err := session.Idle(ctx, idle)
		if err != nil {
			return false, false, "", err
		}
		evidence = fmt.Sprintf("%d of %d answers, due after the silence, came through the mapping %s", r.Came, r.Asked, r.Before)
		return r.Persistence == reflector.Kept, r.Persistence != reflector.Unknown, evidence, nil
	}}
}

// limitsOf are the limits at the plan's vantage, by default a client's.
func limitsOf(plan *verifier.Plan) media.Limits {
	if limits, ok := media.At(plan.Vantage); ok {
		return limits
	}
	return media.Client()
}

// train sends a train to one reflector and judges it.
func (opt Options) train(ctx context.Context, plan *verifier.Plan, to netip.AddrPort) measured {
	base := opt.about(to)
	t, err := opt.measure(ctx, to)
	if err != nil {
		f := base
		f.Outcome, f.Verdict = verifier.Undecided, verifier.Inconclusive
		f.Summary = "the reflector could not be measured"
		f.Note("%v", err)
		f.Remedy = "see that sallyport reflect runs there with the same key, and that UDP to it passes"
		plan.Finish(&f)
		return measured{nil, []verifier.Finding{f}}
	}
	judged := media.Judge(t, limitsOf(plan))
	list := judged.Findings(base)
	for i := range list {
		if list[i].Outcome == verifier.Undecided && list[i].Remedy == "" {
			list[i].Remedy = longer(judged.Judgements[i])
			if t.There.Dropped > 0 && judged.Judgements[i].Criterion != media.Reordering {
				list[i].Remedy = lighten
			}
		}
		if m := judged.Judgements[i]; m.Criterion == media.Reordering && m.Outcome == verifier.Undecided && m.Measured == 0 && len(t.Samples) < m.Needed {
			// A train of the usual length is too short to show it.
			list[i].Outcome, list[i].Verdict = verifier.Unprobed, verifier.NotProbed
		}
		plan.Finish(&list[i])
	}
	if f, ok := opt.mark(base, t); ok {
		plan.Finish(&f)
		list = append(list, f)
	}
	if opt.Sizes && t.Size < videoSize {
		if f, ok := opt.packetSize(ctx, base, to, t); ok {
			plan.Finish(&f)
			list = append(list, f)
		}
	}
	return measured{t, list}
}

func (opt Options) measure(ctx context.Context, to netip.AddrPort) (*media.Train, error) {
	dial := opt.Dial
	if dial == nil {
		dial = func(ctx context.Context, to netip.AddrPort) (media.Conn, error) {
			return media.Dial(ctx, to, media.DialOptions{DSCP: opt.DSCP})
		}
	}
	conn, err := dial(ctx, to)
	if err != nil {
		return nil, err
	}
	if c, ok := conn.(interface{ Close() error }); ok {
		defer c.Close()
	}
	return media.Measure(ctx, conn, opt.Key, opt.Train)
}

// lighten is the remedy where a reflector is overloaded.
const lighten = "give the reflector a faster machine, or fewer clients at once"

// longer says what would decide a criterion that the train left undecided.
func longer(m media.Judgement) string {
	if m.Needed == 0 {
		return ""
	}
	if m.Criterion == media.Reordering {
		return fmt.Sprintf("a train of %d packets would decide it: raise --duration or --rate", m.Needed)
	}
	return fmt.Sprintf("a window of %d packets would decide it: raise --rate", m.Needed)
}
