package verifier

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Limits of a plan. They are far above any policy, and bound what a hostile file can
// make a client do.
const (
	maxPlanBytes = 64 << 20
	maxRanges    = 1_000_000
	maxSets      = 10_000
	maxRules     = 10_000
	maxProbes    = 2_000
	maxWays      = 1_000
	maxServices  = 1_000 // of one rule or probe
	maxListed    = 64    // resolvers, tunnels, issuers, feeds
	maxText      = 4_096
)

// ReadPlan reads a plan as JSON and validates it.
func ReadPlan(src io.Reader) (*Plan, error) {
	b, err := readAtMost(src, maxPlanBytes)
	if err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	var head struct {
		Format string `json:"format"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return nil, fmt.Errorf("plan: %w; is this a file of sallyport generate --bundle?", err)
	}
	if head.Format != PlanFormat {
		return nil, fmt.Errorf("plan: format %.40q: this sallyport reads %q; write the bundle again with this version", head.Format, PlanFormat)
	}
	p := new(Plan)
	if err := json.Unmarshal(b, p, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("plan: %w; write the bundle again with this version", err)
	}
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return p, nil
}

// WriteJSON writes p with a newline at the end. Equal plans give equal bytes.
func (p *Plan) WriteJSON(w io.Writer) error {
	b, err := json.Marshal(p, json.Deterministic(true), jsontext.WithIndent("  "))
	if err != nil {
		return fmt.Errorf("plan: %w", err)
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

// Validate checks that names are known and unique, hosts are hosts, texts can be shown
// and nothing goes beyond the limits. It returns all mistakes, joined.
func (p *Plan) Validate() error {
	v := validator{plan: p}
	v.check(p.Format == PlanFormat, "format %.40q is not %q", p.Format, PlanFormat)
	v.source()
	v.sets()
	v.rules()
	v.probes()
	v.ways()
	v.rest()
	if err := errors.Join(v.errs...); err != nil {
		return fmt.Errorf("plan: %w", err)
	}
	return nil
}

type validator struct {
	plan *Plan
	errs []error
}

// maxErrors bounds the report on a file that is wrong everywhere.
const maxErrors = 20

func (v *validator) check(ok bool, format string, args ...any) {
	if !ok && len(v.errs) < maxErrors {
		v.errs = append(v.errs, fmt.Errorf(format, args...))
	}
}

func (v *validator) source() {
	s := &v.plan.Source
	for _, text := range append([]string{s.Name, s.PolicyHash, s.Version}, s.Feeds...) {
		v.check(showable(text), "source: %.40q cannot be shown", text)
	}
	v.check(len(s.Feeds) <= maxListed, "source: %d feeds, more than %d", len(s.Feeds), maxListed)
}

func (v *validator) sets() {
	v.check(len(v.plan.Sets) <= maxSets, "%d sets, more than %d", len(v.plan.Sets), maxSets)
	seen := map[string]bool{}
	for i := range v.plan.Sets {
		s := &v.plan.Sets[i]
		v.named("set", s.Name, s.Place, seen)
		v.check(!s.To.IsEmpty(), "set %q holds no address", s.Name)
	}
}

func (v *validator) rules() {
	v.check(len(v.plan.Rules) <= maxRules, "%d rules, more than %d", len(v.plan.Rules), maxRules)
	sets, seen := v.setNames(), map[string]bool{}
	for i := range v.plan.Rules {
		r := &v.plan.Rules[i]
		v.named("rule", r.Name, r.Place, seen)
		v.services("rule", r.Name, r.Services)
		v.check(len(r.Services) > 0, "rule %q has no service", r.Name)
		v.check(r.Any != (r.Set != ""), "rule %q needs a set or any, one of them", r.Name)
		v.check(r.Any || sets[r.Set], "rule %q: no set %q", r.Name, r.Set)
		v.check(r.From == "" || sets[r.From], "rule %q: no set %q", r.Name, r.From)
	}
}

func (v *validator) probes() {
	v.check(len(v.plan.Probes) <= maxProbes, "%d probes, more than %d", len(v.plan.Probes), maxProbes)
	rules, seen := map[string]bool{}, map[string]bool{}
	for _, r := range v.plan.Rules {
		rules[r.Name] = true
	}
	for i := range v.plan.Probes {
		p := &v.plan.Probes[i]
		v.named("probe", p.Name, p.Place, seen)
		v.services("probe", p.Name, p.Services)
		v.check(p.Rule == "" || rules[p.Rule], "probe %q: no rule %q", p.Name, p.Rule)
		v.check(p.Rule != "" || len(p.Services) > 0, "probe %q names neither a rule nor services", p.Name)
		v.check(isHost(p.Host), "probe %q: host %.80q is neither a name nor an address", p.Name, p.Host)
		for _, k := range p.Kinds {
			v.check(slices.Contains(Kinds(), k), "probe %q: no kind %.40q", p.Name, k)
		}
		v.check(len(p.Kinds) <= len(Kinds()), "probe %q names kinds twice", p.Name)
		v.check(len(p.Issuers) <= maxListed, "probe %q: %d issuers, more than %d", p.Name, len(p.Issuers), maxListed)
		for _, s := range p.Issuers {
			v.check(s != "" && showable(s), "probe %q: issuer %.40q cannot be one", p.Name, s)
		}
	}
}

func (v *validator) ways() {
	v.check(len(v.plan.Routes) <= maxWays, "%d routes, more than %d", len(v.plan.Routes), maxWays)
	sets := v.setNames()
	for i := range v.plan.Routes {
		w := &v.plan.Routes[i]
		v.named("route", w.Name, w.Place, nil)
		v.check(sets[w.Set], "route %q: no set %q", w.Name, w.Set)
		v.check(w.Direction == Bypass || w.Direction == Tunnel, "route %q: direction %.40q is neither bypass nor tunnel", w.Name, w.Direction)
	}
}

func (v *validator) rest() {
	p := v.plan
	v.check(len(p.Resolvers) <= maxListed, "%d resolvers, more than %d", len(p.Resolvers), maxListed)
	for _, r := range p.Resolvers {
		v.check(r.IsValid() && !r.Addr().IsMulticast() && !r.Addr().IsUnspecified(), "resolver %s is no host's address", r)
	}
	v.check(p.Vantage == "" || p.Vantage == Client || p.Vantage == Edge, "vantage %.40q is neither client nor edge", p.Vantage)
	v.check(len(p.VPN) <= maxListed, "%d VPN interfaces, more than %d", len(p.VPN), maxListed)
	for _, name := range p.VPN {
		v.check(name != "" && showable(name), "VPN interface %.40q cannot be one", name)
	}
}

func (v *validator) setNames() map[string]bool {
	m := map[string]bool{}
	for i := range v.plan.Sets {
		m[v.plan.Sets[i].Name] = true
	}
	return m
}

func (v *validator) named(what, name string, at Place, seen map[string]bool) {
	v.check(name != "" && len(name) <= 256 && showable(name), "%s: %.40q cannot be a name", what, name)
	v.check(!seen[name], "two %ss are called %q", what, name)
	if seen != nil {
		seen[name] = true
	}
	v.check(showable(at.File) && at.Line >= 0 && at.Column >= 0, "%s %q: its place makes no sense", what, name)
}

func (v *validator) services(what, name string, list []Service) {
	v.check(len(list) <= maxServices, "%s %q: %d services, more than %d", what, name, len(list), maxServices)
	for _, s := range list {
		v.check(isName(s.Protocol) && s.From <= s.To, "%s %q: %v is no service", what, name, s)
	}
}

// showable says whether a text can be printed to a terminal and put into a report.
func showable(s string) bool {
	return len(s) <= maxText && utf8.ValidString(s) && strings.IndexFunc(s, unprintable) < 0
}

func unprintable(c rune) bool { return !unicode.IsPrint(c) }

// isHost says whether s is a host name in ASCII (RFC 1123 section 2.1, underscores
// allowed, a dot at the end allowed) or a host's address without a zone.
func isHost(s string) bool {
	if a, err := netip.ParseAddr(s); err == nil {
		return a.Zone() == "" && !a.IsUnspecified() && !a.IsMulticast() && !a.Is4In6()
	}
	s = strings.TrimSuffix(s, ".")
	if s == "" || len(s) > 253 {
		return false
	}
	letters := false
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range label {
			switch {
			case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_':
				letters = true
			case c >= '0' && c <= '9', c == '-':
			default:
				return false
			}
		}
	}
	return letters
}
