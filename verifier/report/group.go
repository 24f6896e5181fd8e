package report

import (
	"cmp"
	"slices"
	"strings"

	"sallyport/verifier"
)

// An entry is the findings of one check: those that share a key.
type entry struct {
	worst *verifier.Finding // the first of the worst, which counts for all
	all   []*verifier.Finding
}

// entriesOf groups findings by key, in the order in which keys appear.
func entriesOf(findings []*verifier.Finding) []entry {
	var entries []entry
	at := map[string]int{}
	for _, f := range findings {
		key := f.Key()
		i, known := at[key]
		if !known {
			i = len(entries)
			at[key] = i
			entries = append(entries, entry{worst: f})
		}
		e := &entries[i]
		e.all = append(e.all, f)
		if f.Outcome.Worse(e.worst.Outcome) {
			e.worst = f
		}
	}
	return entries
}

// entriesOfRun are the checks of a report.
func entriesOfRun(r *verifier.Report) []entry {
	all := make([]*verifier.Finding, len(r.Findings))
	for i := range r.Findings {
		all[i] = &r.Findings[i]
	}
	return entriesOf(all)
}

// A section is the findings that stand for one rule, or for something that is no
// rule's, such as a list of routes or the NAT.
type section struct {
	title    string // without markup: "rule calls"
	set      string
	findings []*verifier.Finding
}

func (s *section) counts() map[verifier.Outcome]int {
	n := map[verifier.Outcome]int{}
	for _, f := range s.findings {
		n[f.Outcome]++
	}
	return n
}

// worst is the worst outcome of a section.
func (s *section) worst() verifier.Outcome {
	var o verifier.Outcome
	for _, f := range s.findings {
		if f.Outcome.Worse(o) {
			o = f.Outcome
		}
	}
	return o
}

// sectionsOf groups a report by rule, in the order in which rules appear, and puts
// findings without a rule behind them.
func sectionsOf(r *verifier.Report) []section {
	var rules, others []section
	at := map[string]int{}
	for i := range r.Findings {
		f := &r.Findings[i]
		to := &others
		if f.Rule != "" {
			to = &rules
		}
		title := titleOf(f)
		n, known := at[title]
		if !known {
			n = len(*to)
			at[title] = n
			*to = append(*to, section{title: title})
		}
		s := &(*to)[n]
		s.set = cmp.Or(s.set, clean(f.Set))
		s.findings = append(s.findings, f)
	}
	return append(rules, others...)
}

func titleOf(f *verifier.Finding) string {
	switch {
	case f.Rule != "":
		return "rule " + clean(f.Rule)
	case f.Kind == verifier.Route:
		return "routes of " + clean(f.Probe)
	case f.Kind == verifier.NAT:
		return "NAT"
	case f.Host == "" && f.Resolver != "":
		return "name servers"
	}
	return "hosts of no rule"
}

// byHost groups findings by host, in the order in which hosts appear.
func byHost(findings []*verifier.Finding) [][]*verifier.Finding {
	var groups [][]*verifier.Finding
	at := map[string]int{}
	for _, f := range findings {
		n, known := at[host(f)]
		if !known {
			n = len(groups)
			at[host(f)] = n
			groups = append(groups, nil)
		}
		groups[n] = append(groups[n], f)
	}
	return groups
}

// A problem is findings that say the same of several ports or addresses of one host, so
// that a filter that drops four ports of eight addresses is reported once and not 32
// times.
type problem struct {
	findings []*verifier.Finding
}

// problemsOf are the findings with an outcome, those that say the same together.
func problemsOf(r *verifier.Report, o verifier.Outcome) []problem {
	var problems []problem
	at := map[string]int{}
	for i := range r.Findings {
		f := &r.Findings[i]
		if f.Outcome != o {
			continue
		}
		key := f.Key()
		if f.Check == verifier.CheckReach {
			key = string(f.Kind) + "|" + f.Probe + "|" + f.Rule + "|" + host(f) + "|" + f.Words()
		}
		n, known := at[key]
		if !known {
			n = len(problems)
			at[key] = n
			problems = append(problems, problem{})
		}
		problems[n].findings = append(problems[n].findings, f)
	}
	return problems
}

// summary is the finding's own where there is one, and else names all ports and
// addresses: "relay.example udp/3478, udp/3479 silent, at 2 addresses, ipv4 and ipv6".
func (p *problem) summary() string {
	first := p.findings[0]
	if len(p.findings) == 1 || first.Check != verifier.CheckReach {
		s := cmp.Or(clean(first.Summary), about(first))
		if h := host(first); !strings.Contains(s, h) && !strings.Contains(s, first.Address.String()) {
			s = strings.TrimSpace(h+" "+port(first)) + ": " + s
		}
		if n := len(p.findings) - 1; n > 0 {
			s += "; likewise " + addresses(n) + " more"
		}
		return s
	}
	var ports, at, families []string
	add := func(to *[]string, s string) {
		if s != "" && !slices.Contains(*to, s) {
			*to = append(*to, s)
		}
	}
	for _, f := range p.findings {
		add(&ports, port(f))
		add(&at, f.Address.String())
		add(&families, clean(f.Family))
	}
	s := host(first) + " " + list(ports) + ": " + clean(first.Words())
	switch {
	case len(at) > 1:
		s += ", at " + addresses(len(at)) + ", " + list(families)
	case at[0] != host(first):
		s += ", at " + at[0]
	}
	return s
}

// remedy is what to do. It names one port where there are several.
func (p *problem) remedy() string {
	s := clean(p.findings[0].Remedy)
	if len(p.findings) > 1 && s != "" {
		s += "; likewise for the others"
	}
	return s
}

// where names rule, set and place in the policy, unless the remedy has done so.
func (p *problem) where() string {
	f := p.findings[0]
	if f.Place.File != "" && strings.Contains(f.Remedy, f.Place.File+":") || f.Rule != "" && strings.Contains(f.Remedy, "rule "+f.Rule) {
		return ""
	}
	var parts []string
	if f.Rule != "" {
		parts = append(parts, "rule "+clean(f.Rule))
	}
	if f.Set != "" {
		parts = append(parts, "set "+clean(f.Set))
	}
	s := strings.Join(parts, ", ")
	if place := clean(f.Place.String()); place != "" && s != "" {
		return s + " (" + place + ")"
	} else if s == "" {
		return place
	}
	return s
}
