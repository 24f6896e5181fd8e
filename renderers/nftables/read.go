package nftables

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// ReadBack implements renderers.Renderer. The plan is that of the file that is
// loaded; the other one must remove all that it made.
func (r *renderer) ReadBack(files []renderers.File) (*rules.Plan, error) {
	text := map[string]string{}
	for _, f := range files {
		text[f.Path] = string(f.Data)
	}
	for _, path := range []string{r.env.Path, removePath(r.env.Path)} {
		if _, ok := text[path]; !ok {
			return nil, fmt.Errorf("no file %s among the rendered ones", path)
		}
	}
	rs, err := parse(text[r.env.Path])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.env.Path, err)
	}
	p, err := r.readPlan(rs)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.env.Path, err)
	}
	if err := r.nothingElse(rs, p); err != nil {
		return nil, fmt.Errorf("%s %w", r.env.Path, err)
	}
	removal, err := parse(text[removePath(r.env.Path)])
	if err == nil {
		err = r.nothingElse(removal, nil)
	}
	if err != nil {
		return nil, fmt.Errorf("%s %w", removePath(r.env.Path), err)
	}
	if err := rs.run(text[removePath(r.env.Path)]); err != nil {
		return nil, fmt.Errorf("%s: %w", removePath(r.env.Path), err)
	}
	if t := rs.tables[r.table]; t != nil && len(t.chains)+len(t.sets) > 0 {
		return nil, fmt.Errorf("%s leaves objects of sallyport behind", removePath(r.env.Path))
	}
	return p, nil
}

// readPlan reads what a file makes, or what "nft list table" prints.
func (r *renderer) readPlan(rs *ruleset) (*rules.Plan, error) {
	t := rs.tables[r.table]
	if t == nil {
		return nil, fmt.Errorf("no table %s", r.table)
	}
	want := r.chains(&rules.Plan{})
	for _, c := range want {
		got := t.chains[c.name]
		if got == nil {
			return nil, fmt.Errorf("no chain %s", c.name)
		}
		if unspaced(got.base) != unspaced(c.hook) {
			return nil, fmt.Errorf("chain %s hooks at %q, not at %q", c.name, got.base, c.hook)
		}
	}
	rd := reader{r: r, table: t, plan: &rules.Plan{Name: r.env.Name, Families: rules.BothFamilies}}
	for _, words := range t.chains[want[0].name].rules {
		if err := rd.rule(words); err != nil {
			return nil, fmt.Errorf("chain %s: %q: %w", want[0].name, strings.Join(words, " "), err)
		}
	}
	if r.opt.DSCP {
		if err := rd.marks(t.chains[want[1].name].rules); err != nil {
			return nil, fmt.Errorf("chain %s: %w", want[1].name, err)
		}
	}
	return rd.plan, rd.complete()
}

func unspaced(s string) string { return strings.ReplaceAll(s, " ", "") }

// reader turns the lines of our chain into a plan.
type reader struct {
	r        *renderer
	table    *table
	plan     *rules.Plan
	gates    []string // seen so far
	loopback bool
	related  bool
	closed   bool // the drop at the end was seen
}

// line is one rule as read: what it matches and what it does.
type line struct {
	families rules.Families
	from, to rules.Addresses
	matches  []rules.Match
	narrowed bool // matches is meant, even if empty
	verdict  string
	reject   bool
	log      bool
	mark     string // the DSCP that it sets
	// markFamily is the family of the header that the mark goes into.
	markFamily ipranges.Family
	name       string
}

