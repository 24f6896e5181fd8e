package main

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/internal/setexpr"
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
					return wrong(cmd, "%s: %v", s, err)
				}
				queries = append(queries, p)
			}
			c, err := f.open(cmd.Context(), a)
			if err != nil {
				return err
			}
			return a.lookup(c, queries, asJSON)
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// parseQuery reads an address or a prefix. An IPv4-mapped address is looked up as IPv4.
// The message that has the error names s before it.
func parseQuery(s string) (netip.Prefix, error) {
	s = strings.TrimSpace(s)
	addr, addrErr := netip.ParseAddr(s)
	if addrErr == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		return addr.Prefix(addr.BitLen())
	}
	r, err := ipranges.ParseRange(s)
	switch {
	case err == nil && !strings.Contains(s, "/"):
		return netip.Prefix{}, errors.New("a range, and not an address or prefix: name its prefixes, or see what sallyport ranges coverage says of it")
	case err == nil:
		p, _ := r.Prefix()
		return p, nil
	case addrErr == nil:
		return netip.Prefix{}, errors.New("not an address of a feed: it has a zone")
	case s == "":
		return netip.Prefix{}, errors.New("empty, and not an address or prefix")
	case strings.Contains(s, ","):
		return netip.Prefix{}, errors.New("not an address or prefix: write blanks between addresses")
	case strings.Contains(s, ":") && !strings.Contains(s, "://"), strings.Trim(s, "0123456789./-") == "" && strings.ContainsAny(s, "./"):
		text := strings.TrimPrefix(err.Error(), s+" ")
		return netip.Prefix{}, errors.New(strings.TrimPrefix(text, strconv.Quote(s)+" is "))
	}
	return netip.Prefix{}, errors.New("not an address or prefix: look up the addresses of a name, one by one; sallyport ranges show prints a tag")
}

// matchJSON is one tag that has the address or prefix, or a part of it.
type matchJSON struct {
	tagJSON
	Query  string `json:"query"`
	Whole  bool   `json:"whole"`
	Prefix string `json:"prefix"`
}

func (a *app) lookup(c *catalog.Catalog, queries []netip.Prefix, asJSON bool) error {
	found := []matchJSON{}
	missing := 0
	tags := map[string]tagJSON{} // a tag is a match of many addresses
	all := c.LookupAll(queries...)
	for i, q := range queries {
		matches := all[i]
		if len(matches) == 0 {
			missing++
		}
		if asJSON {
			for _, m := range matches {
				if _, ok := tags[m.Name]; !ok {
					tags[m.Name] = jsonOfTag(c, m.Tag)
				}
				found = append(found, matchJSON{tags[m.Name], q.String(), m.Whole, m.Prefix.String()})
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
		fmt.Fprintf(a.out, "%s is in no tag of %s\n", name, setexpr.State(c))
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
