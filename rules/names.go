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

// HasNames reports whether every name of b is one of a.
func (a Addresses) HasNames(b Addresses) bool {
	held := a.nameIndex()
	return b.ByName() && !slices.ContainsFunc(b.patterns, func(p string) bool { return !held.fits(sampleName(p)) })
}

// nameIndex is the patterns of a list for many questions: whole names, and endings.
type nameIndex map[string]bool

func (a Addresses) nameIndex() nameIndex {
	x := make(nameIndex, len(a.patterns))
	for _, p := range a.patterns {
		x[p] = true
	}
	return x
}

// fits is Addresses.fits.
func (x nameIndex) fits(name string) bool {
	if x[name] && !Wildcard(name) {
		return true
	}
	for i := 1; i <= len(name) && len(x) > 0; i++ {
		if x["*"+name[i:]] {
			return true
		}
	}
	return false
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