func (rd *reader) rule(words []string) error {
	switch text := strings.Join(words, " "); {
	case rd.closed:
		return errors.New("a rule after the default")
	case strings.HasPrefix(text, "iifname !=") || strings.HasPrefix(text, "oifname !="):
		if len(rd.plan.Rules) > 0 {
			return errors.New("a gate after a rule")
		}
		rd.gates = append(rd.gates, text)
		return nil
	case text == `oif "lo" accept` || text == "oif lo accept":
		rd.loopback = true
		return nil
	case text == "ct state established,related accept" || text == "ct state established , related accept":
		rd.related = true
		return nil
	}
	l, err := rd.line(words)
	switch {
	case err != nil:
		return err
	case l.mark != "":
		return errors.New("a mark in the chain of verdicts")
	case l.verdict == "":
		if l.log {
			return nil
		}
		return errors.New("a rule without a verdict")
	case l.verdict == "drop" && l.name == "":
		rd.closed = true
		rd.plan.Default, rd.plan.Families = rules.Deny, l.families
		return nil
	}
	rd.plan.Rules = append(rd.plan.Rules, l.rule())
	return nil
}

func (l *line) rule() rules.Rule {
	out := rules.Rule{Name: l.name, Verdict: rules.Allow, Reject: l.reject, From: l.from, To: l.to,
		Services: []rules.Service{rules.AnyService()}}
	if l.verdict != "accept" {
		out.Verdict = rules.Deny
	}
	if l.narrowed {
		out.Services = []rules.Service{rules.NewService(l.name, l.matches...)}
	}
	if l.families != rules.BothFamilies && l.from.IsAny() && l.to.IsAny() {
		out.To = rules.In("family", ipranges.Full(l.families.List()[0]))
	}
	return out
}

// line reads the words of one rule from left to right.
func (rd *reader) line(words []string) (*line, error) {
	l := &line{families: rd.r.caps().Families, from: rules.Any(), to: rules.Any()}
	for len(words) > 0 {
		n, err := rd.term(l, words)
		if err == nil && n > len(words) {
			err = fmt.Errorf("%s lacks what belongs to it", words[0])
		}
		if err != nil {
			return nil, err
		}
		words = words[n:]
	}
	return l, nil
}

// term reads one match or statement and returns how many words it took.
func (rd *reader) term(l *line, w []string) (int, error) {
	at := func(i int) string {
		if i < len(w) {
			return w[i]
		}
		return ""
	}
	switch {
	case at(1) == "saddr" || at(1) == "daddr":
		return 3, rd.address(l, at(0), at(1), at(2))
	case at(0) == "meta" && at(1) == "nfproto":
		return 3, l.family(at(2))
	case at(0) == "meta" && at(2) == "." && at(3) == "th" && at(4) == "dport":
		return 6, rd.ports(l, at(5))
	case at(0) == "meta" && at(1) == "l4proto":
		return 3, l.protocol(at(2))
	case (at(0) == "icmp" || at(0) == "icmpv6") && at(1) == "type":
		return l.icmp(w)
	case at(1) == "dport":
		return 3, l.port(at(0), at(2))
	case at(1) == "dscp" && at(2) == "set":
		l.mark, l.markFamily = at(3), ipranges.IPv4
		if at(0) == "ip6" {
			l.markFamily = ipranges.IPv6
		}
		return 4, nil
	case at(0) == "limit" && at(6) == "log" && at(7) == "prefix":
		l.log = true
		return 9, nil
	case at(0) == "counter" && at(1) == "packets":
		return 5, nil
	case at(0) == "counter":
		return 1, nil
	case at(0) == "accept" || at(0) == "drop":
		l.verdict = at(0)
		return 1, nil
	case at(0) == "reject" && at(1) == "with":
		l.verdict, l.reject = "drop", true
		return 4, nil
	case at(0) == "comment":
		l.name = strings.Trim(at(1), `"`)
		return 2, nil
	}
	return 0, fmt.Errorf("unknown term %q", at(0))
}

func (rd *reader) address(l *line, proto, side, ref string) error {
	s := rd.table.sets[strings.TrimPrefix(ref, "@")]
	want := map[string]string{"ip": "ipv4_addr", "ip6": "ipv6_addr"}[proto]
	if s == nil || !strings.HasPrefix(ref, "@") || s.typ != want {
		return fmt.Errorf("%s is no set of %s addresses", ref, proto)
	}
	texts := make([]string, len(s.elements))
	for i, e := range s.elements {
		texts[i] = strings.Join(e, " ")
	}
	set, err := ipranges.Parse(texts...)
	if err != nil {
		return err
	}
	a := rules.In(strings.TrimPrefix(ref, "@"), set)
	if side == "saddr" {
		l.from = a
	} else {
		l.to = a
	}
	return nil
}

