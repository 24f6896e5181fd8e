// Package rules is the model that everything else speaks: what may pass, decided
// for one flow at a time, and what of it a target can say.
//
// A Plan is an ordered list of rules over address sets and services, with a
// default verdict. The first rule that matches a flow decides it. A rule speaks
// of the connection's initiator: replies pass by connection state, never by a
// mirrored rule. Plan.Decide is the single oracle: rendered output that is read
// back, live packets and audits are all compared with it.
//
// Lower adapts a plan to what a target can express, and says what was lost;
// Compare tells whether two plans decide every flow alike, and if not, shows one
// that they decide differently. The package knows neither HCL nor any target.
package rules

import (
	"fmt"
	"net/netip"
	"time"

	"sallyport/diag"
	"sallyport/ipranges"
)

// Verdict is what becomes of a flow.
type Verdict uint8

// Continue is the zero value on purpose: a flow that nothing decides is left to
// the firewall's own rules, neither opened nor cut.
const (
	Continue Verdict = iota // left to the rules that come after sallyport's
	Allow
	Deny
	Bypass // routed outside the VPN
	Tunnel // routed through the VPN
)

func (v Verdict) String() string {
	return [...]string{"continue", "allow", "deny", "bypass", "tunnel"}[v]
}

// VerdictNamed is the inverse of Verdict.String.
func VerdictNamed(s string) (Verdict, bool) {
	for v := Continue; v <= Tunnel; v++ {
		if v.String() == s {
			return v, true
		}
	}
	return 0, false
}

// Rule decides the flows that it matches.
type Rule struct {
	Name     string
	Verdict  Verdict
	Reject   bool      // a Deny that answers, so that the sender need not wait
	From, To Addresses // From is never a list of names
	Services []Service // none matches nothing
	Log      bool      // log matches, rate-limited
	Place    diag.Range
	Notes
}

// Notes are what the author of a rule tells people about it. They decide nothing, and
// Compare does not look at them. They are not trusted: targets write what
// renderers.RuleNote makes of them.
type Notes struct {
	Description string `json:"description,omitempty"`
	Ticket      string `json:"ticket,omitempty"` // of the change that the rule came with
}

// Matches is all of the rule's protocol and port pairs. Callers must not write to it.
func (r *Rule) Matches() Matches {
	switch {
	case r.AnyService():
		return everyProtocol
	case len(r.Services) == 1:
		return r.Services[0].Matches()
	}
	var list []Match
	for _, s := range r.Services {
		list = append(list, s.Matches()...)
	}
	return NewMatches(list...)
}

// AnyService reports whether the rule matches every protocol.
func (r *Rule) AnyService() bool {
	for _, s := range r.Services {
		if s.IsAny() {
			return true
		}
	}
	return false
}

// Hits reports whether the rule matches f.
func (r *Rule) Hits(f Flow) bool {
	if !r.From.Contains(f.Src) || !r.To.Contains(f.Dst) && !r.To.fits(f.Name) {
		return false
	}
	for _, s := range r.Services {
		if s.Has(f.Proto, f.Point) {
			return true
		}
	}
	return false
}

// Flow is the first packet of a connection, as its initiator sends it.
type Flow struct {
	Src, Dst netip.Addr
	Proto    Protocol
	Point    uint16 // destination port, or ICMP type<<8|code
	Name     string // of the destination, in lower case; empty where nobody knows it
}

func (f Flow) String() string {
	dst := f.Dst.String()
	if f.Name != "" {
		dst = f.Name + " (" + dst + ")"
	}
	return fmt.Sprintf("%s -> %s %s", f.Src, dst, Match{f.Proto, f.Point, f.Point})
}

// Plan is what one target has to do. It is immutable once built; equal plans
// render to equal bytes.
type Plan struct {
	Name       string   // the target's label in the policy
	Families   Families // flows of other families are not the plan's business
	Rules      []Rule   // the first that matches decides
	Default    Verdict  // what becomes of the rest
	Budget     *Budget  // how far a list of routes may differ from its set; nil: not at all
	Provenance Provenance
}

// Decide is the verdict on f, and the rule that gave it, or nil for the default.
// The pointer is into p.Rules.
func (p *Plan) Decide(f Flow) (Verdict, *Rule) {
	family := ipranges.FamilyOf(f.Dst)
	if !p.Families.Has(family) {
		return Continue, nil
	}
	if p.Default == Deny && Essential(family).Has(f.Proto, f.Point) {
		return Allow, nil
	}
	for i := range p.Rules {
		if p.Rules[i].Hits(f) {
			return p.Rules[i].Verdict, &p.Rules[i]
		}
	}
	return p.Default, nil
}

// Essential is what a plan that denies by default lets pass all the same, before
// its rules, because no host works without it: DHCP (RFC 2131, RFC 8415) and, in
// IPv6, neighbour discovery, router advertisements and the multicast listener
// reports they rest on (RFC 4861, RFC 3810; RFC 4890 section 4.4 says to let
// them pass).
func Essential(f ipranges.Family) Matches {
	if f == ipranges.IPv4 {
		return essential4
	}
	return essential6
}

var (
	essential4 = Matches{Ports(UDP, 67, 67)}
	essential6 = Matches{
		Ports(UDP, 547, 547),
		{ICMPv6, 130 << 8, 136<<8 | 255}, // listener query and report, router and neighbour messages
		ICMPType(ICMPv6, 143),            // listener report, version 2
	}
)

// Provenance is where a plan comes from, for the header of what is rendered.
type Provenance struct {
	Version    string    // of sallyport
	Policy     string    // the policy's file name
	PolicyHash string    // SHA-256 of the policy and its variables, in hex
	Feeds      []Feed    // the feeds it uses, by name
	Notes      []string  // what everybody who reads the output should know
	Generated  time.Time // zero unless asked for, so that equal inputs give equal bytes
}

// Feed names the version of a feed.
type Feed struct {
	Name   string // its label in the policy
	Kind   string
	Cloud  string
	Change string // the publisher's change number
	SHA256 string // of the file, in hex
}
