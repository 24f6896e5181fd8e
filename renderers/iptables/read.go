package iptables

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// ReadBack implements renderers.Renderer. The scripts are held to those that are written
// for the other files.
func (r *renderer) ReadBack(files []renderers.File) (*rules.Plan, error) {
	scripts, err := r.scripts(files)
	if err != nil {
		return nil, err
	}
	for _, want := range scripts {
		got, err := renderers.FileAt(files, want.Path)
		if err != nil {
			return nil, err
		}
		if !bytes.Equal(got.Data, want.Data) {
			return nil, fmt.Errorf("%s is not the script that goes with the other files", want.Path)
		}
	}
	byPath := map[string]string{}
	for _, f := range files {
		byPath[f.Path] = string(f.Data)
	}
	if name := r.foreign(byPath[r.paths.ipset()]); name != "" {
		return nil, fmt.Errorf("%s touches the set %s, which is not ours", r.paths.ipset(), name)
	}
	sets, err := parseSets(byPath[r.paths.ipset()])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.paths.ipset(), err)
	}
	running := map[ipranges.Family]string{}
	for _, d := range dialects {
		if name := r.names.fresh(d.suffix); sets[name] != nil {
			return nil, fmt.Errorf("%s leaves the set %s, which is there to be filled", r.paths.ipset(), name)
		}
		if src, ok := byPath[r.paths.rules(d)]; ok {
			running[d.family] = src
			if name := r.foreign(src); name != "" {
				return nil, fmt.Errorf("%s touches the chain %s, which is not ours", r.paths.rules(d), name)
			}
		}
	}
	return r.readPlan(byPath[r.paths.ipset()], running)
}

// foreign is the first chain or set in one of our files that is somebody else's: to
// declare it would flush it. A listing of a running system has the admin's, too.
func (r *renderer) foreign(src string) string {
	for line := range strings.Lines(src) {
		words := strings.Fields(line)
		if len(words) < 2 || words[0][0] == '#' {
			continue
		}
		name := words[1]
		if words[0][0] == ':' {
			name = words[0][1:]
		}
		if !r.names.ours(name) {
			return name
		}
	}
	return ""
}

// readPlan reads the sets and each family's rules, as rendered or as saved from a
// running system.
func (r *renderer) readPlan(sets string, running map[ipranges.Family]string) (*rules.Plan, error) {
	if len(running) == 0 {
		return nil, fmt.Errorf("no file %s among the rendered ones", r.paths.rules(dialects[0]))
	}
	parsed, err := parseSets(sets)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.paths.ipset(), err)
	}
	plan := &rules.Plan{Name: r.env.Name, Families: rules.BothFamilies}
	var denied rules.Families
	for _, d := range dialects {
		src, ok := running[d.family]
		if !ok {
			continue
		}
		rd := &reader{r: r, fam: d, sets: parsed, cache: map[string][]outcome{}}
		deny, err := rd.read(src)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.paths.rules(d), err)
		}
		if deny {
			denied |= rules.Only(d.family)
		}
		for _, o := range rd.list {
			plan.Rules = append(plan.Rules, o.rule())
		}
	}
	if denied == 0 {
		return plan, nil
	}
	plan.Default, plan.Families = rules.Deny, denied
	for i := range plan.Rules {
		for _, f := range rules.BothFamilies.List() {
			if !denied.Has(f) && plan.Rules[i].To.Has(f) {
				return nil, fmt.Errorf("%s has rules, and drops nothing at their end", f)
			}
		}
	}
	return plan, nil
}

// outcome is what becomes of the packets that match: the first outcome of a list
// that matches decides.
type outcome struct {
	from, to ipranges.Set
	points   rules.Matches // every protocol where all says so
	all      bool
	verdict  rules.Verdict // Continue: leaves the chain undecided
	reject   bool
	name     string
}

func (o *outcome) rule() rules.Rule {
	service := rules.AnyService()
	if !o.all {
		service = rules.NewService(o.name, o.points...)
	}
	return rules.Rule{Name: o.name, Verdict: o.verdict, Reject: o.reject,
		From: rules.In(o.name+"_from", o.from), To: rules.In(o.name+"_to", o.to), Services: []rules.Service{service}}
}

// within is o where the packets match m, too.
func (o outcome) within(m *match) outcome {
	o.from, o.to = o.from.Intersect(m.from), o.to.Intersect(m.to)
	switch {
	case m.all:
	case o.all:
		o.all, o.points = false, m.points
	default:
		o.points = o.points.Intersect(m.points)
	}
	if m.name != "" {
		o.name = m.name
	}
	return o
}

func (o *outcome) empty() bool {
	return o.from.IsEmpty() || o.to.IsEmpty() || !o.all && len(o.points) == 0
}

