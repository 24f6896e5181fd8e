package rules

import (
	"net/netip"

	"sallyport/ipranges"
)

// Addresses is one side of a rule: any address, a named set, or a list of host
// names.
//
// "Any" is a flag of its own, never an empty set: the zero value holds no address
// and matches nothing. Addresses are immutable.
type Addresses struct {
	any      bool
	name     string
	set      ipranges.Set
	patterns []string // of host names; the set is empty then
}

// Any matches every address of both families.
func Any() Addresses { return Addresses{any: true, name: "any"} }

// In matches the addresses of set. The name is the policy's own, made of ASCII
// letters, digits and underscores; equal names within a plan mean equal sets.
func In(name string, set ipranges.Set) Addresses { return Addresses{name: name, set: set} }

// IsAny reports whether every address matches.
func (a Addresses) IsAny() bool { return a.any }

// IsEmpty reports whether no address matches.
func (a Addresses) IsEmpty() bool { return !a.any && !a.ByName() && a.set.IsEmpty() }

// Name is the policy's name for the addresses.
func (a Addresses) Name() string { return a.name }

// Set is the addresses as a set; for Any it is the whole of both families, and for
// host names it is empty.
func (a Addresses) Set() ipranges.Set {
	if a.any {
		return everything()
	}
	return a.set
}

// Contains reports whether addr matches, whatever its name.
func (a Addresses) Contains(addr netip.Addr) bool { return a.any || a.set.Contains(addr) }

// Has reports whether addresses of family f match. Host names may have addresses of
// both families.
func (a Addresses) Has(f ipranges.Family) bool { return a.any || a.ByName() || a.set.Has(f) }

// only is a without the families outside fams. Any stays Any: a plan's own
// families bound it.
func (a Addresses) only(fams Families) Addresses {
	if a.any || a.ByName() || fams == BothFamilies {
		return a
	}
	out := Addresses{name: a.name}
	for _, f := range fams.List() {
		out.set = out.set.Union(a.set.Only(f))
	}
	return out
}

func everything() ipranges.Set {
	var none ipranges.Set
	return none.Complement(ipranges.IPv4).Union(none.Complement(ipranges.IPv6))
}

// Families is a set of address families.
type Families uint8

// The sets of families that a plan or a target can have.
const (
	OnlyIPv4     Families = 1
	OnlyIPv6     Families = 2
	BothFamilies Families = OnlyIPv4 | OnlyIPv6
)

// Has reports whether f is among fams.
func (fams Families) Has(f ipranges.Family) bool { return fams&Only(f) != 0 }

// List is the families in their order, IPv4 first.
func (fams Families) List() []ipranges.Family {
	var list []ipranges.Family
	for _, f := range []ipranges.Family{ipranges.IPv4, ipranges.IPv6} {
		if fams.Has(f) {
			list = append(list, f)
		}
	}
	return list
}

func (fams Families) String() string {
	switch fams {
	case OnlyIPv4:
		return "IPv4"
	case OnlyIPv6:
		return "IPv6"
	case BothFamilies:
		return "IPv4 and IPv6"
	}
	return "no family"
}

// Only is f as a set of families.
func Only(f ipranges.Family) Families {
	if f == ipranges.IPv6 {
		return OnlyIPv6
	}
	return OnlyIPv4
}
