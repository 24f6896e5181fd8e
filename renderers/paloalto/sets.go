package paloalto

import (
	"bytes"
	"io/fs"
	"net/netip"
	"net/url"
	"path"
	"strings"

	"go4.org/netipx"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// side is the name that a rule uses for one side; a set is written at its first use.
func (c *config) side(a rules.Addresses) (string, *rules.RuleError) {
	if a.IsAny() {
		return "any", nil
	}
	// A device stops enforcing a list once the certificate of its server fails, and has none
	// before it has fetched it: what is denied by it would pass. So what rules deny is part
	// of the configuration. Its group has a name of its own: a list that rules of the
	// administrator's use stays when a rule begins to deny what it has.
	label, write := a.Name(), c.group
	switch {
	case c.r.opt.Form == formEDL && c.denied[label]:
		label += objectsEnding
	case c.r.opt.Form == formEDL:
		write = c.list
	}
	name := c.r.prefix + label
	if c.sides[a.Name()] {
		return name, nil
	}
	c.sides[a.Name()] = true
	set := a.Set()
	for _, f := range []ipranges.Family{ipranges.IPv4, ipranges.IPv6} {
		if !c.plan.Families.Has(f) {
			set = set.Minus(set.Only(f))
		}
	}
	if set.IsEmpty() {
		return "", refuse("leave the rule out of this target", "no address of %s is left for %s", a.Name(), c.plan.Families)
	}
	if err := checkMapped(a.Name(), set); err != nil {
		return "", err
	}
	return name, write(label, set)
}

// deniedSets are the names of the sets that some rule denies, from or to.
func deniedSets(p *rules.Plan) map[string]bool {
	denied := map[string]bool{}
	for i := range p.Rules {
		rule := &p.Rules[i]
		for _, side := range []rules.Addresses{rule.From, rule.To} {
			if rule.Verdict == rules.Deny && !side.IsAny() && !side.ByName() {
				denied[side.Name()] = true
			}
		}
	}
	return denied
}

// low96 is the IPv6 addresses that PAN-OS does not tell from IPv4.
var low96 = ipranges.MustParse("::/96")

// checkMapped refuses a set that would match more on PAN-OS than it says: for a
// rule, an IPv4 address is the IPv6 address of the same last 32 bits, all others
// being 0, so ::/96 and what holds it match IPv4 (PAN-OS Administrator's Guide,
// "Policy"). It is harmless where the set holds those IPv4 addresses anyhow.
func checkMapped(name string, set ipranges.Set) *rules.RuleError {
	var b ipranges.Builder
	for rg := range set.Intersect(low96).Ranges(ipranges.IPv6) {
		from, to := rg.From().As16(), rg.To().As16()
		if err := b.AddRange(netipx.IPRangeFrom(netip.AddrFrom4([4]byte(from[12:])), netip.AddrFrom4([4]byte(to[12:])))); err != nil {
			return refuse(`exclude "::/96" from the set`, "%v", err)
		}
	}
	if set.Covers(b.Set()) {
		return nil
	}
	return refuse(`exclude "::/96" from the set: no host has these addresses`,
		"%s holds addresses of ::/96, which PAN-OS takes for IPv4, but not all of the IPv4 addresses that they would match", name)
}

// wholeFamily is every address of the plan's one family. 0.0.0.0/0 never matches
// IPv6 (PAN-OS Administrator's Guide, "Policy"); for IPv6 it takes an object that
// leaves out ::/96, or IPv4 would match.
func (c *config) wholeFamily() []string {
	if c.plan.Families == rules.OnlyIPv4 {
		return []string{anyIPv4}
	}
	var list []object
	for rg := range ipranges.Full(ipranges.IPv6).Minus(low96).Ranges(ipranges.IPv6) {
		list = c.r.appendObjects(list, rg)
	}
	c.addObjects(list)
	return names(list)
}

const anyIPv4 = "0.0.0.0/0"

// list writes a set as a list file and the external dynamic list that fetches it.
func (c *config) list(set string, s ipranges.Set) *rules.RuleError {
	data := c.listData(set, s)
	c.lines += bytes.Count(data, []byte{'\n'})
	return c.external("ip", set, data)
}

// external is an external dynamic list of a kind, ip or url, and the file that it
// fetches. The label is its name, and part of the file's, without our prefix.
func (c *config) external(kind, label string, data []byte) *rules.RuleError {
	name := c.r.prefix + label
	if err := checkLength("list", name, maxListName); err != nil {
		return err
	}
	file := c.r.listPath(label)
	address := c.r.listURL(file)
	if len(address) > maxURL {
		return refuse("shorten url or path", "the address of the list %s has %d characters, and PAN-OS takes %d", name, len(address), maxURL)
	}
	c.lists = append(c.lists, renderers.File{Path: file, Mode: fs.FileMode(0o644), Data: data})
	e := c.objects.mustChild("external-list", name, "type", kind)
	e.set([]string{"description"}, c.r.description())
	e.set([]string{"url"}, address)
	if p := c.r.certificateProfile(); p != "" {
		e.set([]string{"certificate-profile"}, p)
	}
	switch at := c.r.opt.At; c.r.opt.Recurring {
	case "daily":
		e.set([]string{"recurring", "daily", "at"}, at)
	case "weekly":
		e.set([]string{"recurring", "weekly", "day-of-week"}, "sunday")
		e.set([]string{"recurring", "weekly", "at"}, at)
	case "monthly":
		e.set([]string{"recurring", "monthly", "day-of-month"}, "1")
		e.set([]string{"recurring", "monthly", "at"}, at)
	default:
		e.mustChild("recurring", c.r.opt.Recurring)
	}
	return nil
}

// certificateProfile is what the list names: for https without a check PAN-OS has
// the word None.
func (r *renderer) certificateProfile() string {
	if r.opt.CertificateProfile == "" && strings.HasPrefix(r.opt.URL, "https:") {
		return "None"
	}
	return r.opt.CertificateProfile
}

func (r *renderer) listPath(label string) string { return r.base + "." + label + ".txt" }

func (r *renderer) listURL(file string) string {
	return strings.TrimRight(r.opt.URL, "/") + "/" + url.PathEscape(path.Base(file))
}

// listData is one range a line, and IPv6 in prefixes: what the vendor says of a line has
// ranges, and no example of one of IPv6 (the same page for 9.1 to 11.1, 2026-11-30). A list has no lines that are comments; after an
// address and a blank, the rest of the line is one (PAN-OS Administrator's Guide,
// "Formatting Guidelines for an External Dynamic List"): the first says where the
// list comes from.
func (c *config) listData(set string, s ipranges.Set) []byte {
	var data []byte
	data = appendFamily(data, s, ipranges.IPv4, ipranges.Set.AppendRanges, "0.0.0.0/1\n128.0.0.0/1\n")
	data = appendFamily(data, s, ipranges.IPv6, ipranges.Set.AppendPrefixes, "::/1\n8000::/1\n")
	first := bytes.IndexByte(data, '\n')
	var out []byte
	out = append(out, data[:first]...)
	out = append(out, " sallyport "+c.r.env.Name+" "+set...)
	for _, f := range c.plan.Provenance.Feeds {
		out = append(out, renderers.Clean(", "+f.Name)...)
		if f.Change != "" {
			out = append(out, renderers.Clean(" change "+f.Change)...)
		}
	}
	return append(out, data[first:]...)
}

// appendFamily appends what a family has. A whole family is written as its halves:
// whether a list may say /0 is not documented.
func appendFamily(dst []byte, s ipranges.Set, f ipranges.Family, write func(ipranges.Set, []byte, ipranges.Family, string, string) []byte, halves string) []byte {
	if s.Covers(ipranges.Full(f)) {
		return append(dst, halves...)
	}
	return write(s, dst, f, "", "\n")
}

// group writes a set as address objects in a group, or in a group of groups.
func (c *config) group(set string, s ipranges.Set) *rules.RuleError {
	name := c.r.prefix + set
	if err := checkLength("group", name, maxName); err != nil {
		return err
	}
	var families [2][]object
	total := 0
	for i, f := range []ipranges.Family{ipranges.IPv4, ipranges.IPv6} {
		list := make([]object, 0, s.NumRanges(f))
		for rg := range s.Ranges(f) {
			list = c.r.appendObjects(list, rg)
		}
		c.addObjects(list)
		families[i] = list
		total += len(list)
	}
	var root []string
	for _, list := range families {
		if total <= c.r.opt.MaxMembers {
			root = append(root, names(list)...)
			continue
		}
		for _, part := range chunksOf(list, c.r.opt.MaxMembers) {
			chunk := c.r.chunkName(set, part.space)
			if err := checkLength("group", chunk, maxName); err != nil {
				return err
			}
			c.addGroup(chunk, names(part.objects))
			root = append(root, chunk)
		}
	}
	if len(root) > c.r.opt.MaxMembers {
		return refuse("narrow the set, use form = \"edl\", or raise max_members if your device has room",
			"%s falls into %d groups of at most %d members, more than a group can hold", set, len(root), c.r.opt.MaxMembers)
	}
	c.addGroup(name, root)
	return nil
}

func names(list []object) []string {
	out := make([]string, len(list))
	for i, o := range list {
		out[i] = o.name
	}
	return out
}

func (c *config) addGroup(name string, list []string) {
	c.groups++
	e := c.objects.mustChild("address-group", name)
	e.set([]string{"static"}, list...)
	c.tag(e)
}

// addObjects writes those of the objects that are not there yet. Sets are long, so
// that their nodes come from a few large pieces of memory.
func (c *config) addObjects(list []object) {
	at := c.objects.mustChild("address")
	if at.index == nil {
		at.index = make(map[string]*node, len(list))
	}
	nodes, kids, values := make([]node, 2*len(list)), make([]*node, len(list)), make([]string, len(list))
	for i, o := range list {
		if at.index[o.name] != nil {
			continue
		}
		entry, field := &nodes[2*i], &nodes[2*i+1]
		kids[i], values[i] = field, o.text
		*field = node{name: o.field(), elem: at.elem.entry.kids[o.field()], values: values[i : i+1 : i+1]}
		*entry = node{name: o.name, elem: at.elem.entry, kids: kids[i : i+1 : i+1]}
		at.index[o.name] = entry
		at.kids = append(at.kids, entry)
		c.elements++
	}
}
