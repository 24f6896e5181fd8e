package rules

import (
	"slices"
	"strings"
)

// Named matches the flows whose host name fits one of patterns, whatever address
// they go to: a firewall that knows the name decides, by resolving it or by reading
// it from the connection. A pattern is a host name in lower case, or a * and the
// ending of one: *.skype.com is every name under skype.com and not skype.com
// itself; *-files.sharepoint.com is contoso-files.sharepoint.com. The name is the
// policy's own; equal names within a plan mean equal lists.
func Named(name string, patterns []string) Addresses {
	list := slices.Clone(patterns)
	slices.Sort(list)
	return Addresses{name: name, patterns: slices.Compact(list)}
}

// ByName reports whether the addresses are known by their host names only.
func (a Addresses) ByName() bool { return len(a.patterns) > 0 }

// Patterns is the host names, sorted. The caller must not change it.
func (a Addresses) Patterns() []string { return a.patterns }

// Wildcard reports whether a pattern stands for more than one name.
func Wildcard(pattern string) bool { return strings.HasPrefix(pattern, "*") }

// fits reports whether a flow to the host called name matches.
func (a Addresses) fits(name string) bool {
	return name != "" && slices.ContainsFunc(a.patterns, func(p string) bool { return fitsPattern(p, name) })
}

// nameHolders is the rules that hold each pattern, for many questions.
type nameHolders map[string]ruleBits

func holdersOf(rules []Rule) nameHolders {
	numbers := map[string][]int{}
	for i, r := range rules {
		for _, p := range r.To.patterns {
			numbers[p] = append(numbers[p], i)
		}
	}
	x := make(nameHolders, len(numbers))
	for p, list := range numbers {
		x[p] = bitsOf(list...)
	}
	return x
}

// of is the rules with a pattern that name fits.
func (x nameHolders) of(name string) ruleBits {
	var rules ruleBits
	if !Wildcard(name) {
		rules = x[name]
	}
	for i := 1; i <= len(name) && len(x) > 0; i++ {
		rules = rules.or(x["*"+name[i:]])
	}
	return rules
}

// Lacks is the first of patterns that stands for a name which a does not match; empty if
// there is none.
func (a Addresses) Lacks(patterns []string) string {
	held := holdersOf([]Rule{{To: a}})
	for _, p := range patterns {
		if held.of(sampleName(p)).empty() {
			return p
		}
	}
	return ""
}

// ofAll is the rules that match every name of the list.
func (x nameHolders) ofAll(list []string) ruleBits {
	all := x.of(sampleName(list[0]))
	for _, p := range list[1:] {
		rest := x.of(sampleName(p))
		var both ruleBits
		both.and(all, rest)
		all = both
	}
	return all
}

func fitsPattern(pattern, name string) bool {
	ending, wild := strings.CutPrefix(pattern, "*")
	if !wild {
		return name == pattern
	}
	return len(name) > len(ending) && strings.HasSuffix(name, ending)
}

// sampleName is a name that fits the pattern, and no other pattern unless that one
// fits every name that this one does: its front is a byte that no name has.
func sampleName(pattern string) string {
	if ending, wild := strings.CutPrefix(pattern, "*"); wild {
		return "!" + ending
	}
	return pattern
}

// Hosts is a list of host names as an option of a target: the value of names.NAME.
// The zero value is no list.
type Hosts struct {
	Name     string
	Patterns []string // as Named takes them
}
