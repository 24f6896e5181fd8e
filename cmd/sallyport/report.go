package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"sallyport"

	"sallyport/diag"
	"sallyport/internal/pipeline"
	"sallyport/internal/publish"
	"sallyport/ipranges"
	"sallyport/rules"
)

// The JSON that check and generate print with --json. Later versions may add fields, and
// remove none.
type generateJSON struct {
	Policy      *policyJSON  `json:"policy,omitempty"`
	Feeds       []feedJSON   `json:"feeds,omitempty"`
	Targets     []targetJSON `json:"targets,omitempty"`
	Changed     bool         `json:"changed"`
	Recovered   []string     `json:"recovered,omitempty"`
	Orphans     []orphanJSON `json:"orphans,omitempty"`
	Pruned      []string     `json:"pruned,omitempty"`
	Diagnostics diag.List    `json:"diagnostics"`
}

type policyJSON struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
}

type feedJSON struct {
	Name    string    `json:"name"`
	Kind    string    `json:"kind"`
	Cloud   string    `json:"cloud"`
	Change  string    `json:"change"`
	Source  string    `json:"source"`
	SHA256  string    `json:"sha256"`
	Fetched time.Time `json:"fetched,omitzero"`
	Cached  bool      `json:"cached"`
	Stale   bool      `json:"stale"`
	Newer   string    `json:"older_than,omitempty"` // the newer change that was used before
	// Warnings are those about the feed on standard error.
	Warnings []warningJSON `json:"warnings,omitempty"`
}

type warningJSON struct {
	ID       string `json:"id,omitempty"` // of one that can be accepted
	Text     string `json:"text"`
	Accepted bool   `json:"accepted,omitzero"`
	Reason   string `json:"reason,omitempty"`
}

func jsonOfNotes(res *sallyport.Result, f sallyport.Feed) []warningJSON {
	var list []warningJSON
	for _, n := range f.Result.Notes {
		if !n.Warning {
			continue
		}
		w := warningJSON{ID: n.ID, Text: n.Text}
		if a := res.AcceptedNote(f.Name, n); a != nil {
			w.Accepted, w.Reason = true, a.Reason
		}
		list = append(list, w)
	}
	return list
}

type targetJSON struct {
	Name    string      `json:"name"`
	Kind    string      `json:"kind"`
	Rules   int         `json:"rules"`
	Ranges4 int         `json:"ipv4_ranges"`
	Ranges6 int         `json:"ipv6_ranges"`
	Routes4 int         `json:"ipv4_routes,omitempty"` // as the target writes them
	Routes6 int         `json:"ipv6_routes,omitempty"`
	Dropped []string    `json:"dropped_rules,omitempty"`
	Prices  []priceJSON `json:"prices,omitempty"`          // of a list of routes that is not exact
	Equal   bool        `json:"reads_back_equal,omitzero"` // only if it was read back: with check and with --templates
	Change  *changeJSON `json:"change,omitempty"`          // from the files before
	Files   []fileJSON  `json:"files,omitempty"`
}

type fileJSON struct {
	Path   string   `json:"path"`
	Status string   `json:"status"`
	Bytes  int      `json:"bytes"`
	SHA256 string   `json:"sha256"`
	On     string   `json:"on,omitempty"`      // the machine that load and by_hand are for
	Load   string   `json:"load,omitempty"`    // a command
	ByHand string   `json:"by_hand,omitempty"` // what to do if no command can
	Once   []string `json:"once,omitempty"`    // commands after the first load
	Diff   string   `json:"diff,omitempty"`
}

func (a *app) jsonOf(res *sallyport.Result) generateJSON {
	j := generateJSON{Diagnostics: res.Diagnostics}
	if res.Program != nil {
		j.Policy = &policyJSON{res.Program.Name, res.Program.Hash}
	}
	for _, f := range res.Feeds {
		i := f.Catalog.Info()
		j.Feeds = append(j.Feeds, feedJSON{f.Name, i.Kind, i.Cloud, i.Change, i.Source, i.SHA256, i.Fetched, f.Result.FromCache, f.Result.Stale, f.Result.Newer, jsonOfNotes(res, f)})
	}
	for _, o := range res.Outputs {
		t := targetJSON{Name: o.Target.Name, Kind: o.Kind.Name, Rules: len(o.Plan.Rules), Equal: o.ReadBack}
		t.Ranges4, t.Ranges6 = rangesOf(o.Plan)
		t.Change = jsonOfChange(o.Change)
		if list, ok := o.Caps.Routes(o.Plan); ok {
			t.Routes4, t.Routes6 = list.NumPrefixes(ipranges.IPv4), list.NumPrefixes(ipranges.IPv6)
		}
		for _, l := range o.Losses {
			if l.Price != nil {
				t.Prices = append(t.Prices, jsonOfPrice(res, l.Price))
				continue
			}
			t.Dropped = append(t.Dropped, l.Rule)
		}
		j.Targets = append(j.Targets, t)
	}
	return j
}

