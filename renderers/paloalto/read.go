package paloalto

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// ReadBack implements renderers.Renderer. What options say besides the plan
// (zones, applications, profiles, places) has to stand in the files as the
// options say it.
func (r *renderer) ReadBack(files []renderers.File) (*rules.Plan, error) {
	data := map[string][]byte{}
	for _, f := range files {
		data[f.Path] = f.Data
	}
	rd := &reader{r: r, files: data, sets: map[string]ipranges.Set{}}
	var err error
	if r.opt.Syntax == syntaxXML {
		err = rd.readXML()
	} else {
		err = rd.readSet()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.main, err)
	}
	return rd.plan()
}

type reader struct {
	r       *renderer
	files   map[string][]byte
	objects *node
	rules   *node // the entries of the rule base
	sets    map[string]ipranges.Set
}

// readSet reads the file of set commands.
func (rd *reader) readSet() error {
	objects := &node{name: "objects", elem: scopeElement}
	ours := objects
	if !slices.Equal(rd.r.objectPlace().words, rd.r.rulePlace().words) {
		ours = &node{name: "rules", elem: scopeElement}
	}
	for _, line := range commandLines(rd.files[rd.r.main]) {
		rest, set := strings.CutPrefix(line, setWord)
		if !set {
			continue
		}
		w, err := splitWords(rest)
		if err == nil {
			err = rd.route(objects, ours, w)
		}
		if err != nil {
			return fmt.Errorf("%.80s: %w", line, err)
		}
	}
	return rd.check(rd.r.main, objects, ours, func(c *config) []string { return commandLines(c.commands()) })
}

// route gives a set command to the scope that its first words name.
func (rd *reader) route(objects, ours *node, words []string) error {
	scope, place := objects, rd.r.objectPlace().words
	if slices.Contains(words[:min(len(words), 4)], rd.r.rulebase()) {
		scope, place = ours, rd.r.rulePlace().words
	}
	if len(words) <= len(place) || !slices.Equal(words[:len(place)], place) {
		return errors.New("not in the place that the options name")
	}
	words = words[len(place):]
	if scope == ours && len(words) > 3 && slices.Equal(words[:3], []string{rd.r.rulebase(), "security", "rules"}) {
		return scope.mustChild(words[:3]...).applyRule(words[3:])
	}
	return scope.apply(words)
}

// readXML reads the element tree and the script that loads it.
func (rd *reader) readXML() error {
	root, err := parseXML(rd.files[rd.r.main])
	if err != nil {
		return err
	}
	objects, ours := root.at(rd.r.objectPlace().path...), root.at(rd.r.rulePlace().path...)
	if objects == nil || ours == nil {
		return errors.New("the places that the options name are not there")
	}
	if err := onlyPlaces(root, objects, ours); err != nil {
		return err
	}
	return rd.check(rd.r.loadPath(), objects, ours, rd.r.loads)
}

// onlyPlaces refuses entries outside of the two scopes.
func onlyPlaces(n *node, scopes ...*node) error {
	if slices.Contains(scopes, n) {
		return nil
	}
	if n.elem == scopeElement || n.elem.kind != branch && n.elem.kind != entries {
		return fmt.Errorf("%q is not in the place that the options name", n.name)
	}
	for _, k := range n.kids {
		if err := onlyPlaces(k, scopes...); err != nil {
			return err
		}
	}
	return nil
}

func (rd *reader) plan() (*rules.Plan, error) {
	p := &rules.Plan{Name: rd.r.env.Name, Families: rules.BothFamilies}
	for _, e := range rd.rules.kids {
		rule, err := rd.rule(e)
		if err != nil {
			return nil, fmt.Errorf("rule %s: %w", e.name, err)
		}
		p.Rules = append(p.Rules, *rule)
	}
	return p, nil
}

