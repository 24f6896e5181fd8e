package lab

import (
	"errors"
	"fmt"
	"net/netip"
)

const (
	// groupSize is how many packets go in before devices are read.
	groupSize = 512
	// attempts is how often packets are tried that the kernel may have lost.
	attempts = 4
)

// Decide sends each packet through the firewall and says what came of it, in
// the same order. Each packet is the first of its connection: connections are
// forgotten at the start, and between two packets of which the second would be
// known by the first. Connections live on after the call, for
// [Injector.Continue].
//
// A packet whose addresses the kernel would drop without any rule is an error,
// not a verdict: see [Forwardable]. So is a packet that the kernel lost four
// times for want of room. After a loss, packets without an outcome are sent
// again, which rules that count or limit will see.
func (in *Injector) Decide(packets []Packet) ([]Outcome, error) { return in.decide(packets, true) }

// Continue is [Injector.Decide] but forgets no connections, for replies and
// further packets of the connections of earlier calls. Unlike there, a packet
// may be sent to an address of the firewall's own, as replies through NAT are.
func (in *Injector) Continue(packets []Packet) ([]Outcome, error) { return in.decide(packets, false) }

func (in *Injector) decide(packets []Packet, fresh bool) ([]Outcome, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.devices) == 0 {
		return nil, errors.New("lab: the injector is closed: it ends with its test")
	}
	r := &run{in: in, losses: in.counters, fresh: fresh, packets: make([]Packet, len(packets)), out: make([]Outcome, len(packets))}
	todo := make([]int, len(packets))
	for i, p := range packets {
		if err := in.complete(&p, i, fresh); err != nil {
			return nil, fmt.Errorf("lab: packet %d (%v): %w", i, &p, err)
		}
		r.packets[i], todo[i] = p, i
	}
	lost, err := r.all(todo)
	if err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	if lost > 0 {
		return nil, fmt.Errorf("lab: the kernel lost packets in each of %d attempts, %d of %d without a verdict: "+
			"a queue or the connection table is full", attempts, lost, len(packets))
	}
	return r.out, nil
}

// complete fills in what p leaves open and refuses packets that the kernel
// itself would not forward. i is p's place in the call; fresh says that it
// belongs to no connection, so that no NAT will change its destination.
func (in *Injector) complete(p *Packet, i int, fresh bool) error {
	if p.In == "" {
		p.In = in.firstLink(false).name
	}
	if !p.Src.IsValid() {
		p.Src = in.defaultSource(p)
	}
	if p.SrcPort == 0 && p.quote == nil {
		p.SrcPort = 49152 + uint16(i%16384) // the dynamic ports of RFC 6335
	}
	if err := p.validate(); err != nil {
		return err
	}
	switch {
	case p.In != Local && in.device(p.In) == nil:
		return fmt.Errorf("no device %q", p.In)
	case fresh && in.own[p.Dst]:
		return errors.New("it is sent to the firewall itself, which no device can show: use a lab with hosts")
	case p.In != Local && in.own[p.Src]:
		return errors.New("its source is the firewall's own address, which the kernel takes for forged")
	case !Forwardable(p.Dst):
		return errors.New("the kernel forwards no packet to its destination: leave out what is not Forwardable")
	case !Forwardable(p.Src):
		return errors.New("the kernel forwards no packet from its source")
	}
	return nil
}

// firstLink returns the outer device, or the first of the inner ones.
func (in *Injector) firstLink(wan bool) *device {
	for _, d := range in.devices {
		if d.tun && d.wan == wan {
			return d
		}
	}
	return nil
}

func (in *Injector) defaultSource(p *Packet) netip.Addr {
	d := in.device(p.In)
	switch {
	case !p.Dst.IsValid():
		return netip.Addr{}
	case p.In == Local:
		return in.firstLink(true).source[family(p.Dst)]
	case d != nil && !d.wan:
		return d.source[family(p.Dst)]
	}
	return netip.Addr{}
}

// A run is one call of Decide or Continue.
type run struct {
	in      *Injector
	losses  func() (uint64, error) // how many packets the kernel has lost so far
	fresh   bool
	packets []Packet
	out     []Outcome
	flows   map[flow]bool // sent since connections were forgotten
	most    int           // flows that connection tracking holds for certain
	slab    []byte        // from which Outcome.Bytes are cut

	group []int  // the packets in flight, by place in packets
	first uint32 // the number of the first of them

	segments map[[2]netip.AddrPort][]int // the TCP packets of group, made when a reset comes
}

// A flow is a connection, whichever side speaks.
type flow struct {
	proto uint8
	a, b  netip.AddrPort
}

func flowOf(p *Packet) flow {
	a, b := netip.AddrPortFrom(p.Src, p.SrcPort), netip.AddrPortFrom(p.Dst, p.DstPort)
	if b.Compare(a) < 0 {
		a, b = b, a
	}
	return flow{p.Proto, a, b}
}

// all judges the packets of todo and returns how many stayed without a verdict
// because the kernel lost some.
func (r *run) all(todo []int) (lost int, err error) {
	size := groupSize
	for range attempts {
		before, err := r.losses()
		if err != nil {
			return 0, err
		}
		unsent, err := r.attempt(todo, size)
		if err != nil {
			return 0, err
		}
		after, err := r.losses()
		if err != nil {
			return 0, err
		}
		if after == before && unsent == 0 {
			r.settle(todo)
			return 0, nil
		}
		todo = r.undecided(todo)
		if len(todo) == 0 {
			return 0, nil
		}
		size = max(1, size/8)
	}
	return len(todo), nil
}

// settle gives the packets of which nothing came out their verdict.
func (r *run) settle(todo []int) {
	for _, i := range r.undecided(todo) {
		r.out[i].Verdict = Dropped
	}
}

