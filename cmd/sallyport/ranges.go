package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"sallyport"

	"github.com/spf13/cobra"

	"sallyport/internal/setexpr"
	"sallyport/ipranges"
	"sallyport/ipranges/catalog"
	"sallyport/ipranges/kinds"
)

// sourceFlags say which feed a ranges command looks into.
type sourceFlags struct {
	feedFlags
	kind, cloud string
}

func (f *sourceFlags) add(cmd *cobra.Command) {
	f.feedFlags.add(cmd)
	cmd.Flags().StringVar(&f.kind, "kind", "", "`KIND` of the feed: "+strings.Join(kinds.Names(), ", ")+" (default azure)")
	cmd.Flags().StringVar(&f.cloud, "cloud", "", "`NAME` of the azure cloud: public, usgov, china or germany (default public); or of the m365 instance")
	cmd.Flags().Lookup("feed").Usage = "read `FILE` (or KIND=FILE) instead of the published feed; - is standard input, an https address works too"
	f.complete(cmd)
}

// meant returns the feeds that the flags name.
func (f *sourceFlags) meant() setexpr.Feeds {
	return setexpr.Feeds{Kind: f.kind, Cloud: f.cloud, Files: f.feeds}
}

// open opens the one feed of a ranges command and prints the notes about it.
func (f *sourceFlags) open(ctx context.Context, a *app) (*catalog.Catalog, error) {
	spec, err := f.meant().Spec()
	if err != nil {
		return nil, err
	}
	return f.openSpec(ctx, a, spec)
}

func (f *sourceFlags) openSpec(ctx context.Context, a *app, spec catalog.FeedSpec) (*catalog.Catalog, error) {
	o, err := f.opener(a)
	if err != nil {
		return nil, err
	}
	feed, err := o.Open(ctx, spec)
	if err != nil {
		return nil, err
	}
	a.noteFeeds([]sallyport.Feed{{Name: spec.Name, Feed: feed}}, nil)
	return feed.Catalog, nil
}

func newRanges(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ranges",
		Short: "Look into a feed: its tags, their prefixes, and who holds an address",
	}
	cmd.AddCommand(newRangesList(a), newRangesShow(a), newRangesLookup(a), newRangesDiff(a), newRangesCoverage(a))
	return cmd
}

// tagJSON is a tag in JSON.
type tagJSON struct {
	Name      string `json:"name"`
	Region    string `json:"region"`
	Service   string `json:"service"`
	Change    string `json:"change"`
	Prefixes4 int    `json:"ipv4_prefixes"`
	Prefixes6 int    `json:"ipv6_prefixes"`
	detailsJSON
}

// detailsJSON is what show adds to a tag, if the feed has it.
type detailsJSON struct {
	Ports []string `json:"ports,omitempty"` // udp/3478-3481; of all its addresses
	Names []string `json:"names,omitempty"` // host names and patterns
	Parts []string `json:"parts,omitempty"` // the tags of which it is the union
}

func jsonOfDetails(c *catalog.Catalog, name string) detailsJSON {
	var out detailsJSON
	ports, _ := c.Ports(name)
	for _, p := range ports {
		out.Ports = append(out.Ports, p.String())
	}
	d, _ := c.Details(name)
	out.Names, out.Parts = c.Names(name), d.Parts
	return out
}

func jsonOfTag(c *catalog.Catalog, t catalog.Tag) tagJSON {
	s, _ := c.Set(t.Name)
	return tagJSON{Name: t.Name, Region: t.Region, Service: t.Service, Change: t.Change,
		Prefixes4: s.NumPrefixes(ipranges.IPv4), Prefixes6: s.NumPrefixes(ipranges.IPv6)}
}

