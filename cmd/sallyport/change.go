package main

import (
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"sallyport"

	"sallyport/internal/changes"
	"sallyport/internal/publish"
	"sallyport/renderers"
	"sallyport/rules"
)

// changeJSON is how the decisions of a target changed. Counts of addresses are decimal
// strings, because those of IPv6 exceed the numbers of JSON.
type changeJSON struct {
	Rules   []ruleChangeJSON `json:"rules,omitempty"`
	Lists   []listChangeJSON `json:"lists,omitempty"`
	Default string           `json:"default,omitempty"`
	Order   bool             `json:"order,omitzero"`
}

type ruleChangeJSON struct {
	Name            string   `json:"name"`
	Action          string   `json:"action"`
	Change          string   `json:"change"` // new, gone, wider, narrower, wider and narrower, another action
	ServicesAdded   []string `json:"services_added,omitempty"`
	ServicesRemoved []string `json:"services_removed,omitempty"`
}

type listChangeJSON struct {
	Set              string  `json:"set,omitempty"` // absent for routes
	Counts           string  `json:"counts"`        // ranges, routes, names
	Family           string  `json:"family,omitempty"`
	Added            int     `json:"added"`
	Removed          int     `json:"removed"`
	AddressesAdded   string  `json:"addresses_added,omitempty"`
	AddressesRemoved string  `json:"addresses_removed,omitempty"`
	Percent          float64 `json:"percent,omitzero"`
}

// orphanJSON is a file of a target that is no longer in the policy.
type orphanJSON struct {
	Path   string `json:"path"`
	Target string `json:"target"`
	Kind   string `json:"kind"`
	Undo   string `json:"undo,omitempty"` // takes away what it loaded
}

// counted is the word for what a list counts.
func counted(l changes.List) string {
	switch {
	case l.Names:
		return "names"
	case l.Routes:
		return "routes"
	}
	return "ranges"
}

func jsonOfChange(s *changes.Summary) *changeJSON {
	if s == nil {
		return nil
	}
	j := &changeJSON{Default: s.Default, Order: s.Order}
	for _, r := range s.Rules {
		j.Rules = append(j.Rules, ruleChangeJSON{r.Name, r.Verdict.String(), r.What, matchTexts(r.ServicesAdded), matchTexts(r.ServicesRemoved)})
	}
	for _, l := range s.Lists {
		row := listChangeJSON{Set: l.Name, Counts: counted(l), Added: l.Added, Removed: l.Removed}
		if !l.Names {
			row.Family, row.AddressesAdded, row.AddressesRemoved = l.Family.String(), l.AddressesAdded.String(), l.AddressesRemoved.String()
			row.Percent, _ = l.Percent()
		}
		j.Lists = append(j.Lists, row)
	}
	return j
}

func matchTexts(list rules.Matches) (out []string) {
	for _, m := range list {
		out = append(out, m.String())
	}
	return out
}

// printChange prints how the decisions of a target changed.
func (a *app) printChange(o *sallyport.Output) {
	if o.Change == nil {
		return
	}
	for _, line := range changeLines(o.Change) {
		fmt.Fprintf(a.out, "  %s\n", hang(line, 2, 4, a.width))
	}
}

func changeLines(s *changes.Summary) (lines []string) {
	if s.IsZero() {
		return []string{"decides the same as before: its form or its options changed"}
	}
	for _, l := range s.Lists {
		name := "set " + l.Name + ","
		if l.Routes {
			name = "routes,"
		}
		line := fmt.Sprintf("%s %s: +%d -%d %s", name, l.Family, l.Added, l.Removed, counted(l))
		if l.Names {
			line = fmt.Sprintf("%s host names: +%d -%d", name, l.Added, l.Removed)
		} else if p, ok := l.Percent(); ok {
			line += fmt.Sprintf(", %s addresses", percentText(p))
		}
		lines = append(lines, line)
	}
	for _, r := range s.Rules {
		line := fmt.Sprintf("rule %s: %s", r.Name, r.What)
		if r.What == changes.Added || r.What == changes.Turned {
			line += ", " + r.Verdict.String()
		}
		line += services("+", r.ServicesAdded) + services("-", r.ServicesRemoved)
		lines = append(lines, line)
	}
	if s.Order {
		lines = append(lines, "the rules stand in another order")
	}
	if s.Default != "" {
		lines = append(lines, "the rest: from "+s.Default)
	}
	return lines
}

// mostServices is the most protocols and ports that a line names.
const mostServices = 6

// services lists protocols and ports, each after the sign.
func services(sign string, list rules.Matches) string {
	texts := matchTexts(list)
	switch {
	case len(texts) == 0:
		return ""
	case len(texts) > mostServices:
		return fmt.Sprintf(", %s%d protocols and ports", sign, len(texts))
	}
	return ", " + sign + strings.Join(texts, " "+sign)
}

// percentText is a percentage with its sign. Small values are not rounded to zero.
func percentText(p float64) string {
	switch {
	case p == 0:
		return "as many"
	case p > 0 && p < 0.1:
		return "less than +0.1 %"
	case p < 0 && p > -0.1:
		return "less than -0.1 %"
	}
	return fmt.Sprintf("%+.1f %%", p)
}

// printPruned lists the files that this run deleted.
func (a *app) printPruned(out string, report publish.Report) {
	for _, path := range report.Pruned {
		fmt.Fprintf(a.out, "\ndeleted    %s\n", filepath.Join(out, filepath.FromSlash(path)))
	}
}

// printOrphans lists files that earlier runs wrote for the policy and that it no longer has.
func (a *app) printOrphans(out string, report publish.Report) {
	if len(report.Orphans) == 0 {
		return
	}
	fmt.Fprintf(a.out, "\n%s\n", a.bold("No longer in the policy:"))
	for _, o := range jsonOfOrphans(out, report.Orphans) {
		undo := "its beginning says how to take away what it loaded"
		if o.Undo != "" {
			undo = "to take away what it loaded: " + o.Undo
		}
		fmt.Fprintf(a.out, "  %s\n", hang(fmt.Sprintf("%s of %s %s; %s", o.Path, o.Kind, o.Target, undo), 2, 4, a.width))
	}
	fmt.Fprintf(a.out, "Where they are not loaded any more, --prune deletes the files.\n")
}

func jsonOfOrphans(out string, list []publish.Entry) (rows []orphanJSON) {
	for _, e := range list {
		undo := ""
		for _, other := range list { // one command for all files of a target
			if undo == "" && other.Target == e.Target && other.Kind == e.Kind {
				undo = command(other.Undo, out, other.Path)
			}
		}
		rows = append(rows, orphanJSON{filepath.Join(out, filepath.FromSlash(e.Path)), e.Target, e.Kind, undo})
	}
	return rows
}

// command is a command for a file, with the path of the file.
func command(text, out, file string) string {
	return strings.ReplaceAll(text, "{}", renderers.ShellWord(path.Join(filepath.ToSlash(out), file)))
}
