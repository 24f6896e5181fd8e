package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/internal/fetch"
	"sallyport/internal/setexpr"
	"sallyport/ipranges"
	"sallyport/ipranges/catalog"
)

// diffFlags are the flags of ranges diff.
type diffFlags struct {
	sourceFlags
	tags     []string
	json     bool
	detailed bool
}

func newRangesDiff(a *app) *cobra.Command {
	var f diffFlags
	cmd := &cobra.Command{
		Use:   "diff OLD [NEW]",
		Short: "Say what changed between two files of a feed",
		Long: `diff compares two files of a feed, tag by tag: how many prefixes came and went.
Without NEW it compares with the current feed. With --tag it prints the
addresses themselves, + for those that came and - for those that went.`,
		Example: `  sallyport ranges diff last-week.json this-week.json
  sallyport ranges diff old.json new.json --tag AzureCloud`,
		Args: takes(1, 2, "file"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.rangesDiff(cmd.Context(), &f, args) },
	}
	f.add(cmd)
	fl := cmd.Flags()
	fl.StringArrayVar(&f.tags, "tag", nil, "only the tag `NAME`, with its addresses; may be repeated")
	fl.BoolVar(&f.json, "json", false, "print JSON")
	fl.BoolVar(&f.detailed, "detailed-exitcode", false, "exit with 4 when anything changed")
	complete(cmd, "tag", f.completeTags(a))
	return cmd
}

// rangesDiffJSON is what diff prints.
type rangesDiffJSON struct {
	Old  string        `json:"old"` // change numbers
	New  string        `json:"new"`
	Tags []tagDiffJSON `json:"tags"`
}

// tagDiffJSON is how one tag changed; addresses are prefixes.
type tagDiffJSON struct {
	Name    string   `json:"name"`
	New     bool     `json:"new"`
	Gone    bool     `json:"gone"`
	Added   []string `json:"added"`
	Removed []string `json:"removed"`
}

func (a *app) rangesDiff(ctx context.Context, f *diffFlags, args []string) error {
	switch {
	case len(args) == 2 && len(f.feeds) > 0:
		return usage("--feed is the new one where none is named: leave it or %s out", args[1])
	case len(args) == 2 && args[0] == "-" && args[1] == "-":
		return usage("standard input can be read once: name a file for one of the two")
	}
	var catalogs [2]*catalog.Catalog
	for i := range catalogs {
		one := f.sourceFlags
		if i < len(args) {
			one.feeds = []string{args[i]}
		}
		var err error
		if catalogs[i], err = one.open(ctx, a); err != nil {
			return err
		}
	}
	diffs, err := f.pick(catalogs)
	if err != nil {
		return err
	}
	if text := oddPair(catalogs[0].Info(), catalogs[1].Info()); text != "" {
		fmt.Fprintln(a.err, a.style("1;33", "warning:"), hang(text, 9, 2, a.width))
	}
	switch {
	case f.json:
		err = a.printJSON(rangesDiffJSON{catalogs[0].Info().Change, catalogs[1].Info().Change, jsonOfDiffs(diffs)})
	case len(f.tags) > 0:
		a.printAddresses(diffs)
	default:
		err = a.printDiffs(catalogs, diffs)
	}
	if err == nil && len(diffs) > 0 && f.detailed {
		return exit{exitChanged}
	}
	return err
}

// oddPair says why comparing two states of a feed, or comparing them in this order, may be a
// mistake; else it is empty.
func oddPair(from, to catalog.Info) string {
	old, now := feedState(from), feedState(to)
	switch {
	case from.Kind != to.Kind:
		return fmt.Sprintf("the old one is of %s and the new one of %s: two kinds of feeds", old, now)
	case from.Cloud != to.Cloud:
		return fmt.Sprintf("the old one is of %s and the new one of %s: two clouds", old, now)
	case fetch.Older(to.Change, from.Change):
		return fmt.Sprintf("the old one is of %s and the new one of %s, which is older: name the older one first", old, now)
	}
	return ""
}

// feedState is the kind, cloud and change of a feed for people, without unknown ones.
func feedState(i catalog.Info) string {
	text := strings.TrimSpace(i.Kind + " " + i.Cloud)
	if i.Change != "" {
		text += ", change " + i.Change
	}
	return text
}

// pick returns the differences of the tags that --tag names, or of all.
func (f *diffFlags) pick(c [2]*catalog.Catalog) ([]catalog.TagDiff, error) {
	wanted := map[string]bool{}
	for _, name := range f.tags {
		_, inOld := c[0].Tag(name)
		_, inNew := c[1].Tag(name)
		if !inOld && !inNew {
			return nil, setexpr.NoTag(c[1], name)
		}
		wanted[name] = true
	}
	var list []catalog.TagDiff
	for _, d := range catalog.Diff(c[0], c[1]) {
		if len(wanted) == 0 || wanted[d.Name] {
			list = append(list, d)
		}
	}
	return list, nil
}

func prefixesOf(s ipranges.Set) []string {
	list := []string{}
	for _, f := range []ipranges.Family{ipranges.IPv4, ipranges.IPv6} {
		for p := range s.Prefixes(f) {
			list = append(list, p.String())
		}
	}
	return list
}

func jsonOfDiffs(diffs []catalog.TagDiff) []tagDiffJSON {
	list := []tagDiffJSON{}
	for _, d := range diffs {
		list = append(list, tagDiffJSON{d.Name, d.New, d.Gone, prefixesOf(d.Added), prefixesOf(d.Removed)})
	}
	return list
}

func (a *app) printAddresses(diffs []catalog.TagDiff) {
	for _, d := range diffs {
		if len(diffs) > 1 {
			fmt.Fprintln(a.out, a.bold(d.Name))
		}
		for _, p := range prefixesOf(d.Removed) {
			fmt.Fprintln(a.out, a.style("31", "- "+p))
		}
		for _, p := range prefixesOf(d.Added) {
			fmt.Fprintln(a.out, a.style("32", "+ "+p))
		}
	}
}

func (a *app) printDiffs(c [2]*catalog.Catalog, diffs []catalog.TagDiff) error {
	from, to := c[0].Info(), c[1].Info()
	feeds := strings.TrimSpace(to.Kind + " " + to.Cloud)
	if from.Kind != to.Kind || from.Cloud != to.Cloud {
		feeds = feedState(from) + ", to " + feedState(to)
	} else if from.Change != "" || to.Change != "" {
		feeds += fmt.Sprintf(", change %s to %s", cmp.Or(from.Change, "unknown"), cmp.Or(to.Change, "unknown"))
	}
	fmt.Fprintf(a.out, "%s: %s changed\n", feeds, plural(len(diffs), "tag"))
	if len(diffs) == 0 {
		return nil
	}
	fmt.Fprintln(a.out)
	var rows [][]string
	for _, d := range diffs {
		note := ""
		switch {
		case d.New:
			note = "new"
		case d.Gone:
			note = "gone"
		}
		rows = append(rows, []string{d.Name, signed("+", d.Added, ipranges.IPv4), signed("-", d.Removed, ipranges.IPv4),
			signed("+", d.Added, ipranges.IPv6), signed("-", d.Removed, ipranges.IPv6), note})
	}
	return a.table(strings.Split("TAG,IPV4 +,IPV4 -,IPV6 +,IPV6 -,", ","), rows)
}

func signed(sign string, s ipranges.Set, f ipranges.Family) string {
	n := s.NumPrefixes(f)
	if n == 0 {
		return "."
	}
	return fmt.Sprintf("%s%d", sign, n)
}
