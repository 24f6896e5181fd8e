package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/internal/feeds"
	"sallyport/internal/pipeline"
	"sallyport/ipranges"
	"sallyport/ipranges/catalog"
)

// sourceFlags say which feed a ranges command looks into.
type sourceFlags struct {
	feedFlags
	kind, cloud string
}

func (f *sourceFlags) add(cmd *cobra.Command) {
	f.feedFlags.add(cmd)
	cmd.Flags().StringVar(&f.kind, "kind", "", "`KIND` of the feed: "+strings.Join(feeds.Kinds(), ", ")+" (default azure)")
	cmd.Flags().StringVar(&f.cloud, "cloud", "", "`NAME` of the azure cloud: public, usgov, china or germany (default public); or of the m365 instance")
	cmd.Flags().Lookup("feed").Usage = "read `FILE` (or KIND=FILE) instead of the published feed; - is standard input, an https address works too"
	f.complete(cmd)
}

// choose settles the kind of the feed and the file that is read in its place, if any.
func (f *sourceFlags) choose() (file string, err error) {
	if len(f.feeds) > 1 {
		return "", usage("--feed is given %d times, and this command reads one feed", len(f.feeds))
	}
	if len(f.feeds) == 1 {
		file = f.feeds[0]
		kind, rest, ok := strings.Cut(file, "=")
		switch {
		case ok && slices.Contains(feeds.Kinds(), kind):
			if f.kind != "" && f.kind != kind {
				return "", usage("--kind %s and --feed %s=... are of two kinds: leave one out", f.kind, kind)
			}
			f.kind, file = kind, rest
		case ok && !strings.ContainsAny(kind, "/\\.?") && !isFile(file):
			return "", usage("--feed %s: no kind of feed is called %q: choose one of %s, or name a file", file, kind, strings.Join(feeds.Kinds(), ", "))
		}
		if file == "" {
			return "", usage("--feed %s names no file", f.feeds[0])
		}
	}
	f.kind = cmp.Or(f.kind, "azure")
	if !slices.Contains(feeds.Kinds(), f.kind) {
		return "", usage("--kind %s: choose one of %s", f.kind, strings.Join(feeds.Kinds(), ", "))
	}
	if f.cloud != "" {
		if err := feeds.CheckCloud(f.kind, f.cloud); err != nil {
			return "", usage("--cloud: %v", err)
		}
	}
	return file, nil
}

