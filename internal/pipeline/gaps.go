package pipeline

import (
	"cmp"
	"slices"

	"go4.org/netipx"

	"sallyport/ipranges"
	"sallyport/ipranges/cover"
	"sallyport/rules"
)

// Gap is a range of addresses by which a list of routes differs from its set: it adds the
// range or leaves it out.
type Gap struct {
	Range netipx.IPRange
	Count cover.Count
	Tags  []string // a few tags of the policy's feeds that contain most of it, largest share first
}

// maxOwners is how many tags a gap names.
const maxOwners = 3

// Gaps returns the n largest gaps of a price, the largest first.
func (res *Result) Gaps(p *rules.Price, n int) []Gap {
	var list []Gap
	for r := range p.Set.Ranges(p.Family) {
		one, err := ipranges.FromRanges(r)
		if err != nil {
			continue // cannot happen: the ranges of a set are valid
		}
		list = append(list, Gap{Range: r, Count: cover.CountOf(one, p.Family)})
	}
	slices.SortStableFunc(list, func(a, b Gap) int { return b.Count.Cmp(a.Count) })
	list = list[:min(n, len(list))]
	for i := range list {
		list[i].Tags = res.owners(list[i].Range)
	}
	return list
}

// owners returns the tags that contain most of r. Among equal shares, smaller tags come
// first.
func (res *Result) owners(r netipx.IPRange) []string {
	gap, err := ipranges.FromRanges(r)
	if err != nil {
		return nil
	}
	family := ipranges.FamilyOf(r.From())
	type owner struct {
		name        string
		held, whole cover.Count
	}
	var list []owner
	for _, f := range res.Feeds {
		for t := range f.Catalog.Tags() {
			set, _ := f.Catalog.Set(t.Name)
			if set.Overlaps(gap) {
				list = append(list, owner{t.Name, cover.CountOf(set.Intersect(gap), family), cover.CountOf(set, family)})
			}
		}
	}
	slices.SortStableFunc(list, func(a, b owner) int { return cmp.Or(b.held.Cmp(a.held), a.whole.Cmp(b.whole)) })
	var names []string
	for _, o := range list {
		if len(names) < maxOwners && !slices.Contains(names, o.name) {
			names = append(names, o.name)
		}
	}
	return names
}
