package cover

import (
	"net/netip"

	"sallyport/ipranges"
)

// Bytes is the price of budgets in bytes, where each prefix costs what its line
// takes in a target's text. It never changes and is safe for concurrent use.
type Bytes struct {
	menu  *menu
	least int
	exact int
}

// Choice is a cover chosen for a budget in bytes.
type Choice struct {
	Prefixes []netip.Prefix // ascending and disjoint
	Bytes    int            // what they cost together
	Price    Count          // addresses added, or left out
}

// maxCost bounds the cost of a prefix, so that no sum overflows.
const maxCost = 1 << 16

// OverBytes is [OverCurve] for budgets in bytes. cost returns what a prefix
// costs: the length of its line, 1 to 65,536 bytes. It must be the same for the
// same prefix, and not more than the prefix's two halves cost together. A prefix
// around one of the set's may be cheaper, as 20.0.0.0/8 is than 20.33.0.0/16, and
// is taken where that pays. cost is not called after OverBytes returns.
func OverBytes(set ipranges.Set, f ipranges.Family, cost func(netip.Prefix) int, protected ipranges.Set) (*Bytes, error) {
	m, err := overMenu(newTrie(set, f), cost, newSpans(protected.Minus(set), f))
	if err != nil {
		return nil, err
	}
	return newBytes(m), nil
}

// UnderBytes is [UnderCurve] for budgets in bytes, with cost as for
// [OverBytes]. It chooses among the set's minimal prefixes. That is the best
// choice of all prefixes inside the set when none costs less than one that
// holds it: so in all notations but those with a wildcard mask or a last address,
// and but for a byte in IPv6 addresses with two runs of zeros, of which the
// text shortens one.
func UnderBytes(set ipranges.Set, f ipranges.Family, cost func(netip.Prefix) int, must ipranges.Set) (*Bytes, error) {
	if err := checkMust(set, f, must); err != nil {
		return nil, err
	}
	m, err := underMenu(newTrie(set, f), cost, must)
	if err != nil {
		return nil, err
	}
	return newBytes(m), nil
}

func newBytes(m *menu) *Bytes {
	b := &Bytes{menu: m}
	for v := range m.nodes {
		if m.isLeaf(v) {
			b.exact += m.options(v)[0].bytes
		}
	}
	if b.exact > 0 {
		b.least = m.relax(fewestBytes).bytes
	}
	return b
}

// Least returns the smallest feasible budget.
func (b *Bytes) Least() int { return b.least }

// Exact returns what the set's minimal prefixes cost: with as much, the price
// is 0.
func (b *Bytes) Exact() int { return b.exact }

// At returns the cover of the lowest price that costs at most budget, of several
// the cheapest one, and false when the budget is below Least. Of covers that
// are equal in both it takes, at each branch of the tree of prefixes, one
// prefix rather than more, and else the one with fewer bytes in the lower half.
// A few thousand prefixes take some milliseconds.
func (b *Bytes) At(budget int) (Choice, bool) {
	switch {
	case budget < b.least:
		return Choice{}, false
	case budget >= b.exact:
		return Choice{Prefixes: b.menu.prefixes(), Bytes: b.exact}, true
	}
	return b.menu.choose(budget), true
}