func (rd *reader) rule(e *node) (*rules.Rule, error) {
	opt := &rd.r.opt
	rule := &rules.Rule{Name: strings.TrimPrefix(e.name, rd.r.prefix), Log: e.value("log-end") == "yes"}
	applications, group := opt.Applications, opt.ProfileGroup
	switch action := e.value("action"); action {
	case "allow":
		rule.Verdict = rules.Allow
	case "drop":
		rule.Verdict = rules.Deny
		applications, group = []string{"any"}, ""
	default:
		return nil, fmt.Errorf("unknown action %q", action)
	}
	for _, f := range []struct {
		name      string
		got, want []string
	}{
		{"from", e.members("from"), opt.FromZones}, {"to", e.members("to"), opt.ToZones},
		{"application", e.members("application"), applications},
		{"profile group", e.members("profile-setting", "group"), listOf(group)},
		{"log setting", e.members("log-setting"), listOf(opt.LogSetting)},
		{"tag", e.members("tag"), listOf(opt.Tag)},
	} {
		if !slices.Equal(f.got, f.want) {
			return nil, fmt.Errorf("%s is %q, and the options say %q", f.name, f.got, f.want)
		}
	}
	if !rule.Log && e.value("log-end") != "no" {
		return nil, errors.New("log-end is not said")
	}
	var err error
	for _, name := range slices.Concat(e.members("source"), e.members("destination")) {
		if rule.Verdict == rules.Deny && rd.objects.at("external-list", name) != nil {
			return nil, fmt.Errorf("it denies by the list %s, which the device may not have", name)
		}
	}
	if rule.From, err = rd.side(e.members("source")); err != nil {
		return nil, err
	}
	if rule.To, err = rd.destination(e); err != nil {
		return nil, err
	}
	if rule.Services, err = rd.serviceList(e.members("service")); err != nil {
		return nil, err
	}
	if len(e.members("category")) > 0 && !onlyTCP(rule) {
		return nil, errors.New("a URL category with services that are not TCP alone")
	}
	return rule, nil
}

