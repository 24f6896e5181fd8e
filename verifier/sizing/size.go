package sizing

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// Result is the sums. Its JSON is what sallyport size --json prints; fields are only
// ever added. Bandwidth is in kbit/s, and time in seconds.
type Result struct {
	Users       int          `json:"users"`
	Devices     int          `json:"devices"`
	Legs        int          `json:"call_legs"` // people in a call at the peak
	SDK         SDK          `json:"sdk"`
	Calls       []Calls      `json:"calls"`
	Media       []Media      `json:"media"`
	Bandwidth   Rate         `json:"bandwidth_kbits"` // of all, with the headroom
	TCP         NAT          `json:"nat_tcp"`
	UDP         NAT          `json:"nat_udp"`
	Addresses   int          `json:"nat_public_addresses"` // the greater of the two
	State       State        `json:"state"`
	Assumptions []Assumption `json:"assumptions"`
}

// Calls are the legs of one kind.
type Calls struct {
	Kind    Kind    `json:"kind"`
	Title   string  `json:"title"`
	Percent float64 `json:"percent"`
	Legs    int     `json:"legs"`
	Outside int     `json:"legs_outside"` // those whose media leave the site
	Each    Rate    `json:"kbits_each"`
	Rate    Rate    `json:"kbits"` // of the legs outside, without headroom
}

// Media is the bandwidth of one kind of media, over all calls, without headroom.
type Media struct {
	Kind string `json:"kind"`
	DSCP int    `json:"dscp"`
	Rate Rate   `json:"kbits"`
}

// NAT is the pool for one protocol.
type NAT struct {
	Devices    int `json:"devices"` // that hold ports at the peak
	Ports      int `json:"ports_each"`
	Margin     int `json:"margin_each"`
	PerAddress int `json:"devices_per_address"`
	Addresses  int `json:"public_addresses"`
}

// State is what stateful firewalls keep.
type State struct {
	TCP        int `json:"tcp_connections"`
	UDP        int `json:"udp_flows"`
	Lingering  int `json:"udp_flows_timing_out"` // of calls that have ended
	Sessions   int `json:"firewall_sessions"`    // all three
	Conntrack  int `json:"conntrack_entries"`    // the same, as Linux counts
	Suggested  int `json:"conntrack_max_suggested"`
	PerSecond  int `json:"new_flows_per_second"`              // on average
	JoinSecond int `json:"new_flows_per_second_when_joining"` // when all calls of the peak begin together
}

// Assumption is a value that the sums rest on.
type Assumption struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Basis  Basis  `json:"basis"`
	Source string `json:"source,omitzero"` // of what is documented
}

// Basis is where a value comes from.
type Basis string

const (
	Documented Basis = "documented"
	Assumed    Basis = "assumed" // by sallyport: no document says so
	Given      Basis = "given"
)

// Size does the sums. The error is an *InputError.
func Size(in Input) (*Result, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	r := &Result{
		Users: in.Users, Devices: up(float64(in.Users) * in.Devices),
		Legs: up(float64(in.Users) * in.Concurrency), SDK: in.SDK,
	}
	r.bandwidth(&in)
	r.TCP = in.nat(r.Devices, in.TCPPorts)
	r.UDP = in.nat(r.Legs, in.UDPPorts)
	r.Addresses = max(r.TCP.Addresses, r.UDP.Addresses)
	r.state(&in)
	r.assume(&in)
	return r, nil
}

// up rounds up, without the errors of binary fractions: 0.1 times 30 is 3.
func up(v float64) int { return int(math.Ceil(v - 1e-6)) }

func (r *Result) bandwidth(in *Input) {
	legs := spread(r.Legs, in.Mix)
	audio := Figures()[0].Rates[in.SDK]
	media := map[string]Rate{}
	for _, f := range Figures() {
		i := slices.IndexFunc(in.Mix, func(s Share) bool { return s.Kind == f.Kind })
		if i < 0 {
			continue
		}
		c := Calls{Kind: f.Kind, Title: f.Title, Percent: 100 * in.Mix[i].Part, Legs: legs[i], Outside: legs[i], Each: f.Rates[in.SDK]}
		if f.peer {
			c.Outside -= int(float64(c.Legs)*in.Direct + 1e-6)
		}
		c.Rate = c.Each.times(c.Outside)
		r.Calls = append(r.Calls, c)
		r.Bandwidth = r.Bandwidth.plus(c.Rate)
		// A leg's figure is for all that it carries; what is not audio is the rest.
		media["audio"] = media["audio"].plus(audio.times(c.Outside))
		if f.Beside != "" {
			rest := Rate{c.Each.Up - audio.Up, c.Each.Down - audio.Down}
			media[f.Beside] = media[f.Beside].plus(rest.times(c.Outside))
		}
	}
	// source: docs/acs.md, marks for quality of service
	r.Media = []Media{{"audio", 46, media["audio"]}, {"video", 34, media["video"]}, {"sharing", 18, media["sharing"]}}
	r.Bandwidth.Up = up(float64(r.Bandwidth.Up) * (1 + in.Headroom))
	r.Bandwidth.Down = up(float64(r.Bandwidth.Down) * (1 + in.Headroom))
}