func newRangesList(a *app) *cobra.Command {
	var f sourceFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list [WORD...]",
		Short: "List the tags of a feed, all or those that every word is found in",
		Long: `list prints the tags of a feed with their region, service, and how many prefixes
they come to. Words are looked for in name, region and service, whatever the
case. A terminal that is too narrow for all columns shows the first ones.`,
		Example: `  sallyport ranges list storage europe
  sallyport ranges list --cloud usgov --json`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, words []string) error {
			c, err := f.open(cmd.Context(), a)
			if err != nil {
				return err
			}
			tags := slices.Collect(c.Tags())
			if len(words) > 0 {
				tags = c.Search(strings.Join(words, " "))
			}
			if asJSON {
				list := []tagJSON{}
				for _, t := range tags {
					list = append(list, jsonOfTag(c, t))
				}
				return a.printJSON(list)
			}
			if len(tags) == 0 {
				query := strings.Join(words, " ")
				hint := setexpr.NoTagHint(c, query, "try fewer letters")
				if near := c.Suggest(strings.Join(words, "."), 3); len(near) > 0 {
					hint = "did you mean " + strings.Join(near, ", ") + "?"
				}
				return fmt.Errorf("no tag of %s matches %q: %s", setexpr.State(c), query, hint)
			}
			return a.printTags(c, tags)
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (a *app) printTags(c *catalog.Catalog, tags []catalog.Tag) error {
	var rows [][]string
	for _, t := range tags {
		j := jsonOfTag(c, t)
		rows = append(rows, []string{t.Name, fmt.Sprint(j.Prefixes4), fmt.Sprint(j.Prefixes6), t.Region, t.Service})
	}
	return a.table([]string{"TAG", "IPV4", "IPV6", "REGION", "SERVICE"}, rows)
}

// showFlags are the flags of ranges show.
type showFlags struct {
	sets    setFlags
	exclude []string
	ranges  bool
	v4, v6  bool
	json    bool
}

func newRangesShow(a *app) *cobra.Command {
	var f showFlags
	cmd := &cobra.Command{
		Use:   "show NAME...",
		Short: "Print the prefixes of tags, or of a policy's sets",
		Long: `show prints the fewest prefixes that hold the addresses of the tags, one a line.
With --policy, set.NAME names a set of the policy.`,
		Example: `  sallyport ranges show AzureCloud.westeurope -4
  sallyport ranges show AzureCloud --exclude Storage --ranges
  sallyport ranges show --policy policy.hcl set.cloud`,
		Args:              takes(1, -1, "the NAME of a tag or set"),
		ValidArgsFunction: f.sets.completeNames(a),
		RunE:              func(cmd *cobra.Command, args []string) error { return a.show(cmd, &f, args) },
	}
	f.sets.add(cmd, a)
	fl := cmd.Flags()
	fl.StringArrayVarP(&f.exclude, "exclude", "x", nil, "leave out the addresses of `NAME`; may be repeated")
	fl.BoolVar(&f.ranges, "ranges", false, "print ranges instead of prefixes")
	fl.BoolVarP(&f.v4, "ipv4", "4", false, "only IPv4")
	fl.BoolVarP(&f.v6, "ipv6", "6", false, "only IPv6")
	fl.BoolVar(&f.json, "json", false, "print JSON, with each tag's region, service, ports and names")
	complete(cmd, "exclude", f.sets.completeNames(a))
	return cmd
}

func (a *app) show(cmd *cobra.Command, f *showFlags, names []string) error {
	e := f.sets.evaluator(a)
	var set ipranges.Set
	var list []tagJSON
	for _, name := range names {
		named, err := e.Name(cmd.Context(), name)
		if err != nil {
			return err
		}
		set = set.Union(named.Set)
		list = append(list, jsonOfNamed(name, named))
	}
	for _, name := range f.exclude {
		named, err := e.Name(cmd.Context(), name)
		if err != nil {
			return err
		}
		set = set.Minus(named.Set)
	}
	set = onlyFamilies(set, f.v4, f.v6)
	if set.IsEmpty() {
		fmt.Fprintln(a.err, "note: nothing is left: the result holds no address")
	}
	if f.json {
		return a.printSetJSON(list, f, set)
	}
	return a.printSet(set, f.ranges)
}

// setJSON is what show prints.
type setJSON struct {
	Tags     []tagJSON `json:"tags"`
	Elements []string  `json:"elements"`
}

// printSetJSON prints the named tags, and the elements of the result.
func (a *app) printSetJSON(tags []tagJSON, f *showFlags, set ipranges.Set) error {
	doc := setJSON{tags, []string{}}
	if f.ranges {
		for r := range set.All() {
			doc.Elements = append(doc.Elements, string(ipranges.AppendRange(nil, r)))
		}
	} else {
		for _, fam := range []ipranges.Family{ipranges.IPv4, ipranges.IPv6} {
			for p := range set.Prefixes(fam) {
				doc.Elements = append(doc.Elements, p.String())
			}
		}
	}
	return a.printJSON(doc)
}

func jsonOfNamed(name string, n setexpr.Named) tagJSON {
	if n.Catalog == nil {
		return tagJSON{Name: name, Prefixes4: n.Set.NumPrefixes(ipranges.IPv4), Prefixes6: n.Set.NumPrefixes(ipranges.IPv6)}
	}
	tag := jsonOfTag(n.Catalog, n.Tag)
	tag.detailsJSON = jsonOfDetails(n.Catalog, name)
	return tag
}
