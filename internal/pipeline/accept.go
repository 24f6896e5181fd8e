package pipeline

import (
	"fmt"
	"maps"
	"slices"

	"sallyport/diag"
	"sallyport/internal/fetch"
	"sallyport/renderers/all"
	"sallyport/rules/policy"
)

// Warnings returns all warnings that a policy can accept: what each is about, by ID.
func Warnings() map[string]string {
	list := map[string]string{
		"rule-left-out": "the target's families leave the rule nothing",
		"shared":        "two targets take the same thing, where they are for one machine",
	}
	maps.Copy(list, policy.Warnings)
	maps.Copy(list, fetch.Warnings)
	for _, k := range all.Kinds() {
		maps.Copy(list, k.Warnings)
	}
	return list
}

// aboutTwo are the IDs of warnings about several blocks. Each of these blocks can accept
// them.
var aboutTwo = []string{"rule-left-out", "shared"}

// acknowledge marks the warnings that the policy accepts. If the list has all warnings
// (all), it also warns of each accept that matches none.
func (res *Result) acknowledge(all bool) {
	met := map[*policy.Accept]bool{}
	for i := range res.Diagnostics {
		d := &res.Diagnostics[i]
		if d.Severity != diag.Warning {
			continue
		}
		places := []diag.Range{d.Subject}
		if slices.Contains(aboutTwo, d.ID) {
			for _, r := range d.Related {
				places = append(places, r.Range)
			}
		}
		if a := policy.Accepted(res.Program.Accepts, d.ID, places...); a != nil {
			d.Accepted, met[a] = &diag.Accepted{Reason: a.Reason, Place: a.Place}, true
		}
	}
	if !all || res.Diagnostics.HasErrors() {
		return
	}
	var stale diag.List
	for i := range res.Program.Accepts {
		a := &res.Program.Accepts[i]
		if _, comesAndGoes := fetch.Warnings[a.ID]; met[a] || comesAndGoes {
			continue
		}
		stale = append(stale, diag.Diagnostic{Severity: diag.Warning, Subject: a.Place, Summary: fmt.Sprintf("there is no warning %q here to accept", a.ID),
			Detail: "What it was about is gone, or is warned of in another block.", Fix: "remove the accept"})
	}
	res.add(stale)
}

// AcceptedNote returns the accept block for a note about a feed, or nil if there is none.
func (res *Result) AcceptedNote(feed string, n fetch.Note) *policy.Accept {
	if res.Program == nil || n.ID == "" {
		return nil
	}
	return policy.Accepted(res.Program.Accepts, n.ID, res.Program.FeedPlaces[feed])
}
