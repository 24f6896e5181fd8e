package pfsense

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// ReadBack implements renderers.Renderer. Of a merge it also checks that all but
// our part is the user's configuration, byte by byte.
func (r *renderer) ReadBack(files []renderers.File) (*rules.Plan, error) {
	byPath := map[string][]byte{}
	for _, f := range files {
		byPath[f.Path] = f.Data
	}
	data, ok := byPath[r.env.Path]
	if !ok {
		return nil, fmt.Errorf("no file %s among the rendered ones", r.env.Path)
	}
	root, err := parseXML(data)
	if err == nil && r.opt.Form == formMerge {
		root, err = r.ourPart(data, root)
	}
	var p *rules.Plan
	if err == nil {
		p, err = r.readPlan(root, byPath)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.env.Path, err)
	}
	return p, nil
}

// ourPart is what the merge added, as the other forms write it.
func (r *renderer) ourPart(data []byte, root *node) (*node, error) {
	back, err := openConfig(data, r.owner(), r.opt.Prefix)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(back.data, r.config.data) {
		return nil, errors.New("it differs from your configuration in more than our part")
	}
	isOurs := func(n *node) bool { return strings.HasPrefix(n.value("descr"), r.owner()) }
	aliases, filter := &node{name: "aliases"}, &node{name: "filter"}
	for _, a := range root.child("aliases").all("alias") {
		if isOurs(a) {
			aliases.children = append(aliases.children, a)
		}
	}
	at := r.at
	var order strings.Builder // of the tab: o our rules, a the one that the options name, x others
	for _, rule := range root.child("filter").all("rule") {
		switch {
		case isOurs(rule):
			filter.children = append(filter.children, rule)
			order.WriteByte('o')
		case tabOf(rule) != r.opt.Interface:
		case at.rule != nil && rule.value("tracker") == at.rule.value("tracker") && rule.value("descr") == at.rule.value("descr"):
			order.WriteByte('a')
		default:
			order.WriteByte('x')
		}
	}
	want := strings.Repeat("o", len(filter.children)) + "a"
	switch {
	case at.rule == nil:
		want = strings.TrimSuffix(want, "a")
	case at.after:
		want = "a" + strings.TrimSuffix(want, "a")
	}
	if !strings.Contains(order.String(), want) || at.rule == nil && order.String() != want {
		return nil, fmt.Errorf("our rules are not %s", r.placeWords())
	}
	return &node{name: "sallyport", children: []*node{aliases, filter}}, nil
}

// known is the elements that we write, by the one they are in: the table of what a
// reader of our output can expect (filter.inc, filter_generate_user_rule;
// alias-utils.inc, saveAlias; firewall_rules_edit.php).
var known = sync.OnceValue(func() map[string]map[string]bool {
	return map[string]map[string]bool{
		"sallyport":   words("aliases filter"),
		"aliases":     words("alias"),
		"alias":       words("name type url updatefreq address descr detail"),
		"filter":      words("rule"),
		"rule":        ruleElements(),
		"source":      words("any address"),
		"destination": words("any address port"),
	}
})

func ruleElements() map[string]bool {
	all := words("id tracker type interface ipprotocol protocol icmptype source destination log descr")
	for _, e := range extras {
		all[e.name] = true
	}
	return all
}

// checkKnown refuses elements that we do not write, and those that pfSense takes
// once (xmlparse.inc, listtags).
func checkKnown(n *node) error {
	seen := map[string]bool{}
	for _, c := range n.children {
		if !known()[n.name][c.name] {
			return fmt.Errorf("unknown element <%s> in <%s>", c.name, n.name)
		}
		if seen[c.name] && c.name != "rule" && c.name != "alias" {
			return fmt.Errorf("element <%s> is in <%s> twice", c.name, n.name)
		}
		seen[c.name] = true
		if err := checkKnown(c); err != nil {
			return err
		}
	}
	if len(n.children) > 0 && strings.TrimSpace(n.text) != "" {
		return fmt.Errorf("text between the elements of <%s>", n.name)
	}
	return nil
}

// reader turns our elements into a plan.
type reader struct {
	r        *renderer
	files    map[string][]byte
	sets     map[string]ipranges.Set
	tables   map[string]bool // sets that pfSense fetches
	hosts    map[string][]string
	ports    map[string][]rules.Match
	used     map[string]bool
	trackers map[string]bool
}

func (r *renderer) readPlan(root *node, files map[string][]byte) (*rules.Plan, error) {
	if root.name != "sallyport" {
		return nil, fmt.Errorf("the root is <%s>, not <sallyport>", root.name)
	}
	if err := checkKnown(root); err != nil {
		return nil, err
	}
	rd := reader{r: r, files: files, sets: map[string]ipranges.Set{}, tables: map[string]bool{}, hosts: map[string][]string{}, ports: map[string][]rules.Match{},
		used: map[string]bool{}, trackers: map[string]bool{}}
	for _, a := range root.child("aliases").all("alias") {
		if err := rd.alias(a); err != nil {
			return nil, fmt.Errorf("alias %q: %w", a.value("name"), err)
		}
	}
	p := &rules.Plan{Name: r.env.Name, Families: rules.BothFamilies}
	for _, n := range root.child("filter").all("rule") {
		rule, err := rd.rule(n)
		if err != nil {
			return nil, fmt.Errorf("rule %q: %w", n.value("descr"), err)
		}
		p.Rules = append(p.Rules, rule)
	}
	return p, rd.complete()
}