// rangesOf counts the ranges of the plan's destinations, and each set once.
func rangesOf(p *rules.Plan) (v4, v6 int) {
	seen := map[string]bool{}
	for i := range p.Rules {
		to := p.Rules[i].To
		if to.IsAny() || seen[to.Name()] {
			continue
		}
		seen[to.Name()] = true
		v4 += to.Set().NumRanges(ipranges.IPv4)
		v6 += to.Set().NumRanges(ipranges.IPv6)
	}
	return v4, v6
}

// content describes the content of a target: rules and their destinations, or routes.
func content(o *sallyport.Output) string {
	if list, ok := o.Caps.Routes(o.Plan); ok {
		return routes(o, list)
	}
	return plural(len(o.Plan.Rules), "rule") + " to " + destinations(o.Plan)
}

// routes describes how many routes a target writes, and whether they bypass the VPN or use
// it.
func routes(o *sallyport.Output, written ipranges.Set) string {
	listed, _ := o.Plan.Routes()
	text := fmt.Sprintf("%d IPv4 and %d IPv6 routes", written.NumPrefixes(ipranges.IPv4), written.NumPrefixes(ipranges.IPv6))
	switch {
	case !written.Equal(listed.Set):
		return text + ": all addresses but those that go past the VPN"
	case listed.Way == rules.Bypass:
		return text + " past the VPN"
	}
	return text + " through the VPN"
}

// destinations describes the destinations of a plan's rules.
func destinations(p *rules.Plan) string {
	v4, v6 := rangesOf(p)
	names := map[string]bool{}
	for i := range p.Rules {
		for _, n := range p.Rules[i].To.Patterns() {
			names[n] = true
		}
	}
	switch {
	case len(names) == 0:
		return fmt.Sprintf("%d IPv4 and %d IPv6 ranges", v4, v6)
	case v4+v6 == 0:
		return plural(len(names), "host name")
	}
	return fmt.Sprintf("%d IPv4 and %d IPv6 ranges and %s", v4, v6, plural(len(names), "host name"))
}

func (a *app) reportGenerate(res *sallyport.Result, f *generateFlags, report publish.Report) error {
	changed := report.Changed()
	if f.json {
		j := a.jsonOf(res)
		j.Changed, j.Recovered, j.Pruned = changed, report.Recovered, report.Pruned
		j.Orphans = jsonOfOrphans(f.out, report.Orphans)
		next := report.Files
		for i, o := range res.Outputs {
			for k, file := range o.Files {
				j.Targets[i].Files = append(j.Targets[i].Files, fileRow(f.out, file, next[k].Status.String()))
			}
			next = next[len(o.Files):]
		}
		if err := a.printJSON(j); err != nil {
			return err
		}
	} else {
		a.printReport(res, f, report)
	}
	if changed && f.detailed {
		return exit{exitChanged}
	}
	return nil
}

func (a *app) printReport(res *sallyport.Result, f *generateFlags, report publish.Report) {
	if !f.quiet {
		a.printInputs(res, &f.policyFlags)
	}
	for _, path := range report.Recovered {
		fmt.Fprintf(a.out, "finished   %s, which an earlier run had left half-way\n", path)
	}
	next := report.Files
	for _, o := range res.Outputs {
		files := next[:len(o.Files)]
		next = next[len(o.Files):]
		if f.quiet && !slices.ContainsFunc(files, func(c publish.Change) bool { return c.Status != publish.Unchanged }) {
			continue
		}
		if !a.out.empty() {
			fmt.Fprintln(a.out)
		}
		text := o.Kind.Title + ", " + content(&o)
		fmt.Fprintf(a.out, "%s  %s\n", a.bold(o.Target.Name), hang(text, len(o.Target.Name)+2, 4, a.width))
		for k, file := range o.Files {
			row := fileRow(f.out, file, files[k].Status.String())
			if f.quiet && files[k].Status == publish.Unchanged {
				continue
			}
			fmt.Fprintf(a.out, "  %-9s  %s  %s\n", row.Status, row.Path, a.dim(size(row.Bytes)))
		}
		a.printChange(&o)
		a.printPrices(res, &o)
	}
	a.printPruned(f.out, report)
	if f.quiet {
		return
	}
	a.printOrphans(f.out, report)
	a.printLoads(f.out, loadsOf(f.out, res.Outputs))
	if policyName(res) == pipeline.Builtin {
		fmt.Fprintf(a.out, "\nThis is the built-in policy: media of Azure Communication Services only. What\n"+
			"else calls need is in docs/acs.md; sallyport init writes a policy of your own.\n")
	}
}

// printInputs prints the policy and the feeds of a run.
func (a *app) printInputs(res *sallyport.Result, from *policyFlags) {
	fmt.Fprintf(a.out, "policy  %s%s\n", policyName(res), from.how)
	for _, f := range res.Feeds {
		i := f.Catalog.Info()
		age := ""
		if f.Result.FromCache {
			age = ", cached copy confirmed " + ago(f.Result.Age(a.now()))
		}
		text := strings.TrimSpace(f.Name + ": " + i.Kind + " " + i.Cloud)
		if i.Change != "" {
			text += ", change " + i.Change
		}
		text += age
		fmt.Fprintf(a.out, "feed    %s\n", hang(text, 8, 8, a.width))
	}
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// size writes a number of bytes for people.
func size(n int) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 1_000_000:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", float64(n)/1000), ".0") + " kB"
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}
