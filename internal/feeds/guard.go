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

	// A tag may grow by this factor, or by few addresses and ports: a region that
	// opens does both, and no tag of 396 to 398 does.
	maxTagGrowth = 4
	maxNewPorts  = 100
)

// tagGrowthBits are the addresses that a tag may gain whatever its size, as bits:
// an IPv4 /14, an IPv6 /36.
var tagGrowthBits = map[ipranges.Family]uint{ipranges.IPv4: 18, ipranges.IPv6: 92}

// mostBits are the addresses that a feed may hold in all, as bits: what an IPv4 /3 and
// an IPv6 /16 hold. The first copy of a feed has no other bound but that on each prefix.
//
// IPv4: an eighth of the space. Azure has 1.2 % of it, AWS 2.4 %, Google's cloud 0.4 %,
// Microsoft 365 0.1 % (2026). IPv6: a share of 2000::/3 would bound nothing, which is
// nearly empty: the five registries were given some ten of its 512 /12s. The largest
// feed, AWS, has less than a /27.
var mostBits = map[ipranges.Family]uint{ipranges.IPv4: 29, ipranges.IPv6: 112}

// guard judges a new catalog by itself and against the index of the last good one,
// before, which may be nil.
func guard(before []byte, now *catalog.Catalog) error {
	const fix = "look at the file, and accept it with --accept-feed-change if it is right"
	var old *catalog.Catalog
	if before != nil {
		old, _ = catalog.OpenIndex(before) // without it there is nothing to compare with
	}
	if err := guardAll(old, now); err != nil {
		return fmt.Errorf("%w: %s", err, fix)
	}
	if old == nil {
		return nil
	}
	if err := guardChange(old, now); err != nil {
		return fmt.Errorf("%w: %s", err, fix)
	}
	return nil
}

// guardAll refuses a feed that opens too much. One that did so before was accepted.
// Decoders let no special-use address pass, so that all that counts is public.
func guardAll(old, now *catalog.Catalog) error {
	for _, f := range []ipranges.Family{ipranges.IPv4, ipranges.IPv6} {
		if holdsTooMuch(now, f) && (old == nil || !holdsTooMuch(old, f)) {
			return fmt.Errorf("in all it holds more %s addresses than a /%d, which is more than a feed should open", f, bitsOf(f)-mostBits[f])
		}
	}
	return nil
}

func bitsOf(f ipranges.Family) uint {
	if f == ipranges.IPv4 {
		return 32
	}
	return 128
}

// holdsTooMuch first adds the tags up, which is quick and rarely too much, although
// they overlap.
func holdsTooMuch(c *catalog.Catalog, f ipranges.Family) bool {
	most := new(big.Int).Lsh(big.NewInt(1), mostBits[f])
	sum := new(big.Int)
	for t := range c.Tags() {
		s, _ := c.Set(t.Name)
		sum.Add(sum, s.Count(f))
	}
	return sum.Cmp(most) > 0 && union(c).Count(f).Cmp(most) > 0
}

// guardChange compares a new catalog with the last good one.
func guardChange(old, now *catalog.Catalog) error {
	gone := 0
	for t := range old.Tags() {
		if _, ok := now.Tag(t.Name); !ok {
			gone++
		}
	}
	if gone*100 > old.Len()*maxTagsGone {
		return fmt.Errorf("%d of the %d tags of %s are gone, more than %d %%", gone, old.Len(), stateOf(old), maxTagsGone)
	}
	for t := range now.Tags() {
		if err := guardTag(old, now, t.Name); err != nil {
			return err
		}
	}
	a, b := union(old), union(now)
	for _, f := range []ipranges.Family{ipranges.IPv4, ipranges.IPv6} {
		if p := percentChange(a.Count(f), b.Count(f)); p > maxChange {
			return fmt.Errorf("the %s addresses of all tags changed by %d %% since %s, more than %d %%", f, p, stateOf(old), maxChange)
		}
	}
	return nil
}

// guardTag refuses a tag that becomes something else, which the union of all tags
// does not show: one that takes in another's addresses, or opens many more ports.
func guardTag(old, now *catalog.Catalog, name string) error {
	was, ok := old.Set(name)
	is, _ := now.Set(name)
	if !ok || was.IsEmpty() {
		return nil
	}
	for _, f := range []ipranges.Family{ipranges.IPv4, ipranges.IPv6} {
		least := new(big.Int).Lsh(big.NewInt(1), tagGrowthBits[f])
		a, b := was.Count(f), is.Count(f)
		grown := new(big.Int).Sub(b, a)
		if grown.Cmp(least) > 0 && b.Cmp(new(big.Int).Mul(a, big.NewInt(maxTagGrowth))) > 0 {
			return fmt.Errorf("the %s addresses of tag %s grew more than %d-fold since %s", f, name, maxTagGrowth, stateOf(old))
		}
	}
	a, b := points(old, name), points(now, name)
	if b > maxTagGrowth*a && b-a > maxNewPorts && a > 0 {
		return fmt.Errorf("tag %s asks for %d ports and asked for %d in %s", name, b, a, stateOf(old))
	}
	return nil
}

// points counts the protocol and port pairs of a tag and its parts.
func points(c *catalog.Catalog, name string) int {
	d, _ := c.Details(name)
	n := 0
	for _, p := range d.Ports {
		n += int(p.Hi) - int(p.Lo) + 1
	}
	return n
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
