package generic

import (
	"errors"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// The versions of the JSON document. The second is for documents with host names, in sets
// that have no addresses: a program that knows only the first must not read them.
const (
	Format      = "sallyport-plan/1"
	FormatHosts = "sallyport-plan/2"
)

// Document is a plan as data: the JSON form, and what templates see.
type Document struct {
	Format   string    `json:"format"`
	Header   []string  `json:"header"`
	Name     string    `json:"name"`
	Families []string  `json:"families"`
	Default  string    `json:"default"`
	Sets     []Set     `json:"sets"`
	Services []Service `json:"services"`
	Rules    []Rule    `json:"rules"`
}

// Set is a named set of addresses, as ranges "first-last", prefixes or single
// addresses, whichever is shortest for each; or a list of host names.
type Set struct {
	Name  string   `json:"name"`
	IPv4  []string `json:"ipv4,omitzero"` // absent beside hosts
	IPv6  []string `json:"ipv6,omitzero"`
	Hosts []string `json:"hosts,omitempty"` // names in lower case, with a * in front for all under them
	set   ipranges.Set
}

// Prefixes is the set as minimal prefixes of both families, for templates.
func (s Set) Prefixes() []string {
	var list []string
	for _, f := range rules.BothFamilies.List() {
		for p := range s.set.Prefixes(f) {
			list = append(list, p.String())
		}
	}
	return list
}

// Prefixes4 is the IPv4 part of Prefixes.
func (s Set) Prefixes4() []string { return Set{set: s.set.Only(ipranges.IPv4)}.Prefixes() }

// Prefixes6 is the IPv6 part of Prefixes.
func (s Set) Prefixes6() []string { return Set{set: s.set.Only(ipranges.IPv6)}.Prefixes() }

// Service is a named set of protocol and port pairs, such as udp/3478-3481,
// tcp/443, icmp/8 (a type), icmp/3.4 (a type and code) or esp.
type Service struct {
	Name    string   `json:"name"`
	Matches []string `json:"matches"`
}

// Rule refers to sets and services by name; "any" is any address or service.
type Rule struct {
	Name     string   `json:"name"`
	Action   string   `json:"action"`
	From     string   `json:"from"`
	To       string   `json:"to"`
	Services []string `json:"services"`
	Log      bool     `json:"log"`
	rules.Notes
}

// Note is all that the policy says of the rule, as one line, for templates.
func (r Rule) Note() string { return renderers.RuleNote(&rules.Rule{Notes: r.Notes}) }

// newDocument fails where a set and a list of host names have one label, which rules
// could not tell apart.
func newDocument(p *rules.Plan) (*Document, error) {
	d := &Document{Format: Format, Header: renderers.Header(p), Name: p.Name, Default: p.Default.String(),
		Families: []string{}, Sets: []Set{}, Services: []Service{}, Rules: []Rule{}}
	for _, f := range []rules.Families{rules.OnlyIPv4, rules.OnlyIPv6} {
		if p.Families&f != 0 {
			d.Families = append(d.Families, rules.FamilyWord(f))
		}
	}
	seen, byName := map[string]bool{}, map[string]bool{}
	for i := range p.Rules {
		r := &p.Rules[i]
		row := Rule{Name: r.Name, Action: r.ActionWord(), From: r.From.Name(), To: r.To.Name(), Services: []string{}, Log: r.Log, Notes: renderers.CleanNotes(r.Notes)}
		for _, a := range []rules.Addresses{r.From, r.To} {
			if seen["set "+a.Name()] && byName[a.Name()] != a.ByName() {
				return nil, r.Refuse(fmt.Sprintf("a set and a list of host names are both called %s", a.Name()), "rename one of them")
			}
			if !a.IsAny() && !seen["set "+a.Name()] {
				seen["set "+a.Name()], byName[a.Name()] = true, a.ByName()
				d.Sets = append(d.Sets, newSet(a))
				if a.ByName() {
					d.Format = FormatHosts
				}
			}
		}
		for _, s := range r.Services {
			row.Services = append(row.Services, s.Name())
			if !s.IsAny() && !seen["service "+s.Name()] {
				seen["service "+s.Name()] = true
				d.Services = append(d.Services, newService(s))
			}
		}
		d.Rules = append(d.Rules, row)
	}
	return d, nil
}

func newSet(a rules.Addresses) Set {
	if a.ByName() {
		return Set{Name: a.Name(), Hosts: a.Patterns()}
	}
	return Set{Name: a.Name(), IPv4: texts(a.Set(), ipranges.IPv4), IPv6: texts(a.Set(), ipranges.IPv6), set: a.Set()}
}

func texts(s ipranges.Set, f ipranges.Family) []string {
	list := make([]string, 0, s.NumRanges(f))
	var b []byte
	for r := range s.Ranges(f) {
		b = ipranges.AppendRange(b[:0], r)
		list = append(list, string(b))
	}
	return list
}

func newService(s rules.Service) Service {
	out := Service{Name: s.Name(), Matches: []string{}}
	for _, m := range s.Matches() {
		out.Matches = append(out.Matches, m.String())
	}
	return out
}

type jsonFormat struct{}

func (jsonFormat) write(p *rules.Plan) ([]byte, error) {
	d, err := newDocument(p)
	if err != nil {
		return nil, err
	}
	data, err := json.Marshal(d, jsontext.WithIndent("  "))
	return append(data, '\n'), err
}

func (jsonFormat) read(data []byte) (*rules.Plan, error) {
	var d Document
	if err := json.Unmarshal(data, &d, json.RejectUnknownMembers(true)); err != nil {
		return nil, err
	}
	if d.Format != Format && d.Format != FormatHosts {
		return nil, fmt.Errorf("format is %q, not %q or %q", d.Format, Format, FormatHosts)
	}
	return d.plan()
}

// plan rebuilds the plan. A name that the document does not define is an error,
// never an empty set.
func (d *Document) plan() (*rules.Plan, error) {
	p := &rules.Plan{Name: d.Name}
	for _, f := range d.Families {
		switch f {
		case rules.FamilyWord(rules.OnlyIPv4):
			p.Families |= rules.OnlyIPv4
		case rules.FamilyWord(rules.OnlyIPv6):
			p.Families |= rules.OnlyIPv6
		default:
			return nil, fmt.Errorf("unknown family %q", f)
		}
	}
	var ok bool
	if p.Default, ok = rules.VerdictNamed(d.Default); !ok {
		return nil, fmt.Errorf("unknown default %q", d.Default)
	}
	sets := map[string]rules.Addresses{"any": rules.Any()}
	for _, s := range d.Sets {
		set, err := ipranges.Parse(append(slices.Clip(s.IPv4), s.IPv6...)...)
		if err != nil {
			return nil, fmt.Errorf("set %s: %w", s.Name, err)
		}
		switch {
		case len(s.Hosts) == 0:
			sets[s.Name] = rules.In(s.Name, set)
		case d.Format != FormatHosts:
			return nil, fmt.Errorf("set %s holds host names, and format %s has none", s.Name, d.Format)
		case s.IPv4 != nil || s.IPv6 != nil:
			return nil, fmt.Errorf("set %s holds addresses and host names", s.Name)
		default:
			sets[s.Name] = rules.Named(s.Name, s.Hosts)
		}
	}
	services := map[string]rules.Service{"any": rules.AnyService()}
	for _, s := range d.Services {
		matches, err := rules.ParseMatches(s.Matches...)
		if err != nil {
			return nil, fmt.Errorf("service %s: %w", s.Name, err)
		}
		services[s.Name] = rules.NewService(s.Name, matches...)
	}
	for _, r := range d.Rules {
		rule, err := r.parse(sets, services)
		if err != nil {
			return nil, fmt.Errorf("rule %s: %w", r.Name, err)
		}
		p.Rules = append(p.Rules, rule)
	}
	return p, nil
}

func (r Rule) parse(sets map[string]rules.Addresses, services map[string]rules.Service) (rules.Rule, error) {
	out := rules.Rule{Name: r.Name, Log: r.Log, Notes: r.Notes}
	if err := setAction(&out, r.Action); err != nil {
		return out, err
	}
	var okFrom, okTo bool
	out.From, okFrom = sets[r.From]
	out.To, okTo = sets[r.To]
	if !okFrom || !okTo {
		return out, errors.New("it names a set that the document lacks")
	}
	for _, name := range r.Services {
		s, ok := services[name]
		if !ok {
			return out, fmt.Errorf("no service %s", name)
		}
		out.Services = append(out.Services, s)
	}
	return out, nil
}

func setAction(r *rules.Rule, action string) error {
	if action == "reject" {
		r.Verdict, r.Reject = rules.Deny, true
		return nil
	}
	var ok bool
	if r.Verdict, ok = rules.VerdictNamed(action); !ok {
		return fmt.Errorf("unknown action %q", action)
	}
	return nil
}
