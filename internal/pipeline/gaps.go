package pipeline

import (
	"cmp"
	"slices"

	"go4.org/netipx"

	"sallyport/ipranges"
	"sallyport/ipranges/cover"
	"sallyport/rules"
)

// Gap is a range of addresses that a list of routes holds beyond its set, or leaves
// out of it, with the tags of the policy's feeds that hold it.
type Gap struct {
	Range netipx.IPRange
	Count cover.Count
	Tags  []string // those that hold most of it first, a few
}

// maxOwners is how many tags a gap names.
const maxOwners = 3

// Gaps are the largest n gaps of a price, the largest first.
func (res *Result) Gaps(p *rules.Price, n int) []Gap {
	var list []Gap
	for r := range p.Set.Ranges(p.Family) {
		one, err := ipranges.FromRanges(r)
		if err != nil {
			continue // ranges of a set are ranges
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

// owners are the tags that hold most of r; of those that hold as much, the smallest.
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
