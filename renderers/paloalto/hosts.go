package paloalto

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"sallyport/renderers"
	"sallyport/rules"
)

// A rule to host names goes by one of two things, and both hold nothing but names, so
// they change with the policy or the list of names, never with an address.
//
// FQDN objects, in a group: the device resolves them and matches addresses. It takes
// up to 32 addresses of a name and family (Knowledge Base, "What is the Fully Qualified
// Domain Name (FQDN) Object Limit?"), and no wildcards.
//
// A list of URLs, as an external dynamic list or a custom category: the rule goes to
// any address, and the device compares the name that the client says, in TLS or HTTP.
// Quirks (Advanced URL Filtering Administration, "Guidelines for URL Category
// Exceptions", 2026-11-23):
//   - an entry ends in a slash, or it stands for longer names as well: before 10.2 by
//     default, example.com without one matches example.com.evil.example.
//   - a * stands for whole parts between dots, one or more.
//   - lists and categories have no comments.

// What the names of groups and of lists of URLs end in. Names of sets have no dash, so
// that a set and a list of host names with one label do not share a name.
const (
	groupEnding = "-names"
	urlsEnding  = "-urls"
)

// objectsEnding ends the name of a group that stands in for a list.
const objectsEnding = "-objects"

// urlList is the type of a custom category that holds URLs, from PAN-OS 9.0 on.
const urlList = "URL List"

// hosts writes the names that a rule goes to, at their first use, and returns the
// rule's destinations and URL categories.
func (c *config) hosts(rule *rules.Rule) (to, category []string, err *rules.RuleError) {
	if rule.Verdict == rules.Deny {
		return nil, nil, refuse("deny names in a proxy or DNS filter, as with the target hostlist, or deny addresses",
			"PAN-OS would let pass what it has not resolved, or what a client does not name, so a rule that denies names denies less than it says")
	}
	label, ending, write := rule.To.Name(), groupEnding, c.hostGroup
	if c.r.opt.Names == namesURL {
		if !onlyTCP(rule) {
			return nil, nil, refuse(`give it services of TCP ports alone, such as tcp = [443], or say names = "fqdn"`,
				"URLs are compared in web traffic over TCP, and the rule is not for TCP ports alone")
		}
		ending, write = urlsEnding, c.urls
	}
	label += ending
	if !c.sides[label] {
		c.sides[label] = true
		if err := write(label, rule.To.Patterns()); err != nil {
			return nil, nil, err
		}
	}
	if c.r.opt.Names == namesURL {
		return []string{"any"}, []string{c.r.prefix + label}, nil
	}
	return []string{c.r.prefix + label}, nil, nil
}

func onlyTCP(rule *rules.Rule) bool {
	return !rule.AnyService() && !slices.ContainsFunc(rule.Matches(), func(m rules.Match) bool { return m.Proto != rules.TCP })
}

// hostGroup writes names as FQDN objects in a group.
func (c *config) hostGroup(label string, patterns []string) *rules.RuleError {
	name := c.r.prefix + label
	if err := checkLength("group", name, maxName); err != nil {
		return err
	}
	if len(patterns) > c.r.opt.MaxMembers {
		return refuse("divide the names among several rules, or raise max_members if your device has room",
			"%d names do not fit a group of at most %d members", len(patterns), c.r.opt.MaxMembers)
	}
	var list []string
	for _, host := range patterns {
		if !renderers.IsHost(host) {
			return refuse("correct the name, or leave the rule out of this target", "PAN-OS cannot resolve %.80q", host)
		}
		list = append(list, c.fqdn(host))
	}
	c.addGroup(name, list)
	return nil
}

// fqdn is the name of the object of a host, which is written at its first use.
func (c *config) fqdn(host string) string {
	name := c.r.hostObject(host)
	if e := c.objects.mustChild("address", name); len(e.kids) == 0 {
		c.hostNames++
		if c.r.opt.Form == formObjects {
			c.elements++
		}
		e.set([]string{"fqdn"}, host)
	}
	return name
}

// hostObject names the object of a host by its content, after "fqdn-", with which no
// name of a set or an address begins. What a long name loses counts in its hash.
func (r *renderer) hostObject(host string) string {
	name := r.prefix + "fqdn-" + host
	if len(name) <= maxName {
		return name
	}
	sum := sha256.Sum256([]byte(host))
	return fmt.Sprintf("%s_%x", name[:maxName-17], sum[:8])
}