func (l *line) family(word string) error {
	switch word {
	case "ipv4":
		l.families = rules.OnlyIPv4
	case "ipv6":
		l.families = rules.OnlyIPv6
	default:
		return fmt.Errorf("unknown family %q", word)
	}
	return nil
}

func (l *line) add(m rules.Match) {
	l.narrowed = true
	l.matches = append(l.matches, m)
}

func (rd *reader) ports(l *line, ref string) error {
	s := rd.table.sets[strings.TrimPrefix(ref, "@")]
	if s == nil || s.typ != serviceType {
		return fmt.Errorf("%s is no set of services", ref)
	}
	l.narrowed = true
	for _, e := range s.elements {
		if len(e) != 3 || e[1] != "." {
			return fmt.Errorf("%q is no service", strings.Join(e, " "))
		}
		if err := l.port(e[0], e[2]); err != nil {
			return err
		}
	}
	return nil
}

func (l *line) port(proto, ports string) error {
	p, ok := rules.ProtocolNamed(proto)
	if !ok || !p.HasPorts() {
		return fmt.Errorf("no protocol with ports is called %q", proto)
	}
	lo, hi, err := span(ports, func(s string) (uint16, bool) {
		n, err := strconv.ParseUint(s, 10, 16)
		return uint16(n), err == nil
	})
	l.add(rules.Ports(p, lo, hi))
	return err
}

func (l *line) protocol(word string) error {
	p, ok := rules.ProtocolNamed(strings.Replace(word, "ipv6-icmp", "icmpv6", 1))
	if !ok {
		return fmt.Errorf("unknown protocol %q", word)
	}
	l.add(rules.All(p))
	return nil
}

// icmp reads "icmp type T" or "icmp type T icmp code C".
func (l *line) icmp(w []string) (int, error) {
	p := rules.ICMP
	if w[0] == "icmpv6" {
		p = rules.ICMPv6
	}
	if len(w) < 3 {
		return 0, errors.New("a type is missing")
	}
	lo, hi, err := span(w[2], func(s string) (uint16, bool) {
		t, ok := rules.ICMPTypeNamed(p, s)
		return uint16(t), ok
	})
	if err != nil {
		return 0, err
	}
	if len(w) >= 6 && w[3] == w[0] && w[4] == "code" {
		c, d, err := span(w[5], codeNamed)
		l.add(rules.Match{Proto: p, Lo: lo<<8 | c, Hi: lo<<8 | d})
		return 6, err
	}
	l.add(rules.Match{Proto: p, Lo: lo << 8, Hi: hi<<8 | 255})
	return 3, nil
}

// codeNamed knows the codes of "destination unreachable" that nft lists by name
// (nft(8), ICMP CODE).
func codeNamed(s string) (uint16, bool) {
	names := map[string]uint16{"net-unreachable": 0, "host-unreachable": 1, "prot-unreachable": 2,
		"port-unreachable": 3, "frag-needed": 4, "net-prohibited": 9, "host-prohibited": 10, "admin-prohibited": 13}
	if c, ok := names[s]; ok {
		return c, true
	}
	n, err := strconv.ParseUint(s, 10, 8)
	return uint16(n), err == nil
}

// span reads "a" or "a-b", where names may hold dashes themselves.
func span(s string, value func(string) (uint16, bool)) (lo, hi uint16, err error) {
	if v, ok := value(s); ok {
		return v, v, nil
	}
	for i := range s {
		if s[i] != '-' {
			continue
		}
		lo, ok1 := value(s[:i])
		hi, ok2 := value(s[i+1:])
		if ok1 && ok2 && lo <= hi {
			return lo, hi, nil
		}
	}
	return 0, 0, fmt.Errorf("%q is no number and no range", s)
}
