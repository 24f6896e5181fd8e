package main

import (
	"fmt"
	"strings"

	"sallyport"

	"sallyport/rules"
)

// shownGaps is how many gaps a report lists, the largest first.
const shownGaps = 10

// priceJSON is the price, in one family, of fitting a list of routes into its device. Counts
// are decimal strings, because those of IPv6 exceed the numbers of JSON.
type priceJSON struct {
	Family    string    `json:"family"`
	What      string    `json:"what"` // added or missing
	Routes    int       `json:"routes"`
	Exact     int       `json:"exact_routes"`
	Addresses string    `json:"addresses"`
	Percent   float64   `json:"percent"`
	Gaps      []gapJSON `json:"largest"`
}

type gapJSON struct {
	Range     string   `json:"range"`
	Addresses string   `json:"addresses"`
	Tags      []string `json:"tags"`
}

func jsonOfPrice(res *sallyport.Result, p *rules.Price) priceJSON {
	j := priceJSON{Family: p.Family.String(), What: "missing", Routes: p.Routes, Exact: p.Exact, Addresses: p.Count.String(), Percent: p.Percent()}
	if p.Added {
		j.What = "added"
	}
	for _, g := range res.Gaps(p, shownGaps) {
		j.Gaps = append(j.Gaps, gapJSON{g.Range.String(), g.Count.String(), append([]string{}, g.Tags...)})
	}
	return j
}

// printPrices prints how many addresses the target's list of routes adds or leaves out, and
// the largest gaps.
func (a *app) printPrices(res *sallyport.Result, o *sallyport.Output) {
	for _, l := range o.Losses {
		if l.Price == nil {
			continue
		}
		p := l.Price
		fmt.Fprintf(a.out, "  %s\n", hang(p.String()+". "+meaning(o, p), 2, 4, a.width))
		rows := [][]string{}
		for _, g := range res.Gaps(p, shownGaps) {
			rows = append(rows, []string{"   ", g.Range.String(), rules.Amount(g.Count), strings.Join(g.Tags, ", ")})
		}
		if err := a.table([]string{"   ", "largest", "", "of"}, rows); err != nil {
			return // finish reports errors of standard output
		}
	}
}

// meaning is what the price means for calls.
func meaning(o *sallyport.Output, p *rules.Price) string {
	switch {
	case o.Plan.Default == rules.Tunnel && p.Added:
		return "What is added goes past the VPN, too."
	case o.Plan.Default == rules.Tunnel:
		return "What is left out stays in the tunnel: calls there work only if the tunnel lets media through."
	case p.Added:
		return "What is added goes through the VPN, too."
	}
	return "What is left out goes past the VPN."
}
