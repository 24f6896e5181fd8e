package verifier

import (
	"net/netip"
	"time"
)

// PlanFormat is the version of the JSON plan. A plan with members that this version
// does not know is refused: a client must not skip what it cannot read.
const PlanFormat = "sallyport-verify/1"

// A Plan is what to verify. It refers by name: probes to rules, rules and routes to
// sets. [Plan.Validate] checks it; [ReadPlan] does so, too. It is immutable once run.
type Plan struct {
	Format string  `json:"format"` // PlanFormat
	Source Source  `json:"source"`
	Sets   []Set   `json:"sets"`
	Rules  []Rule  `json:"rules"`
	Probes []Probe `json:"probes"`
	Routes []Way   `json:"routes"`

	// Resolvers are asked for names beside the system's own, and compared with them.
	// A port of 0 is 53.
	Resolvers []netip.AddrPort `json:"resolvers,omitempty"`
	Vantage   Vantage          `json:"vantage,omitempty"`
	// VPN are the interfaces that are tunnels, beside those that are recognised.
	VPN []string `json:"vpn,omitempty"`
}

// Source says where a plan comes from.
type Source struct {
	Name       string    `json:"name"`                  // the policy's file name
	PolicyHash string    `json:"policy_hash,omitempty"` // SHA-256, in hex
	Version    string    `json:"version,omitempty"`     // of the sallyport that wrote it
	Feeds      []string  `json:"feeds,omitempty"`       // such as "azure change 398"
	Made       time.Time `json:"made,omitzero"`
}

// Vantage is where the measuring machine stands, which decides the limits of media
// quality.
type Vantage string

// The vantages of the documentation.
const (
	Client Vantage = "client" // a client to Microsoft's edge
	Edge   Vantage = "edge"   // the customer's network edge to Microsoft's edge
)

// A Set is named addresses.
type Set struct {
	Name  string `json:"name"`
	To    Ranges `json:"ranges"`
	Place Place  `json:"place,omitzero"`
}

// A Rule is a rule of the policy that probes stand for.
type Rule struct {
	Name string `json:"name"`
	// Deny inverts the meaning: a target that is reached is a failure.
	Deny bool   `json:"deny,omitzero"`
	Set  string `json:"set,omitempty"` // the set that it leads to; empty only with Any
	Any  bool   `json:"any,omitzero"`  // it leads anywhere
	// From is the set of the sources that it holds for; empty: all.
	From     string    `json:"from,omitempty"`
	Services []Service `json:"services"`
	Place    Place     `json:"place,omitzero"`
}

// A Probe is a host to ask on behalf of a rule.
type Probe struct {
	Name string `json:"name"`
	Host string `json:"host"`           // a name or an address
	Rule string `json:"rule,omitempty"` // empty: it stands for no rule
	// Kinds are the kinds of probe; empty: chosen by host and port, see [Plan.Asks].
	Kinds []Kind `json:"kinds,omitempty"`
	// Services are the ports to ask; empty: those of the rule.
	Services []Service `json:"services,omitempty"`
	// Issuers are organisations of which one must have issued the TLS certificate, as
	// its issuer's O or CN says. Another that the machine trusts is taken for an
	// intercepting proxy. Empty: known ones for names of Microsoft, else any.
	Issuers []string `json:"issuers,omitempty"`
	Place   Place    `json:"place,omitzero"`
}

// A Way is the way that the addresses of a set must leave this machine.
type Way struct {
	Name      string    `json:"name"` // of the target, for people
	Set       string    `json:"set"`
	Direction Direction `json:"direction"`
	Place     Place     `json:"place,omitzero"`
}

// Direction is which side of a VPN.
type Direction string

// The directions, named as the policy names them.
const (
	Bypass Direction = "bypass"
	Tunnel Direction = "tunnel"
)

// RuleNamed returns the rule with the name, or nil. It points into p.
func (p *Plan) RuleNamed(name string) *Rule {
	for i := range p.Rules {
		if p.Rules[i].Name == name {
			return &p.Rules[i]
		}
	}
	return nil
}

// SetNamed returns the set with the name, or nil. It points into p.
func (p *Plan) SetNamed(name string) *Set {
	for i := range p.Sets {
		if p.Sets[i].Name == name {
			return &p.Sets[i]
		}
	}
	return nil
}

// Allows reports whether the rule's addresses hold a.
func (p *Plan) Allows(r *Rule, a netip.Addr) bool {
	if r.Any {
		return true
	}
	s := p.SetNamed(r.Set)
	return s != nil && s.To.Contains(a)
}

// HoldsFor reports whether the rule holds for packets from a.
func (p *Plan) HoldsFor(r *Rule, a netip.Addr) bool {
	s := p.SetNamed(r.From)
	return r.From == "" || s != nil && s.To.Contains(a)
}

// ServicesFor are the services that a probe asks: its own, or those of its rule.
func (p *Plan) ServicesFor(pr *Probe) []Service {
	if len(pr.Services) > 0 {
		return pr.Services
	}
	if r := p.RuleNamed(pr.Rule); r != nil {
		return r.Services
	}
	return nil
}