// reader turns the chains of one family into a list of outcomes.
type reader struct {
	r      *renderer
	fam    dialect
	sets   map[string]*parsedSet
	chains map[string][]string
	cache  map[string][]outcome // of chains that were read; nil while one is being read
	list   []outcome
	work   int // outcomes looked at so far
}

// read fills rd.list and says whether the family denies by default.
func (rd *reader) read(src string) (deny bool, err error) {
	chains, err := parseRules(src)
	if err != nil {
		return false, err
	}
	rd.chains = chains
	main, ok := chains[rd.r.names.main]
	switch {
	case !ok:
		return false, fmt.Errorf("no chain %s", rd.r.names.main)
	case slices.Equal(main, rd.r.mainLines(true)):
		deny = true
	case !slices.Equal(main, rd.r.mainLines(false)):
		return false, fmt.Errorf("chain %s lets pass or goes on otherwise than the options say", rd.r.names.main)
	}
	body := rd.r.names.body()
	// With established, both defaults begin alike on a gateway: the end decides.
	lines := chains[body]
	closed := len(lines) > 0 && lines[len(lines)-1] == "-j DROP"
	if closed != deny && !slices.Equal(rd.r.mainLines(true), rd.r.mainLines(false)) {
		return false, fmt.Errorf("chain %s ends otherwise than chain %s begins", body, rd.r.names.main)
	}
	if deny = closed; deny {
		if lines, err = rd.withoutEssentials(lines[:len(lines)-1]); err != nil {
			return false, err
		}
		chains[body] = lines
	}
	rd.cache[rd.r.names.main] = nil
	if rd.list, err = rd.chain(body); err != nil {
		return false, err
	}
	return deny, rd.complete()
}

func (rd *reader) withoutEssentials(lines []string) ([]string, error) {
	want := essentialLines(rd.fam)
	if len(lines) < len(want) || !slices.Equal(lines[:len(want)], want) {
		return nil, errors.New("a default of deny without what has to pass all the same")
	}
	return lines[len(want):], nil
}

// complete reports one of our chains that nothing leads to.
func (rd *reader) complete() error {
	for name := range rd.chains {
		if _, read := rd.cache[name]; !read && rd.r.names.ours(name) && name != rd.r.names.main {
			return fmt.Errorf("nothing leads to the chain %s", name)
		}
	}
	return nil
}

// maxOutcomes bounds the work that a file can make: chains that jump to each other
// multiply.
const maxOutcomes = 1 << 20

// chain is the outcomes of one chain and those it leads to.
func (rd *reader) chain(name string) ([]outcome, error) {
	if known, ok := rd.cache[name]; ok {
		if known == nil {
			return nil, fmt.Errorf("chain %s leads to itself", name)
		}
		return known, nil
	}
	lines, ok := rd.chains[name]
	if !ok || !rd.r.names.ours(name) {
		return nil, fmt.Errorf("none of our chains is called %s", name)
	}
	rd.cache[name] = nil
	list := []outcome{}
	var gone []*match // what went to another chain, and does not come back
	for _, line := range lines {
		m, err := rd.match(line)
		if err != nil {
			return nil, fmt.Errorf("chain %s: %q: %w", name, line, err)
		}
		for _, g := range gone {
			if g.from.Overlaps(m.from) && g.to.Overlaps(m.to) {
				return nil, fmt.Errorf("chain %s: %q stands behind a -g that takes its packets", name, line)
			}
		}
		got, err := rd.outcomes(m)
		if err != nil {
			return nil, err
		}
		if m.goTo {
			gone = append(gone, m)
		}
		if rd.work += len(got) + 1; rd.work > maxOutcomes {
			return nil, fmt.Errorf("chain %s: more than %d outcomes", name, maxOutcomes)
		}
		for _, o := range got {
			list = add(list, o.within(m))
		}
	}
	rd.cache[name] = list
	return list, nil
}

// outcomes is what the target of m does.
func (rd *reader) outcomes(m *match) ([]outcome, error) {
	if m.chain != "" {
		return rd.chain(m.chain)
	}
	if m.log {
		return nil, nil
	}
	all := ipranges.Full(rd.fam.family)
	return []outcome{{from: all, to: all, all: true, verdict: m.verdict, reject: m.reject}}, nil
}

// add appends o, or joins it with the last of the list where they differ in one
// side's addresses only. So a trie becomes one outcome again.
func add(list []outcome, o outcome) []outcome {
	if o.empty() {
		return list
	}
	if n := len(list); n > 0 {
		last := &list[n-1]
		same := last.verdict == o.verdict && last.reject == o.reject && last.name == o.name &&
			last.all == o.all && slices.Equal(last.points, o.points)
		switch {
		case same && last.from.Equal(o.from):
			last.to = last.to.Union(o.to)
			return list
		case same && last.to.Equal(o.to):
			last.from = last.from.Union(o.from)
			return list
		}
	}
	return append(list, o)
}
