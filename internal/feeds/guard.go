package feeds

import (
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"slices"

	"sallyport/ipranges"
	"sallyport/ipranges/catalog"
)

// The guard refuses a file that is damaged or opens far more than the one before it,
// until a person has looked. It must not refuse a real week: then people learn to accept
// whatever comes. So it looks at prefixes first, and at numbers of addresses only above a
// floor: in a small cloud, one prefix of IPv6 can be most of the addresses (Azure China,
// October 2025: a /40 became a /39, IPv6 +64 %; Azure Public began with IPv6 in 2020).
//
// A real step of two change numbers, 396 to 398 of Azure's public cloud in 2026, changed
// 0.4 % of the addresses and 2 of 3,136 tags.
const (
	maxGrowth   = 25 // percent of the addresses of a family, above growthBits
	maxLost     = 33 // percent of the prefixes of a family, if it is smaller than before
	maxShrink   = 25 // percent of the addresses of a family, above lossBits
	maxTagsGone = 33 // percent of the tags that are gone or lost most of what they held
	minLost     = 3  // fewer prefixes may always go

	// A tag may grow by this factor, or by few addresses and ports: a region that
	// opens does both, and no tag of 396 to 398 does.
	maxTagGrowth = 4
	maxNewPorts  = 100
)

// families are the limits of each address family.
var families = []family{
	// Azure Public has 2^25.6 addresses, Azure China 2^19.4; the widest prefixes
	// that they come to are a /12 and a /16.
	{
		Family: ipranges.IPv4, bits: 32, mostBits: 29, growthBits: 16, tagGrowthBits: 18, goneBits: 8, lossBits: 20,
		widths: []width{{wider: 1, free: 14}, {wider: 4, free: 20}},
	},
	// Azure Public has 2^90.6 addresses, Azure China 2^89.2, Microsoft 365 2^94.7; their
	// widest prefixes are a /40, a /39 and a /36.
	{
		Family: ipranges.IPv6, bits: 128, mostBits: 112, growthBits: 92, tagGrowthBits: 92, goneBits: 80, lossBits: 92,
		widths: []width{{wider: 1, free: 38}},
	},
}

// family is an address family and its limits, as numbers of bits.
type family struct {
	ipranges.Family
	bits int // of an address

	// mostBits: a feed may hold so many addresses in total. The first copy of a feed has
	// no other bound but that on each prefix.
	//
	// IPv4: an eighth of the space. Azure has 1.2 % of it, AWS 2.4 %, Google's cloud 0.4 %,
	// Microsoft 365 0.1 % (2026). IPv6: a share of 2000::/3 would bound nothing, which is
	// nearly empty: the five registries were given some ten of its 512 /12s. The largest
	// feed, AWS, has less than a /27.
	mostBits uint

	growthBits    uint // a feed may always gain so many addresses
	tagGrowthBits uint // and a tag so many
	goneBits      uint // a feed may always lose a family of so many addresses
	lossBits      uint // and so many addresses of a family that stays
	widths        []width
}

// width is how wide a new prefix may be: wider than the widest one before by so many
// bits, or a /free.
type width struct{ wider, free int }

func (f family) exceeds(n *big.Int, bits uint) bool {
	return n.Cmp(new(big.Int).Lsh(big.NewInt(1), bits)) > 0
}

// guard judges a new catalog by itself and against the index of the last good one,
// before, which may be nil. The error says why it is refused.
func guard(before []byte, now *catalog.Catalog) error {
	var old *catalog.Catalog
	if before != nil {
		old, _ = catalog.OpenIndex(before) // without it there is nothing to compare with
	}
	if err := guardAll(old, now); err != nil || old == nil {
		return err
	}
	return guardChange(old, now)
}

// guardAll refuses a feed that opens too much. If the copy before did so, somebody
// accepted it. Decoders refuse special-use addresses, so that all addresses here are
// public.
func guardAll(old, now *catalog.Catalog) error {
	for _, f := range families {
		if f.holdsTooMuch(now) && (old == nil || !f.holdsTooMuch(old)) {
			return fmt.Errorf("in all it holds more %s addresses than a /%d, which is more than a feed should open", f, f.bits-int(f.mostBits))
		}
	}
	return nil
}