// complete finds what no rule uses.
func (rd *reader) complete() error {
	if n := len(rd.sets) + len(rd.hosts) + len(rd.ports); n != len(rd.used) {
		return fmt.Errorf("%d aliases, and the rules use %d", n, len(rd.used))
	}
	for name := range rd.files {
		alias := strings.TrimSuffix(strings.TrimPrefix(name, rd.r.base+"."), ".txt")
		_, ok := rd.sets[alias]
		if rd.r.opt.Form == formImport {
			ok = ok || rd.hosts[alias] != nil
		}
		if !ok && name != rd.r.env.Path && name != rd.r.base+".steps.txt" {
			return fmt.Errorf("no alias reads %s", name)
		}
	}
	return nil
}

func (rd *reader) alias(a *node) error {
	name := a.value("name")
	if err := errors.Join(checkName(name), checkDescription(a.value("descr"))); err != nil {
		return err
	}
	_, set := rd.sets[name]
	if set || rd.hosts[name] != nil || rd.ports[name] != nil {
		return errors.New("it is there twice")
	}
	if !strings.HasPrefix(a.value("descr"), rd.r.owner()) {
		return errors.New("its description is not ours")
	}
	var err error
	switch kind := a.value("type"); {
	case kind == kindPort:
		rd.ports[name], err = readPorts(a)
	case kind == kindHost:
		rd.hosts[name], err = rd.hostNames(a, name)
	case kind == kindURLTable && rd.r.fetched():
		rd.tables[name] = true
		rd.sets[name], err = rd.table(a, name)
	case kind != kindNetwork:
		return fmt.Errorf("its type is %q", kind)
	case rd.r.opt.Form != formMerge:
		if a.has("address") {
			return errors.New("it holds addresses, and its file has them")
		}
		rd.sets[name], err = rd.file(name, false)
	default:
		if rd.sets[name], err = readPrefixes(strings.Fields(a.value("address"))); err == nil {
			err = checkDetail(a)
		}
	}
	return err
}

func (rd *reader) table(a *node, name string) (ipranges.Set, error) {
	want := strings.TrimSuffix(rd.r.opt.URL, "/") + "/" + path.Base(rd.r.setPath(name))
	if a.value("url") != want || a.value("address") != want || a.value("updatefreq") != strconv.Itoa(rd.r.opt.UpdateDays) {
		return ipranges.Set{}, fmt.Errorf("it is not fetched from %s every %d days", want, rd.r.opt.UpdateDays)
	}
	return rd.file(name, true)
}

// lines are those of the file of an alias.
func (rd *reader) lines(alias string) ([]string, error) {
	data, ok := rd.files[rd.r.setPath(alias)]
	if !ok {
		return nil, fmt.Errorf("no file %s", rd.r.setPath(alias))
	}
	return strings.Split(strings.TrimSuffix(string(data), "\n"), "\n"), nil
}

// file reads the addresses of an alias.
func (rd *reader) file(alias string, comments bool) (ipranges.Set, error) {
	lines, err := rd.lines(alias)
	if err != nil {
		return ipranges.Set{}, err
	}
	if comments {
		lines = slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, "#") })
	}
	return readPrefixes(lines)
}

func readPrefixes(list []string) (ipranges.Set, error) {
	var b ipranges.Builder
	for _, w := range list {
		p, err := ipranges.ParsePrefix(w)
		if err == nil {
			err = b.AddPrefix(p)
		}
		if err != nil {
			return ipranges.Set{}, err
		}
	}
	if set := b.Set(); !set.IsEmpty() {
		return set, nil
	}
	return ipranges.Set{}, errors.New("it holds no address")
}

func readPorts(a *node) ([]rules.Match, error) {
	var list []rules.Match
	for _, w := range strings.Fields(a.value("address")) {
		first, last, isRange := strings.Cut(w, ":")
		if !isRange {
			last = first
		}
		lo, err1 := strconv.ParseUint(first, 10, 16)
		hi, err2 := strconv.ParseUint(last, 10, 16)
		if err1 != nil || err2 != nil || lo == 0 || hi < lo {
			return nil, fmt.Errorf("%q is no port", w)
		}
		list = append(list, rules.Ports(rules.TCP, uint16(lo), uint16(hi)))
	}
	if len(list) == 0 {
		return nil, errors.New("it holds no port")
	}
	return list, checkDetail(a)
}

// checkDetail holds the descriptions to the number of the entries.
func checkDetail(a *node) error {
	if n := len(strings.Fields(a.value("address"))); a.value("detail") != noDetails(n) {
		return fmt.Errorf("the descriptions are not those of %d entries", n)
	}
	return nil
}
