package pfsense

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

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
	root, err := renderers.ParseXML(data, limits)
	if err == nil && r.opt.Form == formMerge {
		root, err = r.ourPart(data, root)
	}
	var p *rules.Plan
	if err == nil {
		p, err = r.readPlan(data, root, byPath)
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
	isOurs := func(n *node) bool { return strings.HasPrefix(n.Value("descr"), r.owner()) }
	aliases, filter := &node{Name: "aliases"}, &node{Name: "filter"}
	for _, a := range root.Child("aliases").All("alias") {
		if isOurs(a) {
			aliases.Children = append(aliases.Children, a)
		}
	}
	at := r.at
	var order strings.Builder // of the tab: o our rules, a the one that the options name, x others
	for _, rule := range root.Child("filter").All("rule") {
		switch {
		case isOurs(rule):
			filter.Children = append(filter.Children, rule)
			order.WriteByte('o')
		case tabOf(rule) != r.opt.Interface:
		case at.rule != nil && rule.Value("tracker") == at.rule.Value("tracker") && rule.Value("descr") == at.rule.Value("descr"):
			order.WriteByte('a')
		default:
			order.WriteByte('x')
		}
	}
	want := strings.Repeat("o", len(filter.Children)) + "a"
	switch {
	case at.rule == nil:
		want = strings.TrimSuffix(want, "a")
	case at.after:
		want = "a" + strings.TrimSuffix(want, "a")
	}
	if !strings.Contains(order.String(), want) || at.rule == nil && order.String() != want {
		return nil, fmt.Errorf("our rules are not %s", r.placeWords())
	}
	return &node{Name: "sallyport", Children: []*node{aliases, filter}}, nil
}

// checkFrame refuses what is not an alias or a rule in its place.
func checkFrame(root *node) error {
	parts := map[string]string{"aliases": "alias", "filter": "rule"}
	if root.Name != "sallyport" || len(root.Children) != 2 || !root.Has("aliases") || !root.Has("filter") {
		return fmt.Errorf("the root is <%s>, and not <sallyport> with aliases and rules", root.Name)
	}
	for _, section := range root.Children {
		for _, n := range section.Children {
			if n.Name != parts[section.Name] {
				return fmt.Errorf("unknown element <%s> in <%s>", n.Name, section.Name)
			}
		}
		if strings.TrimSpace(section.Text+root.Text) != "" {
			return errors.New("text between the elements")
		}
	}
	return nil
}

// reader turns our elements into a plan.
type reader struct {
	r        *renderer
	data     []byte
	files    map[string][]byte
	aliases  map[string]*alias
	used     map[string]bool
	trackers map[uint32]bool
}

func (r *renderer) readPlan(data []byte, root *node, files map[string][]byte) (*rules.Plan, error) {
	if err := checkFrame(root); err != nil {
		return nil, err
	}
	rd := reader{r: r, data: data, files: files, aliases: map[string]*alias{}, used: map[string]bool{}, trackers: map[uint32]bool{}}
	for _, a := range root.Child("aliases").Children {
		if err := rd.alias(a); err != nil {
			return nil, fmt.Errorf("alias %q: %w", a.Value("name"), err)
		}
	}
	p := &rules.Plan{Name: r.env.Name, Families: rules.BothFamilies}
	for _, n := range root.Child("filter").Children {
		rule, err := rd.rule(n)
		if err != nil {
			return nil, fmt.Errorf("rule %q: %w", n.Value("descr"), err)
		}
		p.Rules = append(p.Rules, rule)
	}
	return p, rd.complete()
}

// complete finds what no rule uses.
func (rd *reader) complete() error {
	if len(rd.aliases) != len(rd.used) {
		return fmt.Errorf("%d aliases, and the rules use %d", len(rd.aliases), len(rd.used))
	}
	for name := range rd.files {
		a := rd.aliases[strings.TrimSuffix(strings.TrimPrefix(name, rd.r.base+"."), ".txt")]
		read := a != nil && (a.kind == kindURLTable || rd.r.pasted(a))
		if !read && name != rd.r.env.Path && name != rd.r.base+".steps.txt" {
			return fmt.Errorf("no alias reads %s", name)
		}
	}
	return nil
}

// written holds an element to how it is written, so that a reader need not know what else
// pfSense would take for the same, or for more.
func (rd *reader) written(n *node, write func(*elements)) error {
	e := elements{level: 2}
	write(&e)
	return renderers.SameLines(strings.Split(string(rd.data[n.Start:n.End]), "\n"), strings.Split(strings.TrimSpace(e.String()), "\n"))
}

func (rd *reader) alias(n *node) error {
	a := &alias{name: n.Value("name"), kind: n.Value("type"), descr: n.Value("descr")}
	if err := errors.Join(checkName(a.name), checkDescription(a.descr)); err != nil {
		return err
	}
	if rd.aliases[a.name] != nil {
		return errors.New("it is there twice")
	}
	if !strings.HasPrefix(a.descr, rd.r.owner()) {
		return errors.New("its description is not ours")
	}
	var err error
	entries := strings.Fields(n.Value("address"))
	if a.kind == kindURLTable || rd.r.pasted(a) {
		if entries, err = rd.lines(a); err != nil {
			return err
		}
	}
	switch {
	case a.kind == kindPort:
		a.ports, err = readPorts(entries)
	case a.kind == kindHost:
		a.hosts, err = entries, checkHosts(entries)
	case a.kind == kindURLTable && rd.r.fetched():
		a.url = rd.r.tableURL(a.name)
		a.set, err = readPrefixes(entries)
	case a.kind == kindNetwork:
		a.set, err = readPrefixes(entries)
	default:
		err = fmt.Errorf("its type is %q", a.kind)
	}
	rd.aliases[a.name] = a
	if err != nil {
		return err
	}
	return rd.written(n, func(e *elements) { e.alias(rd.r, a) })
}

// lines are those of the file of an alias. Only a URL table has comments.
func (rd *reader) lines(a *alias) ([]string, error) {
	data, ok := rd.files[rd.r.setPath(a.name)]
	if !ok {
		return nil, fmt.Errorf("no file %s", rd.r.setPath(a.name))
	}
	if a.kind == kindURLTable {
		_, lines := renderers.Uncomment(data, "#")
		return lines, nil
	}
	return strings.Split(strings.TrimSuffix(string(data), "\n"), "\n"), nil
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

func readPorts(list []string) (ports []rules.Match, err error) {
	for _, w := range list {
		first, last, isRange := strings.Cut(w, ":")
		if !isRange {
			last = first
		}
		lo, err1 := strconv.ParseUint(first, 10, 16)
		hi, err2 := strconv.ParseUint(last, 10, 16)
		if err1 != nil || err2 != nil || lo == 0 || hi < lo {
			return nil, fmt.Errorf("%q is no port", w)
		}
		ports = append(ports, rules.Ports(rules.TCP, uint16(lo), uint16(hi)))
	}
	if len(ports) == 0 {
		return nil, errors.New("it holds no port")
	}
	return ports, nil
}