// urls writes names as a list of URLs: a file for an external dynamic list, or a
// custom category.
func (c *config) urls(label string, patterns []string) *rules.RuleError {
	var entries []string
	for _, p := range patterns {
		entry, err := urlEntry(p)
		if err != nil {
			return err
		}
		entries = append(entries, entry)
	}
	c.hostNames += len(entries)
	if c.r.opt.Form == formEDL {
		return c.external("url", label, []byte(strings.Join(entries, "\n")+"\n"))
	}
	name := c.r.prefix + label
	if err := checkLength("category", name, maxCategory); err != nil {
		return err
	}
	e := c.objects.mustChild("profiles", "custom-url-category", name)
	e.set([]string{"description"}, c.r.description())
	e.set([]string{"type"}, urlList)
	e.set([]string{"list"}, entries...)
	return nil
}

// urlEntry is a pattern as lists of URLs have it.
func urlEntry(pattern string) (string, *rules.RuleError) {
	host := strings.TrimPrefix(pattern, "*.")
	switch {
	case rules.Wildcard(host):
		return "", refuse("list the names that it stands for, or exclude it from the names of this rule",
			"a * in PAN-OS's lists of URLs stands for whole parts between dots, so they cannot say %s", pattern)
	case !renderers.IsHost(host):
		return "", refuse("correct the name, or leave the rule out of this target", "a list of URLs cannot say %.80q", pattern)
	}
	return pattern + "/", nil
}

// destination reads where a rule goes: to addresses, or by names.
func (rd *reader) destination(e *node) (rules.Addresses, error) {
	to, category := e.members("destination"), e.members("category")
	switch {
	case len(category) == 0 && len(to) == 1 && rd.isHostGroup(to[0]):
		return rd.hostGroup(to[0])
	case len(category) == 0:
		return rd.side(to)
	case len(category) > 1 || !slices.Equal(to, []string{"any"}):
		return rules.Addresses{}, fmt.Errorf("URL categories %q with destinations %q", category, to)
	}
	entries, err := rd.urlEntries(category[0])
	if err != nil {
		return rules.Addresses{}, err
	}
	var patterns []string
	for _, entry := range entries {
		p, ok := strings.CutSuffix(entry, "/")
		if back, err := urlEntry(p); !ok || err != nil || back != entry {
			return rules.Addresses{}, fmt.Errorf("list of URLs %s: entry %.80q is no host name with a slash", category[0], entry)
		}
		patterns = append(patterns, p)
	}
	if len(patterns) == 0 {
		return rules.Addresses{}, fmt.Errorf("list of URLs %s is empty", category[0])
	}
	return rules.Named(category[0], patterns), nil
}

// urlEntries are the entries of the list of URLs that a rule calls by its name.
func (rd *reader) urlEntries(name string) ([]string, error) {
	list, category := rd.objects.at("external-list", name), rd.objects.at("profiles", "custom-url-category", name)
	switch {
	case list != nil && category == nil:
		return rd.fetched(list, "url")
	case category != nil && list == nil:
		if category.value("type") != urlList {
			return nil, fmt.Errorf("category %s has the type %q", name, category.value("type"))
		}
		return category.members("list"), nil
	}
	return nil, fmt.Errorf("%q names no list of URLs, or two", name)
}

// isHostGroup reports whether a group begins with an FQDN object.
func (rd *reader) isHostGroup(name string) bool {
	list := rd.objects.members("address-group", name, "static")
	return len(list) > 0 && rd.objects.at("address", list[0], "fqdn") != nil
}

// hostGroup reads a group of FQDN objects.
func (rd *reader) hostGroup(name string) (rules.Addresses, error) {
	group := rd.objects.at("address-group", name)
	list, err := rd.groupMembers(group)
	if err != nil {
		return rules.Addresses{}, err
	}
	if rd.objects.at("external-list", name) != nil || rd.objects.at("address", name) != nil {
		return rules.Addresses{}, fmt.Errorf("%q names two things", name)
	}
	var patterns []string
	for _, member := range list {
		object := rd.objects.at("address", member)
		host := object.value("fqdn")
		if object == nil || len(object.kids) != 1 || !renderers.IsHost(host) || member != rd.r.hostObject(host) {
			return rules.Addresses{}, fmt.Errorf("group %s: %q is not the object of a host name", name, member)
		}
		patterns = append(patterns, host)
	}
	return rules.Named(name, patterns), nil
}
