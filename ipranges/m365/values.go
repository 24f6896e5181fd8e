package m365

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sallyport/ipranges"
	"sallyport/ipranges/catalog"
	"sallyport/ipranges/jsonfeed"
)

// prefix adds an element of ips to b.
func (d *decoder) prefix(s string, b *ipranges.Builder) (problem, fix string) {
	p, err := jsonfeed.Prefix([]byte(s), d.limits.MinBits4, d.limits.MinBits6)
	switch {
	case errors.Is(err, jsonfeed.ErrWide):
		return err.Error(), fixWide
	case err != nil:
		return err.Error(), fixFile
	}
	if text := jsonfeed.Special(p); text != "" {
		return text, fixFile
	}
	if err := b.AddPrefix(p); err != nil {
		return err.Error(), fixFile
	}
	return "", ""
}

// ports adds what tcpPorts or udpPorts lists.
func (d *decoder) ports(proto, s string, list *[]catalog.Port) (problem, fix string) {
	for item := range strings.SplitSeq(s, ",") {
		if err := d.count(1); err != nil {
			return err.Error(), fixFile
		}
		from, to, isRange := strings.Cut(strings.Trim(item, " "), "-")
		lo, ok := port(from)
		hi := lo
		if isRange && ok {
			hi, ok = port(to)
		}
		if !ok || lo > hi {
			return fmt.Sprintf("%s in %sPorts is not a port from 1 to 65535 or a range of them", quoted(item, 40), proto), fixFile
		}
		*list = append(*list, catalog.Port{Proto: proto, Lo: lo, Hi: hi})
	}
	return "", ""
}

func port(s string) (uint16, bool) {
	n, err := strconv.ParseUint(s, 10, 16)
	return uint16(n), err == nil && n > 0 && strconv.FormatUint(n, 10) == s
}

// checkName compares an element of urls with the form of a host name (RFC 1123, with
// underscores) in which "*" stands for anything, but not in its last two labels: nobody
// publishes all names of a top-level domain.
func checkName(s string) (problem, fix string) {
	labels := strings.Split(s, ".")
	ok := len(s) <= 253 && len(labels) >= 2
	for i, label := range labels {
		ok = ok && isLabel(label) && (i < len(labels)-2 || !strings.Contains(label, "*"))
	}
	if last := labels[len(labels)-1]; ok && last[0] >= '0' && last[0] <= '9' {
		ok = false // an address
	}
	if !ok {
		return fmt.Sprintf("%s is neither a host name nor a pattern such as *.example.com", quoted(s, 80)), fixFile
	}
	return "", ""
}

func isLabel(s string) bool {
	for _, c := range []byte(s) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '*') {
			return false
		}
	}
	return s != "" && len(s) <= 63
}

// entries makes the tags of the sets.
func entries(sets []endpoints) []catalog.Entry {
	sets = slices.Clone(sets)
	slices.SortFunc(sets, func(a, b endpoints) int { return a.id - b.id })
	var list []catalog.Entry
	groups := map[string][]int{} // indexes of sets, by the name of the tag that unites them
	for i, e := range sets {
		tags := e.groups()
		list = append(list, catalog.Entry{
			Tag:     catalog.Tag{Name: strconv.Itoa(e.id), Service: tags[0]},
			Set:     e.set,
			Details: &catalog.Details{Ports: e.ports, Names: e.names},
		})
		for _, tag := range tags {
			groups[tag] = append(groups[tag], i)
		}
	}
	for tag, members := range groups {
		var parts []string
		var all []ipranges.Set
		for _, i := range members {
			parts = append(parts, strconv.Itoa(sets[i].id))
			all = append(all, sets[i].set)
		}
		list = append(list, catalog.Entry{Tag: catalog.Tag{Name: tag}, Set: ipranges.Union(all...), Details: &catalog.Details{Parts: parts}})
	}
	return list
}

// groups is the names of the tags that e is in, the narrowest first.
func (e endpoints) groups() []string {
	list := []string{e.area + "." + e.category, e.area, e.category}
	if e.required {
		list = append([]string{list[0] + ".required"}, list...)
		list = append(list, e.area+".required", e.category+".required", "required")
	}
	return list
}