func (a Rate) times(n int) Rate { return Rate{a.Up * n, a.Down * n} }
func (a Rate) plus(b Rate) Rate { return Rate{a.Up + b.Up, a.Down + b.Down} }

// spread divides n by shares into whole numbers that add up to n: each gets the whole
// part of its share, and the largest remainders get one more.
func spread(n int, mix []Share) []int {
	whole := make([]int, len(mix))
	order := make([]int, len(mix))
	rest := make([]float64, len(mix))
	left := n
	for i, s := range mix {
		exact := float64(n) * s.Part
		whole[i] = min(left, int(exact+1e-6))
		rest[i], order[i] = exact-float64(whole[i]), i
		left -= whole[i]
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(rest[b], rest[a]) })
	for i := range left {
		whole[order[i%len(order)]]++
	}
	return whole
}

func (in *Input) nat(devices, ports int) NAT {
	n := NAT{Devices: devices, Ports: ports, Margin: in.Margin, PerAddress: in.natFits(ports)}
	if ports > 0 {
		n.Addresses = (devices + n.PerAddress - 1) / n.PerAddress
	}
	return n
}

func (r *Result) state(in *Input) {
	s := &r.State
	s.TCP = r.Devices * in.TCPPorts
	s.UDP = r.Legs * in.UDPPorts
	// As calls end and others begin, the flows of those that ended stay for the timeout:
	// legs / length a second, times the timeout.
	perSecond := float64(s.UDP) / in.CallLength.Seconds()
	s.Lingering = up(perSecond * in.UDPTimeout.Seconds())
	s.Sessions = s.TCP + s.UDP + s.Lingering
	s.Conntrack = s.Sessions
	s.Suggested = 1
	for s.Suggested < 2*s.Conntrack {
		s.Suggested *= 2
	}
	s.PerSecond = up(perSecond)
	s.JoinSecond = up(float64(s.UDP) / in.JoinWithin.Seconds())
}

const natPage = "Microsoft Learn, NAT support with Microsoft 365, https://learn.microsoft.com/microsoft-365/enterprise/nat-support-with-microsoft-365"

func (r *Result) assume(in *Input) {
	d := Defaults()
	// A default is assumed, unless a page has it.
	add := func(name, value string, isDefault bool, page string) {
		one := Assumption{Name: name, Value: value, Basis: Given}
		switch {
		case isDefault && page != "":
			one.Basis, one.Source = Documented, page
		case isDefault:
			one.Basis = Assumed
		}
		r.Assumptions = append(r.Assumptions, one)
	}
	add("bandwidth of a person in a call", string(in.SDK)+" SDK", true, Source)
	add("part of users in a call", fmt.Sprintf("%.4g %%", 100*in.Concurrency), in.Concurrency == d.Concurrency, "")
	add("kinds of calls", "as above", slices.Equal(in.Mix, d.Mix), "")
	add("calls of two that stay inside", fmt.Sprintf("%.4g %%", 100*in.Direct), in.Direct == d.Direct, "")
	add("devices for each user", fmt.Sprintf("%.4g", in.Devices), in.Devices == d.Devices, "")
	add("TCP ports of a device", fmt.Sprint(in.TCPPorts), in.TCPPorts == d.TCPPorts, natPage)
	add("UDP ports of a device in a call", fmt.Sprint(in.UDPPorts), in.UDPPorts == d.UDPPorts, "")
	add("margin of ports for each device", fmt.Sprint(in.Margin), in.Margin == d.Margin, natPage)
	add("reserved ports of an address", fmt.Sprint(in.Reserved), in.Reserved == d.Reserved, natPage)
	add("length of a call", span(in.CallLength), in.CallLength == d.CallLength, "")
	add("timeout of UDP flows", span(in.UDPTimeout), in.UDPTimeout == d.UDPTimeout, "Linux, Documentation/networking/nf_conntrack-sysctl.rst: nf_conntrack_udp_timeout_stream")
	add("all join within", span(in.JoinWithin), in.JoinWithin == d.JoinWithin, "")
}

// span writes a duration in whole seconds or minutes.
func span(d time.Duration) string {
	if d >= 5*time.Minute && d%time.Minute == 0 {
		return fmt.Sprintf("%d min", d/time.Minute)
	}
	return fmt.Sprintf("%.4g s", d.Seconds())
}