// holdsTooMuch first adds up the tags, which is quick. They overlap, so that their
// union is counted if the sum is too large.
func (f family) holdsTooMuch(c *catalog.Catalog) bool {
	sum := new(big.Int)
	for t := range c.Tags() {
		s, _ := c.Set(t.Name)
		sum.Add(sum, s.Count(f.Family))
	}
	return f.exceeds(sum, f.mostBits) && f.exceeds(union(c).Count(f.Family), f.mostBits)
}

// guardChange compares a new catalog with the last good one.
func guardChange(old, now *catalog.Catalog) error {
	since := " since " + stateOf(old)
	a, b := union(old), union(now)
	if err := guardTags(old, now, a); err != nil {
		return err
	}
	for _, f := range families {
		for _, judge := range []func(a, b ipranges.Set) error{f.gone, f.lost, f.wide, f.grown} {
			if err := judge(a.Only(f.Family), b.Only(f.Family)); err != nil {
				return fmt.Errorf("%w%s", err, since)
			}
		}
	}
	for t := range now.Tags() {
		if err := guardTag(old, now, t.Name); err != nil {
			return err
		}
	}
	return nil
}

// gone refuses a file that lost a family.
func (f family) gone(a, b ipranges.Set) error {
	if b.IsEmpty() && f.exceeds(a.Count(f.Family), f.goneBits) {
		return fmt.Errorf("no %s address of all tags is left", f)
	}
	return nil
}

// lost refuses a file that lost many of its prefixes, such as one whose lists were cut,
// or of its addresses. Prefixes that others replace are not lost.
func (f family) lost(a, b ipranges.Set) error {
	if !smaller(a, b, f.Family) {
		return nil
	}
	was, is := a.Count(f.Family), b.Count(f.Family)
	if p := percent(is, was); p < 100-maxShrink && f.exceeds(new(big.Int).Sub(was, is), f.lossBits) {
		return fmt.Errorf("the %s addresses of all tags shrank by %d %%, more than %d %% and a /%d,", f, 100-p, maxShrink, f.bits-int(f.lossBits))
	}
	lost, all := lostPrefixes(a, b, f.Family)
	if lost >= minLost && lost*100 > all*maxLost {
		return fmt.Errorf("%d of the %d %s prefixes of all tags are no longer there, more than %d %%,", lost, all, f, maxLost)
	}
	return nil
}

// smaller reports whether b has clearly fewer prefixes or addresses than a.
func smaller(a, b ipranges.Set, f ipranges.Family) bool {
	return b.NumPrefixes(f)*100 < a.NumPrefixes(f)*(100-maxLost) || percent(b.Count(f), a.Count(f)) < 100-maxShrink
}

// lostPrefixes counts the prefixes of a, and those of which b lacks a part.
func lostPrefixes(a, b ipranges.Set, f ipranges.Family) (lost, all int) {
	all = a.NumPrefixes(f)
	gone := a.Minus(b)
	if gone.IsEmpty() {
		return 0, all
	}
	for p := range a.Prefixes(f) {
		if !b.ContainsPrefix(p) {
			lost++
		}
	}
	return lost, all
}

// wide refuses a prefix that is new and far wider than any before.
func (f family) wide(a, b ipranges.Set) error {
	if a.IsEmpty() {
		return nil // the first addresses of a family: how many they are is judged by grown
	}
	widest := f.bits
	for p := range a.Prefixes(f.Family) {
		widest = min(widest, p.Bits())
	}
	for p := range b.Minus(a).Prefixes(f.Family) {
		if slices.ContainsFunc(f.widths, func(w width) bool { return p.Bits() < widest-w.wider && p.Bits() < w.free }) {
			return fmt.Errorf("%s is new, and wider than any prefix of all tags before, of which the widest is a /%d,", within(p, b, f.Family), widest)
		}
	}
	return nil
}

// within returns the prefix of s that holds p.
func within(p netip.Prefix, s ipranges.Set, f ipranges.Family) netip.Prefix {
	for q := range s.Prefixes(f) {
		if q.Overlaps(p) {
			return q
		}
	}
	return p
}

