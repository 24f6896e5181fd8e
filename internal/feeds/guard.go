package feeds

import (
	"fmt"
	"math/big"

	"sallyport/ipranges"
	"sallyport/ipranges/catalog"
)

// What one step of a feed may change before a person has to look. A real step of
// two change numbers, 396 to 398 of Azure's public cloud in 2026, changed 0.4 % of
// the addresses and 2 of 3,136 tags.
const (
	maxChange   = 25 // percent of the addresses of a family, more or fewer
	maxTagsGone = 20 // percent of the tags
)

// guard compares a new catalog with the index of the last good one.
func guard(before []byte, now *catalog.Catalog) error {
	if before == nil {
		return nil
	}
	old, err := catalog.OpenIndex(before)
	if err != nil {
		return nil // nothing to compare with
	}
	gone := 0
	for t := range old.Tags() {
		if _, ok := now.Tag(t.Name); !ok {
			gone++
		}
	}
	const fix = "look at the file, and accept it with --accept-feed-change if it is right"
	if gone*100 > old.Len()*maxTagsGone {
		return fmt.Errorf("%d of the %d tags of %s are gone, more than %d %%: %s", gone, old.Len(), stateOf(old), maxTagsGone, fix)
	}
	a, b := union(old), union(now)
	for _, f := range []ipranges.Family{ipranges.IPv4, ipranges.IPv6} {
		if p := percentChange(a.Count(f), b.Count(f)); p > maxChange {
			return fmt.Errorf("the %s addresses of all tags changed by %d %% since %s, more than %d %%: %s", f, p, stateOf(old), maxChange, fix)
		}
	}
	return nil
}

// stateOf says which state of a feed c is.
func stateOf(c *catalog.Catalog) string {
	if n := c.Info().Change; n != "" {
		return "change " + n
	}
	return "the last good copy"
}

func union(c *catalog.Catalog) ipranges.Set {
	var sets []ipranges.Set
	for t := range c.Tags() {
		s, _ := c.Set(t.Name)
		sets = append(sets, s)
	}
	return ipranges.Union(sets...)
}

// percentChange is how far b is from a, in percent of a, rounded up, at most 1000.
func percentChange(a, b *big.Int) int64 {
	diff := new(big.Int).Sub(b, a)
	diff.Abs(diff)
	switch {
	case diff.Sign() == 0:
		return 0
	case a.Sign() == 0:
		return 1000
	}
	diff.Mul(diff, big.NewInt(100)).Add(diff, new(big.Int).Sub(a, big.NewInt(1))).Div(diff, a)
	if !diff.IsInt64() {
		return 1000
	}
	return min(diff.Int64(), 1000)
}
