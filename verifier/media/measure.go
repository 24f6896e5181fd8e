package media

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"sallyport/verifier/reflector"
)

// Conn is a socket that is connected to one reflector. *net.UDPConn is one; Dial
// makes one with a DSCP mark.
type Conn = reflector.Conn

// Options shape a train. Zero fields take the defaults.
type Options struct {
	Rate     float64       // packets a second; 50, as audio in frames of 20 ms
	Duration time.Duration // 15 s
	Size     int           // bytes of a datagram; 172, as RTP with 20 ms of G.711
	Linger   time.Duration // how long to wait for the last answers; 2 s
	Waits    []time.Duration
	// Progress, if it is set, is told now and then how many were sent and answered.
	// It must return at once.
	Progress func(sent, answered, of int)
	// Now and Sleep are the clock, of the time package if nil. Sleep returns early
	// when ctx ends.
	Now   func() time.Time
	Sleep func(ctx context.Context, until time.Time)
}

// Bounds of a train, so that a slip in an option does not flood a path.
const (
	maxRate    = 1000
	maxPackets = 1_000_000
)

func (o Options) withDefaults() (Options, error) {
	if o.Rate == 0 {
		o.Rate = 50
	}
	if o.Duration == 0 {
		o.Duration = 15 * time.Second
	}
	if o.Size == 0 {
		o.Size = 172
	}
	if o.Linger == 0 {
		o.Linger = 2 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Sleep == nil {
		o.Sleep = precisely
	}
	switch {
	case !(o.Rate > 0 && o.Rate <= maxRate*25): // times 25 for closed networks at 1/25 of the time
		return o, fmt.Errorf("a train of %g packets a second: choose more than 0 and at most %d", o.Rate, maxRate)
	case o.Duration < 0 || o.Linger < 0 || o.packets() < 1 || o.packets() > maxPackets:
		return o, fmt.Errorf("a train of %s: choose a duration of 1 to %d packets", o.Duration, maxPackets)
	case o.Size < reflector.MinSize || o.Size > reflector.MaxSize:
		return o, fmt.Errorf("datagrams of %d bytes: choose %d to %d", o.Size, reflector.MinSize, reflector.MaxSize)
	}
	return o, nil
}

func (o Options) interval() time.Duration { return time.Duration(float64(time.Second) / o.Rate) }

func (o Options) packets() int { return int(o.Duration.Seconds()*o.Rate + 0.5) }

func sleep(ctx context.Context, until time.Time) {
	left := time.Until(until)
	if left <= 0 {
		return
	}
	t := time.NewTimer(left)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// coarse is longer than Go's timers are late.
const coarse = 1500 * time.Microsecond

// precisely sleeps with a timer, which ctx can end, and for the last part with a finer
// one.
func precisely(ctx context.Context, until time.Time) {
	sleep(ctx, until.Add(-coarse))
	if ctx.Err() == nil {
		nap(min(time.Until(until), coarse))
		sleep(ctx, until) // nothing is left, as a rule
	}
}

// Measure opens a session and sends a train through it. When ctx ends early the
// error is its cause. The connection stays the caller's, with its read deadline
// changed. What goes wrong with single packets is part of the train.
func Measure(ctx context.Context, conn Conn, key *reflector.Key, opt Options) (*Train, error) {
	opt, err := opt.withDefaults()
	if err != nil {
		return nil, err
	}
	session, err := reflector.Open(ctx, conn, key, opt.Waits)
	if err != nil {
		return nil, err
	}
	m := &measurement{opt: opt, conn: conn, session: session, began: opt.Now()}
	m.train = &Train{Began: m.began, Interval: opt.interval(), Size: opt.Size, Mapped: []netip.AddrPort{session.Observed()}}
	m.train.Samples = make([]Sample, opt.packets())
	m.seen = make([]bool, len(m.train.Samples))
	for i := range m.train.Samples {
		m.train.Samples[i] = Sample{Due: time.Duration(i) * opt.interval(), Fate: Unsent}
	}
	if err := m.run(ctx); err != nil {
		return nil, err
	}
	m.settle()
	if c, ok := conn.(interface{ Dropped() (uint32, bool) }); ok { // a socket of its own, as a rule
		m.train.DroppedHere, _ = c.Dropped()
	}
	m.train.ClockError, _ = reflector.ClockError()
	if c, ok := conn.(interface{ Mark() (uint8, bool) }); ok {
		m.train.Mark, m.train.Marked = c.Mark()
	}
	return m.train, nil
}

// measurement is a train under way: one goroutine sends, another receives.
type measurement struct {
	opt     Options
	conn    Conn
	session *reflector.Session
	began   time.Time

	mu       sync.Mutex
	train    *Train
	seen     []bool // packets that the reflector says it got
	answered int
	closing  bool          // everything is sent
	counted  chan struct{} // closed when the last counts came
}

func (m *measurement) run(ctx context.Context) error {
	m.counted = make(chan struct{})
	if err := m.conn.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	received := make(chan error, 1)
	go func() { received <- m.receive() }()
	sent := m.send(ctx)
	if sent == nil {
		sent = m.close(ctx)
	}
	m.mu.Lock()
	m.closing = true
	m.mu.Unlock()
	if err := m.conn.SetReadDeadline(time.Unix(1, 0)); err != nil {
		return err
	}
	return errors.Join(sent, <-received)
}

// send keeps an absolute schedule: a packet that goes out late does not move those
// after it. After a gap, as when a laptop slept, it skips what is long overdue instead
// of sending it all at once.
func (m *measurement) send(ctx context.Context) error {
	b := make([]byte, m.opt.Size)
	t := m.train
	for i := range t.Samples {
		due := m.began.Add(t.Samples[i].Due)
		m.opt.Sleep(ctx, due)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		now := m.opt.Now()
		if now.Sub(due) > max(10*t.Interval, 100*time.Millisecond) {
			t.Skipped++
			continue
		}
		m.session.Request(b, reflector.Echo, uint32(i), now.UnixNano(), 0)
		m.mu.Lock() // an answer may come before Write returns
		t.Samples[i].Fate, t.Samples[i].Sent = Lost, m.opt.Now().Sub(m.began)
		m.mu.Unlock()
		_, err := m.conn.Write(b)
		if err != nil && !errors.Is(err, net.ErrClosed) {
			// A connected socket reports the ICMP error of an earlier packet here, and does not
			// send: try once more.
			_, err = m.conn.Write(b)
		}
		if errors.Is(err, net.ErrClosed) {
			return err
		}
		m.mu.Lock()
		if err != nil {
			t.Samples[i].Fate = Unsent
			t.SendErrors++
			t.LastSendError = err
		}
		answered := m.answered
		m.mu.Unlock()
		if m.opt.Progress != nil && (i+1 == len(t.Samples) || i%10 == 9) {
			m.opt.Progress(i+1, answered, len(t.Samples))
		}
	}
	return nil
}

// close waits for the last answers, and asks for the reflector's counts until they
// come.
func (m *measurement) close(ctx context.Context) error {
	m.opt.Sleep(ctx, m.opt.Now().Add(m.opt.Linger))
	b := make([]byte, reflector.MinSize+reflector.ExtraSize)
	for try := range 5 {
		m.session.Request(b, reflector.Tally, uint32(len(m.train.Samples)+try), m.opt.Now().UnixNano(), 0)
		if _, err := m.conn.Write(b); errors.Is(err, net.ErrClosed) {
			return err
		}
		wait, stop := context.WithTimeout(ctx, max(m.opt.Linger/4, 10*time.Millisecond))
		select {
		case <-m.counted:
			stop()
			return nil
		case <-wait.Done():
			stop()
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}

// receive notes answers until the train is over.
func (m *measurement) receive() error {
	b := make([]byte, reflector.MaxSize+1)
	for failed := 0; ; {
		n, err := m.conn.Read(b)
		now := m.opt.Now()
		m.mu.Lock()
		over := m.closing
		m.mu.Unlock()
		switch {
		case over && err != nil, errors.Is(err, os.ErrDeadlineExceeded):
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		case err != nil:
			if failed++; failed > len(m.train.Samples)+100 {
				return fmt.Errorf("receiving answers: %w", err)
			}
			continue // an error of an earlier packet, such as an ICMP message
		}
		if p, ok := m.session.Parse(b[:n]); ok {
			m.mu.Lock()
			m.note(&p, now)
			m.mu.Unlock()
		}
	}
}

func (m *measurement) note(p *reflector.Packet, now time.Time) {
	t := m.train
	switch p.Kind {
	case reflector.Refused:
		if !slices.Contains(t.Refused, p.Reason) {
			t.Refused = append(t.Refused, p.Reason)
		}
	case reflector.Tallied:
		m.mark(p)
		if !t.Counted {
			t.Counted = true
			t.ArrivedThere, t.DuplicateThere, t.There = p.Arrived, p.Duplicates, p.Extra
			t.There.Dropped = m.session.Dropped(p.Extra)
			close(m.counted)
		}
	case reflector.Echoed:
		m.answer(p, now)
	}
	t.DeclinedThere = max(t.DeclinedThere, p.Declined)
	if p.Observed.IsValid() && !slices.Contains(t.Mapped, p.Observed) && len(t.Mapped) < 16 {
		t.Mapped = append(t.Mapped, p.Observed)
	}
}

func (m *measurement) answer(p *reflector.Packet, now time.Time) {
	t := m.train
	if int64(p.Sequence) >= int64(len(t.Samples)) {
		return
	}
	one := &t.Samples[p.Sequence]
	if one.Fate == Answered {
		one.Duplicates++
		return
	}
	m.answered++
	m.mark(p)
	m.seen[p.Sequence] = true
	one.Fate = Answered
	one.Arrived = now.Sub(m.began)
	one.RTT = max(0, one.Arrived-one.Sent-time.Duration(p.Answered-p.Received))
	one.ReceivedThere = time.Duration(p.Received - m.began.UnixNano())
	one.AnsweredThere = time.Duration(p.Answered - m.began.UnixNano())
	one.OrderThere = p.Arrived
	one.OrderHere = uint32(m.answered)
}

// mark notes which packets the reflector had got before a request.
func (m *measurement) mark(p *reflector.Packet) {
	for i := range int64(64) {
		n := int64(p.Sequence) - 1 - i
		if p.Seen&(1<<i) != 0 && n >= 0 && n < int64(len(m.seen)) {
			m.seen[n] = true
		}
	}
}

// settle says of each packet without an answer where it was lost. An answer knows of
// the 64 requests before it, so a packet that it does not have was lost on the way
// there. Where no answer followed in time, only the counts can tell: if they hold no
// other packet, all of these were lost on the way there, and if they hold all of these,
// on the way back.
func (m *measurement) settle() {
	t := m.train
	told := make([]bool, len(t.Samples)) // an answer that came says whether it arrived
	for i := range t.Samples {
		if t.Samples[i].Fate == Answered {
			for n := max(0, i-64); n < i; n++ {
				told[n] = true
			}
		}
	}
	if t.Counted { // the counts came with a look at the last packets; up to 5 requests for counts are in it
		for n := max(0, len(told)-59); n < len(told); n++ {
			told[n] = true
		}
	}
	unknown, arrived := 0, 0
	for i := range t.Samples {
		one := &t.Samples[i]
		if m.seen[i] {
			arrived++
		}
		if one.Fate != Lost {
			continue
		}
		switch {
		case m.seen[i]:
			one.Fate = LostBackward
		case told[i]:
			one.Fate = LostForward
		default:
			unknown++
		}
	}
	if !t.Counted || unknown == 0 {
		return
	}
	var all Fate
	switch int(t.ArrivedThere) - arrived {
	case 0:
		all = LostForward
	case unknown:
		all = LostBackward
	default:
		return
	}
	for i := range t.Samples {
		if t.Samples[i].Fate == Lost {
			t.Samples[i].Fate = all
		}
	}
}
