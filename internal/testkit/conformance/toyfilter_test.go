package conformance

import (
	"fmt"
	"slices"
	"strings"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// toyFilter is a packet filter, of this test alone: a line for each rule, with its
// families, its sources, its destinations, and its protocols with their points.
type toyFilter struct {
	fault string
	env   renderers.Env
}

func filterKind(fault string) renderers.Kind {
	caps := rules.Caps{Families: rules.BothFamilies, Verdicts: []rules.Verdict{rules.Allow, rules.Deny}, Defaults: []rules.Verdict{rules.Continue, rules.Deny},
		Sources: true, Ports: true, ICMP: true, Protocols: true, Ranges: true}
	if fault == "says that it logs, and does not" {
		caps.Log = true
	}
	info := renderers.Info{Name: "toyfilter", Title: "Toy", Summary: "a toy", Caps: caps, Load: renderers.Additive, Extension: ".toy"}
	return renderers.Define(info, struct{}{}, func(_ struct{}, env renderers.Env) (*renderers.Target, error) {
		return &renderers.Target{Renderer: &toyFilter{fault, env}, Caps: caps}, nil
	})
}

func (x *toyFilter) Render(p *rules.Plan) ([]renderers.File, error) {
	lines := []string{"# " + strings.Join(append(renderers.Header(p), renderers.NoteLines(p)...), "\n# ")}
	list := slices.Clone(p.Rules)
	if x.fault == "puts denials last" {
		slices.SortStableFunc(list, func(a, b rules.Rule) int { return int(a.Verdict) - int(b.Verdict) })
	}
	if x.fault == "forgets the last rule" {
		list = list[:len(list)-1]
	}
	for i := range list {
		lines = append(lines, x.lines(&list[i], p.Families)...)
	}
	lines = append(lines, fmt.Sprintf("default %d %d", p.Families, p.Default))
	return []renderers.File{{Path: x.env.Path, Mode: 0o644, Data: []byte(strings.Join(lines, "\n") + "\n"), Use: "toy {}", On: "a toy"}}, nil
}

// lines are those of a rule, one for each family in which it matches something.
func (x *toyFilter) lines(r *rules.Rule, families rules.Families) (list []string) {
	for _, f := range families.List() {
		from, to := x.side(r.From, f), x.side(r.To, f)
		points := x.points(r)
		if from == "" || to == "" || points == "" {
			continue
		}
		list = append(list, fmt.Sprintf("rule %d %d %t %s %s %s", f, r.Verdict, r.Reject, from, to, points))
	}
	return list
}

func (x *toyFilter) side(a rules.Addresses, f ipranges.Family) string {
	if a.IsAny() || x.fault == "makes any of what is empty" && !a.Has(f) {
		return "any"
	}
	return strings.TrimSuffix(string(a.Set().AppendRanges(nil, f, "", ",")), ",")
}

func (x *toyFilter) points(r *rules.Rule) string {
	if r.AnyService() {
		return "any"
	}
	matches := slices.Clone(r.Matches())
	var list []string
	for _, m := range matches {
		if x.fault == "loses ports" && m.Proto.HasPorts() {
			m = rules.All(m.Proto)
		}
		list = append(list, fmt.Sprintf("%d/%d-%d", m.Proto, m.Lo, m.Hi))
		if x.fault == "crosses ports between protocols" && m.Proto.HasPorts() {
			for _, other := range []rules.Protocol{rules.TCP, rules.UDP} {
				list = append(list, fmt.Sprintf("%d/%d-%d", other, m.Lo, m.Hi))
			}
		}
	}
	return strings.Join(list, ",")
}

func (x *toyFilter) ReadBack(files []renderers.File) (*rules.Plan, error) {
	file, err := renderers.FileAt(files, x.env.Path)
	if err != nil {
		return nil, err
	}
	p := &rules.Plan{Name: "edge"}
	_, lines := renderers.Uncomment(file.Data, "#")
	for i, l := range lines {
		if i == len(lines)-1 {
			if n, err := fmt.Sscanf(l, "default %d %d", &p.Families, &p.Default); n != 2 || err != nil {
				return nil, fmt.Errorf("%q: no default: %w", l, err)
			}
			return p, nil
		}
		r, err := readRule(l, i)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", l, err)
		}
		p.Rules = append(p.Rules, r)
	}
	return nil, fmt.Errorf("no default")
}

func readRule(line string, i int) (r rules.Rule, err error) {
	var family ipranges.Family
	var from, to, points string
	if n, err := fmt.Sscanf(line, "rule %d %d %t %s %s %s", &family, &r.Verdict, &r.Reject, &from, &to, &points); n != 6 || err != nil {
		return r, fmt.Errorf("no rule: %w", err)
	}
	r.Name = fmt.Sprintf("rule%d", i)
	if r.From, err = readSide(from, family); err != nil {
		return r, err
	}
	if r.To, err = readSide(to, family); err != nil {
		return r, err
	}
	if points == "any" {
		r.Services = []rules.Service{rules.AnyService()}
		return r, nil
	}
	var matches []rules.Match
	for text := range strings.SplitSeq(points, ",") {
		var m rules.Match
		if n, err := fmt.Sscanf(text, "%d/%d-%d", &m.Proto, &m.Lo, &m.Hi); n != 3 || err != nil {
			return r, fmt.Errorf("no protocol: %w", err)
		}
		matches = append(matches, m)
	}
	r.Services = []rules.Service{rules.NewService("points", matches...)}
	return r, nil
}

func readSide(text string, f ipranges.Family) (rules.Addresses, error) {
	if text == "any" {
		return rules.In("any", ipranges.Full(f)), nil
	}
	var b ipranges.Builder
	for part := range strings.SplitSeq(text, ",") {
		r, err := ipranges.ParseRange(part)
		if err != nil {
			return rules.Addresses{}, err
		}
		if err := b.AddRange(r); err != nil {
			return rules.Addresses{}, err
		}
	}
	return rules.In("side", b.Set()), nil
}

func filterContract(fault string) Contract {
	kind := filterKind(fault)
	return Contract{Kind: kind, Variants: []Variant{{Name: "filter", Options: kind.NewOptions()}},
		Damages: Damaged("", map[string][2]string{"half a port range": {"3478-", "3478"}})}
}
