package main

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/ipranges"
	"sallyport/ipranges/catalog"
)

func newRangesLookup(a *app) *cobra.Command {
	var f sourceFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "lookup ADDRESS...",
		Short: "Say which tags hold an address or a prefix, the most specific first",
		Example: `  sallyport ranges lookup 52.112.0.1
  sallyport ranges lookup 20.202.0.0/16 --json`,
		Args:              takes(1, -1, "an ADDRESS or prefix"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			var queries []netip.Prefix
			for _, s := range args {
				p, err := parseQuery(s)
				if err != nil {
					return wrong(cmd, "%s: %s", s, strings.TrimPrefix(err.Error(), s+" "))
				}
				queries = append(queries, p)
			}
			feed, err := f.open(cmd.Context(), a)
			if err != nil {
				return err
			}
			return a.lookup(feed.Catalog, queries, asJSON)
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func parseQuery(s string) (netip.Prefix, error) {
	if strings.Contains(s, "/") {
		return ipranges.ParsePrefix(s)
	}
	addr, err := netip.ParseAddr(s)
	if err != nil || addr.Zone() != "" {
		return netip.Prefix{}, fmt.Errorf("not an address or prefix")
	}
	addr = addr.Unmap()
	return addr.Prefix(addr.BitLen())
}

// matchJSON is one tag that holds what was looked up, or part of it.
type matchJSON struct {
	tagJSON
	Query  string `json:"query"`
	Whole  bool   `json:"whole"`
	Prefix string `json:"prefix"`
}

func (a *app) lookup(c *catalog.Catalog, queries []netip.Prefix, asJSON bool) error {
	found := []matchJSON{}
	missing := 0
	for i, q := range queries {
		matches := c.Lookup(q)
		if len(matches) == 0 {
			missing++
		}
		if asJSON {
			for _, m := range matches {
				found = append(found, matchJSON{jsonOfTag(c, m.Tag), q.String(), m.Whole, m.Prefix.String()})
			}
			continue
		}
		if i > 0 {
			fmt.Fprintln(a.out)
		}
		if err := a.printMatches(c, q, matches); err != nil {
			return err
		}
	}
	if asJSON {
		if err := a.printJSON(found); err != nil {
			return err
		}
	}
	if missing > 0 {
		return exit{exitFailed}
	}
	return nil
}

func (a *app) printMatches(c *catalog.Catalog, q netip.Prefix, matches []catalog.Match) error {
	name := q.String()
	if q.IsSingleIP() {
		name = q.Addr().String()
	}
	if len(matches) == 0 {
		fmt.Fprintf(a.out, "%s is in no tag of %s\n", name, stateOf(c))
		return nil
	}
	fmt.Fprintf(a.out, "%s is in\n", a.bold(name))
	var rows [][]string
	for _, m := range matches {
		in := m.Prefix.String()
		if !m.Whole {
			in += " (part)"
		}
		rows = append(rows, []string{"  " + m.Name, in, m.Region, m.Service})
	}
	return a.table([]string{"  TAG", "BY", "REGION", "SERVICE"}, rows)
}
