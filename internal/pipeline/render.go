package pipeline

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"sallyport/diag"
	"sallyport/internal/changes"
	"sallyport/internal/publish"
	"sallyport/renderers"
	"sallyport/renderers/all"
	"sallyport/rules"
	"sallyport/rules/policy"
)

// maxOwnFile is the maximum size of a file that a policy names for a target, such as a
// device's configuration. The largest known ones have a few MiB.
const maxOwnFile = 64 << 20

// Build builds the target from its options, or reports the mistakes in them.
func Build(t *policy.Target, req Request) (renderers.Kind, *renderers.Target, diag.List) {
	kind, _ := all.Named(t.Kind)
	r, err := kind.Build(t.Options, environment(t, req))
	if err != nil {
		return kind, nil, places(t, err)
	}
	return kind, r, nil
}

// render renders one target. If its files differ from the published ones, it reads them
// back and compares them with the plan.
func (b *builder) render(t *policy.Target, before published) (*Output, diag.List) {
	kind, r, diags := b.build(t)
	if diags != nil {
		return nil, append(diags, unsupported(t, kind)...)
	}
	req := b.req
	p := *t.Plan
	p.Provenance.Version = req.Version
	if req.Stamp {
		p.Provenance.Generated = req.Now
	}
	if req.Policy == "" {
		p.Provenance.Notes = append(slices.Clone(p.Provenance.Notes), builtinNote)
	}
	lowered, losses, errs := rules.Lower(&p, r.Caps)
	if len(errs) > 0 {
		return nil, placesOf(t, errs)
	}
	for _, l := range losses {
		lowered.Provenance.Notes = append(slices.Clone(lowered.Provenance.Notes), noteOf(l))
	}
	files, err := r.Render(lowered)
	if err != nil {
		return nil, places(t, err)
	}
	out := &Output{Target: t, Kind: kind, Plan: lowered, Caps: r.Caps, Losses: losses, Files: files, built: r}
	changed := before.dir != "" && !before.holds(files)
	if changed {
		if old, origin := before.asBefore(r, lowered, files); old != nil {
			out.Files, out.Made, changed = old, origin, false
		}
	}
	narrow(kind.Name, out.Files, req)
	if !changed && !req.SelfCheck && req.Templates == "" {
		return out, warnings(t, r, lowered, losses)
	}
	got, err := readBack(r, lowered, out.Files)
	if err != nil {
		return nil, places(t, err)
	}
	out.ReadBack = got != nil
	if changed && got != nil {
		out.Change = change(r, before.files(t.Name, files), got, lowered, r.Caps)
	}
	return out, warnings(t, r, lowered, losses)
}

// noteOf is the text about a loss in an output's header.
func noteOf(l rules.Loss) string {
	switch {
	case l.Price == nil:
		return fmt.Sprintf("rule %s is left out: %s", l.Rule, l.Reason)
	case l.Price.Added:
		return "lossy, as the policy allows: " + l.Reason
	}
	return "lossy, as the policy allows: " + l.Reason + ", which go the other way"
}

// readBack reads the rendered files back and compares them with the plan. It returns nil if
// the target cannot read back.
func readBack(r renderers.Renderer, p *rules.Plan, files []renderers.File) (*rules.Plan, error) {
	got, err := r.ReadBack(files)
	switch {
	case errors.Is(err, renderers.ErrNoReadBack):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("the output cannot be read back: %w", err)
	}
	if d := rules.Compare(p, got); d != nil {
		return nil, fmt.Errorf("the output does not do what the policy says: %v", d)
	}
	return got, nil
}

// change compares the files of an earlier run with now, the plan that was read back from
// the new files.
func change(r renderers.Renderer, before []renderers.File, now, plan *rules.Plan, caps rules.Caps) *changes.Summary {
	if len(before) == 0 {
		return nil
	}
	old, err := r.ReadBack(before)
	if err != nil {
		return nil // they had other options, or are damaged; --diff shows the difference
	}
	s := changes.Of(old, now, plan, caps)
	return &s
}

func environment(t *policy.Target, req Request) renderers.Env {
	env := renderers.Env{
		Name:      t.Name,
		Path:      t.Path,
		PathGiven: t.Places["path"] != diag.Range{},
		Read: func(name string) ([]byte, error) {
			return readInput(req, name)
		},
		Previous: func(path string) []byte {
			if req.Out == "" {
				return nil
			}
			data, _, err := publish.Read(req.Out, path)
			if err != nil {
				return nil // publishing reports it
			}
			// Each output ends with a newline. Text after the last one is the start of a line in
			// a truncated file, and may have another meaning than the whole line.
			return data[:bytes.LastIndexByte(data, '\n')+1]
		},
	}
	if req.Templates != "" {
		env.Templates = insideOf(req.Templates)
	}
	return env
}

// places turns an error of a target, or several joined ones, into diagnostics.
func places(t *policy.Target, err error) diag.List {
	var list diag.List
	for _, e := range renderers.Each(err) {
		list = append(list, Place(t, e))
	}
	return list
}

// Place turns a target's error into a diagnostic at the option or rule that caused it.
func Place(t *policy.Target, err error) diag.Diagnostic {
	d := diag.Diagnostic{Summary: fmt.Sprintf("target %s %s: %v", t.Kind, t.Name, err), Subject: t.Place}
	var option *renderers.OptionError
	var rule *rules.RuleError
	switch {
	case errors.As(err, &option):
		d.Summary = fmt.Sprintf("target %s %s: %s", t.Kind, t.Name, option.Cause)
		d.Fix, d.Subject = option.Fix, t.OptionPlace(option.Option)
	case errors.As(err, &rule):
		d.Fix, d.Subject = rule.Fix, t.OptionPlace(rule.Option)
		if !rule.Place.IsZero() {
			d.Subject = rule.Place
			d.Related = []diag.Related{{Range: t.Place, Text: "for this target"}}
		}
	}
	return d
}

// warnings are those about a rendered target: rules that were left out, and its advice.
func warnings(t *policy.Target, r *renderers.Target, p *rules.Plan, losses []rules.Loss) diag.List {
	var list diag.List
	if r.Advice != nil {
		for _, a := range r.Advice(p) {
			list = append(list, diag.Diagnostic{Severity: diag.Warning, ID: a.ID, Subject: t.OptionPlace(a.Option), Fix: a.Fix,
				Summary: fmt.Sprintf("target %s %s: %s", t.Kind, t.Name, a.Cause)})
		}
	}
	for _, l := range losses {
		if l.Price != nil {
			continue // the policy asked for it, and the report has it
		}
		list = append(list, diag.Diagnostic{Severity: diag.Warning, ID: "rule-left-out", Subject: l.Place,
			Summary: fmt.Sprintf("rule %s is left out of target %s: %s", l.Rule, t.Name, l.Reason),
			Related: []diag.Related{{Range: t.Place, Text: "for this target"}}})
	}
	return list
}
