// Package policy is the policy language. It compiles a file in HCL to a Program: a plan of
// package rules for each target.
//
//	source -> Load -> File -> Compile(catalogs) -> Program
//
// Load parses the policy and checks everything that needs no feed. Compile evaluates the sets
// over the catalogs of the feeds that File.Feeds names. Both return all mistakes they find,
// each with its place, cause and fix. A mistake makes a value unknown, and with it all values
// that depend on it; these are not reported, so that one mistake is one diagnostic.
//
// This package evaluates lists, for expressions, conditionals and references in HCL's syntax
// tree; HCL evaluates strings and numbers. Each set of addresses is evaluated after the sets
// that it refers to. No other package imports HCL: targets get their options in plain
// structs, with the places of the options.
package policy

import (
	"slices"
	"time"

	"sallyport/diag"
	"sallyport/ipranges"
	"sallyport/rules"
)

// Class is what the plans of a target decide. A target can have both classes.
type Class uint8

const (
	// Filter targets carry rules that allow and deny.
	Filter Class = 1 << iota
	// Routes targets carry a list of addresses that bypass a VPN or use it.
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

// TargetKind is what the language needs to know about a kind of target.
type TargetKind struct {
	Name       string
	Class      Class
	Extension  string     // of the default path, with the dot
	NewOptions func() any // a pointer to a fresh copy of the default options; nil when there are none
	// Loads says that sallyport knows the command that loads its files on this machine. The
	// deploy block of another kind has to name one.
	Loads bool
}

// Options are the options of Load.
type Options struct {
	Vars      map[string]string // values of variables from the command line
	Kinds     func(name string) (TargetKind, bool)
	KindNames []string  // for suggestions
	Warnings  []string  // IDs of further warnings that the policy can accept, see Warnings
	Now       time.Time // its date decides which rules have expired
}

// Program is a compiled policy. It is complete only if the diagnostics returned with it have
// no error. It is immutable, except for the options of targets, which belong to the caller.
type Program struct {
	Name    string // the policy's file name, without its folder
	Hash    string // SHA-256 over the source and the values of the variables, in hex
	Targets []Target
	// Unfinished are targets with mistakes: their plans have the known rules, and Mistaken
	// names the unknown options.
	Unfinished []Target
	Probes     []Probe
	Deploys    []Deploy
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
	// Places are the places of options by path, such as "table", "budget.routes" or
	// "ingress.0"; the empty path is the whole block.
	Places map[string]diag.Range
	// Mistaken are the options that are reported as wrong or missing.
	Mistaken []string
	// Plan has no Version and no Generated in its provenance.
	Plan  *rules.Plan
	Place diag.Range
}

// OptionPlace is the place of the option, or of the innermost block around it that has a
// place, up to the target.
func (t *Target) OptionPlace(option string) diag.Range {
	for ; option != ""; option = parentPath(option) {
		if p, ok := t.Places[option]; ok {
			return p
		}
	}
	return t.Place
}

// Probe is a host that the verifier connects to, for a rule.
type Probe struct {
	Name  string
	Host  string // a host name or an address
	Rule  string // the rule's name; empty if the probe is for no rule
	Place diag.Range

	Kinds    []string        // of ProbeKinds; none: chosen by host and port
	Services []rules.Service // the ports to ask; none: those of the rule
	Issuers  []string        // organisations, one of which must have issued the certificate; none: any trusted one
	Feeds    []string        // the labels of the feeds that the ports come from
}

// Rule is a rule of the policy, whether or not a target uses it.
type Rule struct {
	rules.Rule
	Feeds   []string // the labels of the feeds that its addresses come from
	LeftOut string   // why the plans leave it out, as a clause; empty if they do not
	// Tunnel names the target of routes for whose VPN the rule is: inside that VPN it blocks
	// what the target sends past it. Empty: none. TunnelPlace is the place of the argument.
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

// Target returns the target with the name, or nil.
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
