package pipeline

import (
	"fmt"
	"path/filepath"

	"sallyport/diag"
	"sallyport/rules/policy"
)

// claimedTwice reports what two targets claim for themselves. It compares all targets of
// the policy, not only those of this run, because they conflict where they are loaded.
func (b *builder) claimedTwice(prog *policy.Program) diag.List {
	var list diag.List
	owner := map[string]*policy.Target{}
	said := map[string]bool{} // by pair of targets and option: one report for all things that an option claims
	for i := range prog.Targets {
		t := &prog.Targets[i]
		_, r, diags := b.build(t)
		if diags != nil {
			continue // its claims are unknown until its own mistake is corrected
		}
		for _, c := range r.Claims {
			key, what := c.Thing, c.Thing
			if c.File != "" {
				key, what = "file "+resolved(c.File, b.req), c.File
			}
			first := owner[key]
			if first == nil || first == t {
				owner[key] = t
				continue
			}
			pair := fmt.Sprintf("%p %p %s", first, t, c.Option)
			if said[pair] {
				continue
			}
			said[pair] = true
			d := diag.Diagnostic{Subject: t.OptionPlace(c.Option), Fix: c.Fix, Detail: "Then " + c.Cost + ".",
				Summary: fmt.Sprintf("targets %s and %s both take %s", first.Name, t.Name, what),
				Related: []diag.Related{{Range: first.OptionPlace(c.Option), Text: "the other one"}}}
			if c.MayDiffer {
				d.Severity, d.ID = diag.Warning, "shared"
				d.Detail = "On one machine, " + c.Cost + "."
			}
			list = append(list, d)
		}
	}
	return list
}

// resolved is the path of a file that the policy names.
func resolved(name string, req Request) string {
	if !filepath.IsAbs(name) {
		name = filepath.Join(filepath.Dir(req.Policy), name)
	}
	return filepath.Clean(name)
}