func listOf(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

func (rd *reader) side(list []string) (rules.Addresses, error) {
	switch {
	case len(list) == 0:
		return rules.Addresses{}, errors.New("a rule without source or destination matches any")
	case slices.Equal(list, []string{"any"}):
		return rules.Any(), nil
	}
	var b ipranges.Builder
	for _, name := range list {
		s, err := rd.set(name, 0)
		if err != nil {
			return rules.Addresses{}, err
		}
		b.AddSet(s)
	}
	s := b.Set()
	// PAN-OS has no address of ::/96 that is not IPv4, so all the rest is all of it.
	if s.Equal(ipranges.Full(ipranges.IPv6).Minus(low96)) {
		s = ipranges.Full(ipranges.IPv6)
	}
	return rules.In(strings.Join(list, " "), s), nil
}

// set is the addresses that a name in a rule or group stands for.
func (rd *reader) set(name string, depth int) (ipranges.Set, error) {
	if s, ok := rd.sets[name]; ok {
		return s, nil
	}
	var s ipranges.Set
	var err error
	group, list := rd.objects.at("address-group", name), rd.objects.at("external-list", name)
	switch address := rd.objects.at("address", name); {
	case group != nil && list == nil && address == nil:
		s, err = rd.group(group, depth)
	case list != nil && group == nil && address == nil:
		s, err = rd.list(list)
	case address != nil && group == nil && list == nil:
		s, err = addressSet(address)
	case name == anyIPv4:
		s = ipranges.Full(ipranges.IPv4)
	default:
		err = fmt.Errorf("%q names nothing, or two things", name)
	}
	if err == nil {
		rd.sets[name] = s
	}
	return s, err
}

func addressSet(e *node) (ipranges.Set, error) {
	if len(e.kids) != 1 || e.at("fqdn") != nil {
		return ipranges.Set{}, fmt.Errorf("address %s has not exactly one value, of addresses", e.name)
	}
	rg, err := ipranges.ParseRange(e.value(e.kids[0].name))
	if err != nil {
		return ipranges.Set{}, fmt.Errorf("address %s: %w", e.name, err)
	}
	return ipranges.FromRanges(rg)
}

// group adds up the members of a group. Groups are nested once, and empty ones
// cannot be committed.
func (rd *reader) group(e *node, depth int) (ipranges.Set, error) {
	if depth > 1 {
		return ipranges.Set{}, fmt.Errorf("group %s is nested too deep", e.name)
	}
	list, err := rd.groupMembers(e)
	if err != nil {
		return ipranges.Set{}, err
	}
	var b ipranges.Builder
	for _, name := range list {
		s, err := rd.set(name, depth+1)
		if err != nil {
			return ipranges.Set{}, fmt.Errorf("group %s: %w", e.name, err)
		}
		b.AddSet(s)
	}
	return b.Set(), nil
}

// groupMembers are the members of a group as the options let it have them.
func (rd *reader) groupMembers(e *node) ([]string, error) {
	list := e.members("static")
	if !slices.Equal(e.members("tag"), listOf(rd.r.opt.Tag)) {
		return nil, fmt.Errorf("group %s has the tags %q", e.name, e.members("tag"))
	}
	if len(list) == 0 || len(list) > rd.r.opt.MaxMembers {
		return nil, fmt.Errorf("group %s has %d members", e.name, len(list))
	}
	return list, nil
}

// fetched is the lines of the file that an external dynamic list of a kind fetches.
func (rd *reader) fetched(e *node, kind string) ([]string, error) {
	path := rd.r.listPath(strings.TrimPrefix(e.name, rd.r.prefix))
	data, ok := rd.files[path]
	types := e.entriesAt("type")
	own := e.at("type", kind)
	switch {
	case own == nil || len(types) != 1:
		return nil, fmt.Errorf("list %s is not of the type %s alone", e.name, kind)
	case own.value("url") != rd.r.listURL(path):
		return nil, fmt.Errorf("list %s is fetched from %q", e.name, own.value("url"))
	case own.value("certificate-profile") != rd.r.certificateProfile():
		return nil, fmt.Errorf("list %s has the certificate profile %q", e.name, own.value("certificate-profile"))
	case own.at("recurring", rd.r.opt.Recurring) == nil:
		return nil, fmt.Errorf("list %s is not fetched %s", e.name, rd.r.opt.Recurring)
	case !ok:
		return nil, fmt.Errorf("no file %s for list %s", path, e.name)
	}
	return strings.Split(strings.TrimSuffix(string(data), "\n"), "\n"), nil
}

// list reads a list of addresses.
func (rd *reader) list(e *node) (ipranges.Set, error) {
	lines, err := rd.fetched(e, "ip")
	if err != nil {
		return ipranges.Set{}, err
	}
	var b ipranges.Builder
	for i, line := range lines {
		entry, _, _ := strings.Cut(line, " ")
		rg, err := ipranges.ParseRange(entry)
		if _, ok := rg.Prefix(); err == nil && !ok && rg.From().Is6() {
			err = errors.New("a range of IPv6 is not documented")
		}
		if err == nil {
			err = b.AddRange(rg)
		}
		if err != nil {
			return ipranges.Set{}, fmt.Errorf("list %s: line %d: %w", e.name, i+1, err)
		}
	}
	return b.Set(), nil
}

func (rd *reader) serviceList(list []string) ([]rules.Service, error) {
	if slices.Equal(list, []string{"any"}) {
		return []rules.Service{rules.AnyService()}, nil
	}
	var out []rules.Service
	for _, name := range list {
		e := rd.objects.at("service", name)
		protocol := e.at("protocol")
		if protocol == nil || len(protocol.kids) != 1 || !slices.Equal(e.members("tag"), listOf(rd.r.opt.Tag)) {
			return nil, fmt.Errorf("%q is no service with our tag", name)
		}
		p, ok := rules.ProtocolNamed(protocol.kids[0].name)
		lo, hi, err := portSpan(protocol.value(protocol.kids[0].name, "port"))
		if !ok || err != nil {
			return nil, fmt.Errorf("service %s: %w", name, err)
		}
		out = append(out, rules.NewService(name, rules.Ports(p, lo, hi)))
	}
	if len(out) == 0 {
		return nil, errors.New("a rule without services matches application-default")
	}
	return out, nil
}

func portSpan(s string) (lo, hi uint16, err error) {
	first, last, isRange := strings.Cut(s, "-")
	if !isRange {
		last = first
	}
	a, err1 := strconv.ParseUint(first, 10, 16)
	b, err2 := strconv.ParseUint(last, 10, 16)
	if err = errors.Join(err1, err2); err == nil && a > b {
		err = fmt.Errorf("%q ends before it starts", s)
	}
	return uint16(a), uint16(b), err
}