func isFile(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// open opens the one feed of a ranges command and says what should be known of it.
func (f *sourceFlags) open(ctx context.Context, a *app) (*feeds.Feed, error) {
	file, err := f.choose()
	if err != nil {
		return nil, err
	}
	spec := catalog.FeedSpec{Name: f.kind, Kind: f.kind, Cloud: f.cloud}
	if file != "" {
		spec = spec.From(file)
	}
	if f.cloud == "" && spec.File != "" {
		spec.Cloud = feeds.AnyCloud
	}
	o, err := f.opener(a)
	if err != nil {
		return nil, err
	}
	feed, err := o.Open(ctx, spec)
	if err != nil {
		return nil, err
	}
	a.noteFeeds([]pipeline.Feed{{Name: spec.Name, Feed: feed}}, nil)
	return feed, nil
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

// detailsJSON is what show says of a tag, where its feed does.
type detailsJSON struct {
	Ports []string `json:"ports,omitempty"` // udp/3478-3481; of all its addresses
	Names []string `json:"names,omitempty"` // host names and patterns
	Parts []string `json:"parts,omitempty"` // the tags that it unites
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

// stateOf says which feed c is, and of which state: "azure change 398".
func stateOf(c *catalog.Catalog) string {
	i := c.Info()
	if i.Change == "" {
		return i.Kind
	}
	return i.Kind + " change " + i.Change
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
			feed, err := f.open(cmd.Context(), a)
			if err != nil {
				return err
			}
			c := feed.Catalog
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
				hint := noTagOf(c, query, "try fewer letters")
				if near := c.Suggest(strings.Join(words, "."), 3); len(near) > 0 {
					hint = "did you mean " + strings.Join(near, ", ") + "?"
				}
				return fmt.Errorf("no tag of %s matches %q: %s", stateOf(c), query, hint)
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
	sourceFlags
	policy  string
	vars    []string
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
		ValidArgsFunction: f.completeNames(a),
		RunE:              func(cmd *cobra.Command, args []string) error { return a.show(cmd, &f, args) },
	}
	f.add(cmd)
	fl := cmd.Flags()
	fl.StringVarP(&f.policy, "policy", "p", "", "take set.NAME from the policy `FILE`; without it, from policy.hcl of this folder")
	fl.StringArrayVar(&f.vars, "var", nil, "set a variable of the policy, `NAME=VALUE`")
	fl.StringArrayVarP(&f.exclude, "exclude", "x", nil, "leave out the addresses of `NAME`; may be repeated")
	fl.BoolVar(&f.ranges, "ranges", false, "print ranges instead of prefixes")
	fl.BoolVarP(&f.v4, "ipv4", "4", false, "only IPv4")
	fl.BoolVarP(&f.v6, "ipv6", "6", false, "only IPv6")
	fl.BoolVar(&f.json, "json", false, "print JSON, with each tag's region, service, ports and names")
	f.completePolicy(cmd, a)
	complete(cmd, "exclude", f.completeNames(a))
	return cmd
}

func (a *app) show(cmd *cobra.Command, f *showFlags, names []string) error {
	n := namer{a: a, f: f, cmd: cmd}
	var set ipranges.Set
	var list []tagJSON
	for _, name := range names {
		s, tag, err := n.find(name)
		if err != nil {
			return err
		}
		set = set.Union(s)
		list = append(list, tag)
	}
	for _, name := range f.exclude {
		s, _, err := n.find(name)
		if err != nil {
			return err
		}
		set = set.Minus(s)
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

// printSetJSON prints the tags that were named, and the elements of the result.
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

// namer finds tags in the feed and sets in the policy, opening each only if asked.
type namer struct {
	a        *app
	f        *showFlags
	cmd      *cobra.Command
	feed     *catalog.Catalog
	programs map[string]*pipeline.Result // by the set that is wanted
}

func (n *namer) find(name string) (ipranges.Set, tagJSON, error) {
	if set, ok := strings.CutPrefix(name, "set."); ok {
		s, err := n.policySet(set)
		return s, tagJSON{Name: name, Prefixes4: s.NumPrefixes(ipranges.IPv4), Prefixes6: s.NumPrefixes(ipranges.IPv6)}, err
	}
	if n.feed == nil {
		feed, err := n.f.open(n.cmd.Context(), n.a)
		if err != nil {
			return ipranges.Set{}, tagJSON{}, err
		}
		n.feed = feed.Catalog
	}
	t, ok := n.feed.Tag(name)
	if !ok {
		return ipranges.Set{}, tagJSON{}, noTag(n.feed, name)
	}
	s, _ := n.feed.Set(name)
	tag := jsonOfTag(n.feed, t)
	tag.detailsJSON = jsonOfDetails(n.feed, name)
	return s, tag, nil
}

// noTagOf is what to do about a name of which no tag is near.
func noTagOf(c *catalog.Catalog, name, otherwise string) string {
	switch kind := c.Info().Kind; {
	case kind == "m365" && strings.Contains(strings.ToLower(name), "skype"):
		return "the service calls the area of Teams Skype, and its tags are called Teams"
	case kind != "azure":
		return otherwise
	}
	for _, word := range []string{"munication", "acs", "teams", "skype"} {
		if strings.Contains(strings.ToLower(name), word) {
			return "Azure publishes no tag for Communication Services or Teams: docs/acs.md lists their ranges"
		}
	}
	return otherwise
}

func noTag(c *catalog.Catalog, name string) error {
	if hint := notATag(name); hint != "" {
		return usage("%q is no name of a tag: %s", name, hint)
	}
	hint := noTagOf(c, name, "sallyport ranges list finds tags by words")
	if near := c.Suggest(name, 3); len(near) > 0 {
		hint = "did you mean " + strings.Join(near, ", ") + "?"
	}
	return fmt.Errorf("no tag %s in %s: %s", name, stateOf(c), hint)
}

// notATag is what to do about a text that cannot be a tag's name, or "".
func notATag(name string) string {
	_, err := ipranges.ParseRange(name)
	switch {
	case name == "":
		return "write a tag, such as AzureCloud"
	case err == nil || strings.Contains(name, "/"):
		return "sallyport ranges lookup finds the tags of an address, and sallyport aggregate --exclude leaves addresses out"
	case strings.HasPrefix(name, "tag(") || strings.HasPrefix(name, "feed."):
		return "write the name alone, as the feed has it"
	case strings.Contains(name, ","):
		return "write blanks between names"
	}
	return ""
}

func (n *namer) policySet(name string) (ipranges.Set, error) {
	pf := policyFlags{feedFlags: n.f.feedFlags, policy: n.f.policy, vars: n.f.vars}
	if file, _ := pf.chosen(); file == "" && n.f.policy == "" {
		return ipranges.Set{}, usage("set.%s is a set of a policy: name the policy with --policy", name)
	}
	if n.programs[name] == nil {
		req, err := pf.request(n.a)
		if err != nil {
			return ipranges.Set{}, err
		}
		req.Set = name
		if sets := pf.declared(n.a, "set")(); len(sets) > 0 && !slices.Contains(sets, name) { // no feed would change that
			return ipranges.Set{}, noSet(name, sets)
		}
		res, err := pipeline.Compile(n.cmd.Context(), req)
		if err := n.a.settle(res, err); err != nil {
			return ipranges.Set{}, err
		}
		if n.programs == nil {
			n.programs = map[string]*pipeline.Result{}
		}
		n.programs[name] = res
	}
	s, ok := n.programs[name].Program.Set(name)
	if !ok {
		return ipranges.Set{}, noSet(name, pf.declared(n.a, "set")())
	}
	return s.Set, nil
}

func noSet(name string, sets []string) error {
	names := "no set at all"
	if len(sets) > 0 {
		names = list(sets, mostNames)
	}
	return fmt.Errorf("the policy has no set %s: it has %s", name, names)
}
