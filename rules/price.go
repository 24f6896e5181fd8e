package rules

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"sallyport/ipranges"
	"sallyport/ipranges/cover"
)

// Percent is a share of a set, as policies write it: "2.5%".
type Percent float64

// UnmarshalText reads "60%". Over 100 % can be added, so there is no upper end.
func (p *Percent) UnmarshalText(text []byte) error {
	number, ok := strings.CutSuffix(strings.TrimSpace(string(text)), "%")
	n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if !ok || err != nil || !(n >= 0 && n <= 1e9) {
		return fmt.Errorf(`%.40q is no share: write a number and %%, such as "2.5%%"`, text)
	}
	*p = Percent(n)
	return nil
}

func (p Percent) String() string { return strconv.FormatFloat(float64(p), 'f', -1, 64) + "%" }

// Price is what a list of routes that fits costs in one family.
type Price struct {
	Family ipranges.Family
	Added  bool         // addresses that the list holds and its set does not; otherwise those it leaves out
	Routes int          // of the list
	Exact  int          // routes of an exact list
	Limit  RouteLimit   // that binds the family most
	Set    ipranges.Set // the addresses
	Count  cover.Count  // how many
	Whole  cover.Count  // how many the set has
}

// Percent is the price as a share of the set.
func (p *Price) Percent() float64 { return p.Count.Percent(p.Whole) }

// Verb is what the list does with the addresses: "adds" or "leaves out".
func (p *Price) Verb() string {
	if p.Added {
		return "adds"
	}
	return "leaves out"
}

// String says it in a sentence without its end.
func (p *Price) String() string {
	return fmt.Sprintf("%d %s routes in place of %d: %s %s, %s", p.Routes, p.Family, p.Exact, p.Verb(), Amount(p.Count), ShortPercent(p.Percent()))
}

// ShortPercent is a share with two digits that count: 49%, 3.0%, 0.22%, 0.0021%.
func ShortPercent(p float64) string {
	switch {
	case p > 0 && p < 1e-9:
		return "<0.000000001%"
	case p == 0 || p >= 10:
		return fmt.Sprintf("%.0f%%", p)
	case p >= 1:
		return fmt.Sprintf("%.1f%%", p)
	}
	digits := 2
	for q := p; q < 0.1 && digits < 12; q *= 10 {
		digits++
	}
	return strconv.FormatFloat(p, 'f', digits, 64) + "%"
}

// Amount writes c as a number of addresses, in groups of three digits, or as a number of
// /64 networks of IPv6 if it has more than 15 digits.
func Amount(c cover.Count) string {
	if s := c.String(); len(s) <= 15 {
		return grouped(s) + " addresses"
	}
	return grouped(new(big.Int).Rsh(c.Big(), 64).String()) + " /64 networks"
}

func grouped(s string) string {
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