func (r *run) undecided(todo []int) []int {
	var left []int
	for _, i := range todo {
		if r.out[i].Verdict == Undecided {
			left = append(left, i)
		}
	}
	return left
}

// attempt sends the packets of todo in groups of at most size and notes what
// came out.
func (r *run) attempt(todo []int, size int) (unsent int, err error) {
	if r.fresh {
		if err := r.forget(); err != nil {
			return 0, err
		}
	}
	for len(todo) > 0 {
		n := min(size, len(todo))
		if r.fresh {
			n, err = r.strangers(todo[:n])
			if err != nil {
				return unsent, err
			}
		}
		u, err := r.throw(todo[:n])
		unsent += u
		if err != nil {
			return unsent, err
		}
		todo = todo[n:]
	}
	return unsent, nil
}

// strangers returns how many packets at the start of todo belong to different
// connections, none of them known. It forgets all connections first where the
// first packet's is known.
func (r *run) strangers(todo []int) (int, error) {
	if len(r.flows)+len(todo) > r.most || r.flows[flowOf(&r.packets[todo[0]])] {
		if err := r.forget(); err != nil {
			return 0, err
		}
	}
	for n, i := range todo {
		f := flowOf(&r.packets[i])
		if r.flows[f] {
			return n, nil
		}
		r.flows[f] = true
	}
	return len(todo), nil
}

func (r *run) forget() error {
	if err := r.in.host.FlushConntrack(); err != nil {
		return err
	}
	r.flows = make(map[flow]bool, min(len(r.packets), 1<<14))
	if r.most == 0 {
		limit, err := r.in.host.conntrackNumber("nf_conntrack_max")
		if err != nil {
			return err
		}
		r.most = max(groupSize, limit/2)
		if limit == 0 { // no tracking, or no limit
			r.most = 1 << 20
		}
	}
	return nil
}

// throw sends the packets of group, marks the end on every device, and reads
// the devices up to the mark.
func (r *run) throw(group []int) (unsent int, err error) {
	in := r.in
	r.group, r.first, r.segments = group, in.nextID, nil
	in.nextID += uint32(len(group))
	refused := map[int]Verdict{}
	for n, i := range group {
		p := &r.packets[i]
		id := r.first + uint32(n)
		in.wire = p.appendTo(in.wire[:0], id)
		refusal, err := in.send(p, in.wire)
		switch {
		case errors.Is(err, errLost):
			unsent++
		case err != nil:
			return unsent, err
		case refusal != Undecided:
			refused[i] = refusal
		}
	}
	in.markers++
	for _, d := range in.devices {
		see := func(b []byte) error { return r.see(d, b) }
		if err := d.readAll(in.marker, in.markers, in.buf, see); err != nil {
			return unsent, err
		}
	}
	for i, verdict := range refused {
		if r.out[i].Verdict == Undecided {
			r.out[i].Verdict = verdict
		}
	}
	return unsent, nil
}

// see notes what b, which came out of d, says about a packet in flight.
func (r *run) see(d *device, b []byte) error {
	w, ok := parseIP(b)
	if !ok {
		return nil
	}
	s := identify(w)
	i, ok := r.inFlight(w, s)
	if !ok {
		return nil
	}
	o := Outcome{Out: d.name, TOS: w.tos, Verdict: Passed}
	o.Src, o.Dst = w.endpoints()
	switch {
	case s.kind == reset:
		o.Verdict, o.Reset = Rejected, true
	case s.kind == icmpError && r.packets[i].quote == nil:
		o.ICMPType, o.ICMPCode, _ = w.icmp()
		o.Verdict = Rejected
		if icmpTooBig(w.proto, o.ICMPType, o.ICMPCode) {
			o.Verdict = TooBig
		}
	}
	switch old := &r.out[i]; {
	case old.Verdict == Undecided:
		o.Bytes = r.keep(b)
		*old = o
	case old.Verdict != o.Verdict: // rules that duplicate packets give the same again
		return fmt.Errorf("packet %d (%v) was %v at %s and %v at %s: what do the rules mean?",
			i, &r.packets[i], old.Verdict, old.Out, o.Verdict, o.Out)
	}
	return nil
}

// inFlight returns the packet of the group that s is about.
func (r *run) inFlight(w wire, s sighting) (int, bool) {
	switch s.kind {
	case itself, icmpError:
		n := s.id - r.first
		if n >= uint32(len(r.group)) {
			return 0, false
		}
		return r.group[n], true
	case reset:
		return r.wasReset(w)
	}
	return 0, false
}

// wasReset returns the packet of the group that the TCP reset w answers: of
// several that it could mean, the first without a verdict.
func (r *run) wasReset(w wire) (int, bool) {
	src, dst := w.endpoints()
	key := [2]netip.AddrPort{dst, src}
	if r.segments == nil {
		r.segments = map[[2]netip.AddrPort][]int{}
		for _, i := range r.group {
			if p := &r.packets[i]; p.Proto == ProtoTCP {
				k := [2]netip.AddrPort{netip.AddrPortFrom(p.Src, p.SrcPort), netip.AddrPortFrom(p.Dst, p.DstPort)}
				r.segments[k] = append(r.segments[k], i)
			}
		}
	}
	for _, i := range r.segments[key] {
		if r.out[i].Verdict == Undecided && w.resets(&r.packets[i]) {
			return i, true
		}
	}
	return 0, false
}

// keep copies b into memory of the run's.
func (r *run) keep(b []byte) []byte {
	if len(b) > cap(r.slab)-len(r.slab) {
		r.slab = make([]byte, 0, max(1<<16, len(b)))
	}
	start := len(r.slab)
	r.slab = append(r.slab, b...)
	return r.slab[start:len(r.slab):len(r.slab)]
}