// grown refuses a file that holds many more addresses.
func (f family) grown(a, b ipranges.Set) error {
	was, is := a.Count(f.Family), b.Count(f.Family)
	if p := percent(is, was) - 100; p > maxGrowth && f.exceeds(new(big.Int).Sub(is, was), f.growthBits) {
		return fmt.Errorf("the %s addresses of all tags grew by %s, more than %d %% and a /%d,", f, times(p), maxGrowth, f.bits-int(f.growthBits))
	}
	return nil
}

// times writes a growth in percent for people.
func times(percent int64) string {
	if percent >= maxPercent-100 {
		return fmt.Sprintf("more than %d %%", maxPercent-100)
	}
	return fmt.Sprintf("%d %%", percent)
}

// guardTags refuses a file that lost tags, or most of what they hold. all is the union of
// the old ones.
func guardTags(old, now *catalog.Catalog, all ipranges.Set) error {
	gone, cut := 0, 0
	var large error
	for t := range old.Tags() {
		was, _ := old.Set(t.Name)
		is, ok := now.Set(t.Name)
		switch {
		case !ok:
			gone++
		case lostMost(was, is):
			cut++
			if isLarge(was, all) {
				large = fmt.Errorf("tag %s lost most of its prefixes since %s", t.Name, stateOf(old))
			}
		}
	}
	if (gone+cut)*100 > old.Len()*maxTagsGone {
		of := fmt.Sprintf("of the %d tags of %s", old.Len(), stateOf(old))
		switch {
		case cut == 0:
			return fmt.Errorf("%d %s are gone, more than %d %%", gone, of, maxTagsGone)
		case gone == 0:
			return fmt.Errorf("%d %s lost most of their prefixes, more than %d %%", cut, of, maxTagsGone)
		}
		return fmt.Errorf("%d %s are gone, and %d lost most of their prefixes, more than %d %%", gone, of, cut, maxTagsGone)
	}
	return large
}

// lostMost reports whether a tag lost more than half of its prefixes.
func lostMost(was, is ipranges.Set) bool {
	lost, all := 0, 0
	for _, f := range families {
		l, a := lostPrefixes(was, is, f.Family)
		lost, all = lost+l, all+a
	}
	return lost >= minLost && 2*lost > all
}

// isLarge reports whether a tag sums others up: it has half of the addresses of each
// family. A service may move, but not a cloud.
func isLarge(tag, all ipranges.Set) bool {
	for _, f := range families {
		if percent(tag.Count(f.Family), all.Count(f.Family)) < 50 {
			return false
		}
	}
	return true
}

// guardTag refuses a tag that becomes something else, which the union of all tags
// does not show: one that takes in another's addresses, or opens many more ports.
func guardTag(old, now *catalog.Catalog, name string) error {
	was, ok := old.Set(name)
	is, _ := now.Set(name)
	if !ok || was.IsEmpty() {
		return nil
	}
	for _, f := range families {
		a, b := was.Count(f.Family), is.Count(f.Family)
		if f.exceeds(new(big.Int).Sub(b, a), f.tagGrowthBits) && b.Cmp(new(big.Int).Mul(a, big.NewInt(maxTagGrowth))) > 0 {
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

const maxPercent = 10_000

// percent is a in percent of b, rounded up, at most maxPercent. Zero is 100 percent of
// zero.
func percent(a, b *big.Int) int64 {
	switch {
	case a.Sign() == 0 && b.Sign() == 0:
		return 100
	case b.Sign() == 0:
		return maxPercent
	}
	p := new(big.Int).Mul(a, big.NewInt(100))
	p.Add(p, b).Sub(p, big.NewInt(1)).Div(p, b)
	if !p.IsInt64() {
		return maxPercent
	}
	return min(p.Int64(), maxPercent)
}

// How many digits of a checksum messages show for --accept-feed-change, and how many it
// needs at least.
const (
	acceptLength = 16
	acceptLeast  = 8
)

// CheckAccept says whether text can name a file that is to be accepted: it must be the
// beginning of a SHA-256 in hex.
func CheckAccept(text string) error {
	if len(text) < acceptLeast || len(text) > 64 {
		return fmt.Errorf("%d to 64 digits of the file's SHA-256 are needed, as the message about the file has them", acceptLeast)
	}
	for _, c := range text {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return errors.New("it is not the beginning of a SHA-256 in hexadecimal, in lower case")
		}
	}
	return nil
}
