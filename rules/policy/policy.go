// Package policy is the policy language: a file in HCL becomes a Program, which
// is what each target has to do, as plans of package rules.
//
//	source -> Load -> File -> Compile(catalogs) -> Program
//
// Load parses and checks everything that needs no feed; Compile evaluates the
// sets over the catalogs of the feeds that File.Feeds names. Both return every
// mistake they find, each with its place, cause and fix. What a mistake leaves
// without a value is unknown: whatever uses it is silently unknown too, so that
// one mistake is one diagnostic.
//
// Expressions are interpreted over HCL's syntax tree: lists, for expressions,
// conditionals and references here, strings and numbers by HCL itself. Address
// sets are evaluated as whole sets, in the order that their references ask for.
// No other package imports HCL: targets get their options decoded into plain
// structs, with the places of the options beside them.
package policy

import (
	"slices"
	"time"

	"sallyport/diag"
	"sallyport/ipranges"
	"sallyport/rules"
)

// Class tells what a target's plans decide. A target can be of both.
type Class uint8

const (
	// Filter targets carry rules that allow and deny.
	Filter Class = 1 << iota
	// Routes targets carry a list of addresses that bypass a VPN, or that
	// go through it.
	Routes
)

// ClassOf derives the class from the verdicts that a target's rules can have.
func ClassOf(caps rules.Caps) Class {
	var c Class
	for _, v := range caps.Verdicts {
		switch v {
		case rules.Allow, rules.Deny:
			c |= Filter
		case rules.Bypass, rules.Tunnel:
			c |= Routes
		}
	}
	return c
}

// TargetKind is what the language needs to know of a kind of target.
type TargetKind struct {
	Name       string
	Class      Class
	Extension  string     // of the default path, with the dot
	NewOptions func() any // a pointer to a fresh copy of the default options; nil when there are none
}

// Options are what a policy is read with.
type Options struct {
	Vars      map[string]string // values of variables from the command line
	Kinds     func(name string) (TargetKind, bool)
	KindNames []string  // for suggestions
	Warnings  []string  // IDs of warnings that the caller gives, beside this package's
	Now       time.Time // its date decides which rules have expired
}

// Program is a compiled policy. It is complete only when the diagnostics that
// came with it hold no error. It is immutable, but for the options of targets,
// which belong to the caller.
type Program struct {
	Name    string // the policy's file name, without its folder
	Hash    string // SHA-256 over the source and the values of the variables, in hex
	Targets []Target
	// Unfinished are the targets of which a mistake leaves a part unknown: their plans
	// hold the rules that are known, and Mistaken says which options are not.
	Unfinished []Target
	Probes     []Probe
	Rules      []Rule
	Sets       []NamedSet
	Names      []NamedHosts
	Services   []NamedService
	Accepts    []Accept
	FeedPlaces map[string]diag.Range // by label
	Feeds      []rules.Feed          // by name: those that the sets were made from
}

// Target is one output of a program.
type Target struct {
	Kind, Name string
	Path       string // relative to the output folder, with slashes
	Options    any    // what TargetKind.NewOptions returned, filled in
	// Places holds where each option stands, by its path, such as "table",
	// "budget.routes" or "ingress.0"; the empty path is the whole block.
	Places map[string]diag.Range
	// Mistaken are the options whose value, or the want of one, has been reported.
	Mistaken []string
	// Plan lacks the Version and Generated of its provenance.
	Plan  *rules.Plan
	Place diag.Range
}

// OptionPlace is the place of the option, or of the nearest thing that holds
// it, up to the target itself.
func (t *Target) OptionPlace(option string) diag.Range {
	for ; option != ""; option = parentPath(option) {
		if p, ok := t.Places[option]; ok {
			return p
		}
	}
	return t.Place
}

// Probe is a host that the verifier asks, on behalf of a rule.
type Probe struct {
	Name  string
	Host  string // a host name or an address
	Rule  string // the rule's name; empty where the probe stands for none
	Place diag.Range

	Kinds    []string        // of ProbeKinds; none: chosen by host and port
	Services []rules.Service // the ports to ask; none: those of the rule
	Issuers  []string        // organisations of which one issued the certificate; none: any trusted one
	Feeds    []string        // the labels of the feeds that the ports come from
}

// Rule is a rule of the policy, whether or not a target uses it.
type Rule struct {
	rules.Rule
	Feeds   []string // the labels of the feeds that its addresses come from
	LeftOut string   // why no plan holds it, as a clause; empty when plans do
	// Tunnel names the target of routes whose VPN the rule stands behind: it blocks
	// there what that target sends past the VPN. Empty: none. TunnelPlace is where.
	Tunnel      string
	TunnelPlace diag.Range
}

// NamedSet is a set of the policy.
type NamedSet struct {
	Name, Description string
	Set               ipranges.Set
	Feeds             []string // the labels of the feeds that it comes from
	Place             diag.Range
}

// NamedHosts is a names block of the policy.
type NamedHosts struct {
	Name, Description string
	Patterns          []string // as rules.Named takes them, sorted
	Feeds             []string // the labels of the feeds that they come from
	Place             diag.Range
}

// NamedService is a service of the policy.
type NamedService struct {
	Service     rules.Service
	Description string
	Place       diag.Range
}

// Target returns the target with the name, or nil. Names are unique within a
// kind only: with several of one name, it is the first.
func (p *Program) Target(name string) *Target {
	i := slices.IndexFunc(p.Targets, func(t Target) bool { return t.Name == name })
	if i < 0 {
		return nil
	}
	return &p.Targets[i]
}

// Set returns the named set.
func (p *Program) Set(name string) (NamedSet, bool) {
	i := slices.IndexFunc(p.Sets, func(s NamedSet) bool { return s.Name == name })
	if i < 0 {
		return NamedSet{}, false
	}
	return p.Sets[i], true
}
