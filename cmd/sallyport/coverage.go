package main

import (
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/ipranges"
)

// coverageFlags are the flags of ranges coverage.
type coverageFlags struct {
	sets    setFlags
	by      []string
	verbose bool
	json    bool
}

func newRangesCoverage(a *app) *cobra.Command {
	var f coverageFlags
	cmd := &cobra.Command{
		Use:   "coverage SET... --by SET",
		Short: "Say how much of sets other sets hold, and what they lack",
		Long: `coverage prints, for each set and family, how many addresses it has and how many
of them the sets of --by hold together.

A set is a tag of the feed (of another kind of feed: KIND:TAG, such as m365:11),
a prefix, a range, an address, or with --policy set.NAME.`,
		Example: `  sallyport ranges coverage 20.202.0.0/16 52.112.0.0/14 --by AzureCloud
  sallyport ranges coverage m365:Teams --by azure:AzureCloud -v
  sallyport ranges coverage set.calls --by set.cloud --policy policy.hcl --json`,
		Args: takes(1, -1, "a SET"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(f.by) == 0 {
				return wrong(cmd, "%s needs --by, the set to compare with", cmd.CommandPath())
			}
			return a.coverage(cmd, &f, args)
		},
		ValidArgsFunction: f.sets.completeSets(a),
	}
	f.sets.add(cmd, a)
	fl := cmd.Flags()
	fl.StringArrayVarP(&f.by, "by", "b", nil, "compare with `SET`; may be repeated, for the union")
	fl.BoolVarP(&f.verbose, "verbose", "v", false, "list the prefixes that are not held")
	fl.BoolVar(&f.json, "json", false, "print JSON, with the prefixes that are not held")
	fl.Lookup("feed").Usage = "read `FILE` (or KIND=FILE) instead of the published feed; once for each kind"
	complete(cmd, "by", f.sets.completeSets(a))
	return cmd
}

// coveragesJSON is what coverage prints.
type coveragesJSON struct {
	By   []string       `json:"by"`
	Sets []coverageJSON `json:"sets"`
}

// coverageJSON is the coverage of one set, by family; a family is absent if the set has no
// address of it. Counts are decimal strings, because those of IPv6 exceed the numbers of
// JSON.
type coverageJSON struct {
	Name string     `json:"name"`
	IPv4 *shareJSON `json:"ipv4,omitzero"`
	IPv6 *shareJSON `json:"ipv6,omitzero"`
}

type shareJSON struct {
	Addresses string   `json:"addresses"`
	Covered   string   `json:"covered"`
	Percent   float64  `json:"percent"` // rounded down to a hundredth: 100 means all
	Missing   []string `json:"missing"` // prefixes
}

// share is the coverage of one family of a set: how many of its addresses other sets have.
type share struct {
	total, held *big.Int
	missing     ipranges.Set
}

func shareOf(set, by ipranges.Set, f ipranges.Family) (share, bool) {
	set = set.Only(f)
	return share{set.Count(f), set.Intersect(by).Count(f), set.Minus(by)}, !set.IsEmpty()
}

// hundredths is the coverage in hundredths of a percent, rounded down.
func (s share) hundredths() int64 {
	n := new(big.Int).Mul(s.held, big.NewInt(10_000))
	return n.Div(n, s.total).Int64()
}

func (s share) percent() string {
	switch n := s.hundredths(); {
	case s.missing.IsEmpty():
		return "all"
	case s.held.Sign() == 0:
		return "none"
	case n == 0:
		return "<0.01 %"
	default:
		return fmt.Sprintf("%d.%02d %%", n/100, n%100)
	}
}

// count writes n for people: with all digits, or in scientific notation if there are many.
func count(n *big.Int) string {
	digits := n.String()
	if len(digits) > 15 {
		return new(big.Float).SetInt(n).Text('e', 2)
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

func (a *app) coverage(cmd *cobra.Command, f *coverageFlags, names []string) error {
	e := f.sets.evaluator(a)
	sets, err := e.Sets(cmd.Context(), names)
	if err != nil {
		return err
	}
	holders, err := e.Sets(cmd.Context(), f.by)
	if err != nil {
		return err
	}
	by := ipranges.Union(holders...)
	if len(sets) > 1 && !f.json {
		names = append(slices.Clone(names), "together")
		sets = append(sets, ipranges.Union(sets...))
	}
	if f.json {
		return a.printCoverageJSON(f.by, names, sets, by)
	}
	return a.printCoverage(f, names, sets, by)
}

func (a *app) printCoverageJSON(holders, names []string, sets []ipranges.Set, by ipranges.Set) error {
	doc := coveragesJSON{holders, []coverageJSON{}}
	for i, set := range sets {
		one := coverageJSON{Name: names[i]}
		for f, to := range map[ipranges.Family]**shareJSON{ipranges.IPv4: &one.IPv4, ipranges.IPv6: &one.IPv6} {
			if s, ok := shareOf(set, by, f); ok {
				*to = &shareJSON{s.total.String(), s.held.String(), float64(s.hundredths()) / 100, prefixesOf(s.missing)}
			}
		}
		doc.Sets = append(doc.Sets, one)
	}
	return a.printJSON(doc)
}

func (a *app) printCoverage(f *coverageFlags, names []string, sets []ipranges.Set, by ipranges.Set) error {
	fmt.Fprintf(a.out, "held by %s\n\n", hang(strings.Join(f.by, ", "), 8, 8, a.width))
	var rows [][]string
	for i, set := range sets {
		for _, fam := range []ipranges.Family{ipranges.IPv4, ipranges.IPv6} {
			s, ok := shareOf(set, by, fam)
			if !ok {
				continue
			}
			lacking := "."
			if n := s.missing.NumPrefixes(fam); n == 1 {
				lacking = "1 prefix"
			} else if n > 1 {
				lacking = fmt.Sprintf("%d prefixes", n)
			}
			rows = append(rows, []string{names[i], fam.String(), count(s.total), s.percent(), lacking})
		}
		if set.IsEmpty() {
			rows = append(rows, []string{names[i], "no address", "0", ".", "."})
		}
	}
	if err := a.table([]string{"SET", "FAMILY", "ADDRESSES", "HELD", "NOT HELD"}, rows); err != nil || !f.verbose {
		return err
	}
	missing := ipranges.Union(sets...).Minus(by)
	if missing.IsEmpty() {
		return nil
	}
	fmt.Fprintf(a.out, "\nnot held:\n")
	return a.printSet(missing, false)
}
