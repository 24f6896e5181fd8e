package pipeline

import (
	"errors"
	"slices"
	"strings"

	"sallyport/diag"
	"sallyport/renderers"
	"sallyport/renderers/all"
	"sallyport/rules"
	"sallyport/rules/policy"
)

// builder makes the targets of a run, each once: options can name large files.
type builder struct {
	req  Request
	made map[*policy.Target]built
}

// built is a target as Build returned it.
type built struct {
	kind  renderers.Kind
	r     *renderers.Target
	diags diag.List
}

func newBuilder(req Request) *builder { return &builder{req: req, made: map[*policy.Target]built{}} }

func (b *builder) build(t *policy.Target) (renderers.Kind, *renderers.Target, diag.List) {
	m, ok := b.made[t]
	if !ok {
		m.kind, m.r, m.diags = Build(t, b.req)
		b.made[t] = m
	}
	return m.kind, m.r, m.diags
}

// judgeRest is for a policy with mistakes. It reports further mistakes in targets that are
// not rendered: in the options of targets that are not chosen, and in the known parts of
// unfinished targets. It returns chosen.
func (b *builder) judgeRest(res *Result, chosen []*policy.Target) []*policy.Target {
	for i := range res.Program.Targets {
		if t := &res.Program.Targets[i]; !slices.Contains(chosen, t) {
			_, _, diags := b.build(t)
			res.add(diags)
		}
	}
	for i := range res.Program.Unfinished {
		res.add(b.unfinished(&res.Program.Unfinished[i]))
	}
	return chosen
}

// unfinished reports the mistakes in the known parts of an unfinished target. It leaves out
// those that the mistake in the unknown part may have caused.
func (b *builder) unfinished(t *policy.Target) diag.List {
	kind, _ := all.Named(t.Kind)
	r, err := kind.Build(t.Options, environment(t, b.req))
	var list diag.List
	for _, e := range renderers.Each(err) {
		if !hangsOn(e, t) {
			list = append(list, Place(t, e))
		}
	}
	if len(t.Plan.Rules) == 0 {
		return list
	}
	if err != nil || len(t.Mistaken) > 0 {
		return append(list, unsupported(t, kind)...)
	}
	lowered, _, errs := rules.Lower(t.Plan, r.Caps)
	if len(errs) > 0 {
		whole := func(e *rules.RuleError) bool { return e.Rule == "" && e.Option == "" } // a missing rule may have caused it
		return append(list, placesOf(t, slices.DeleteFunc(errs, whole))...)
	}
	_, err = r.Render(lowered)
	for _, e := range renderers.Each(err) {
		var rule *rules.RuleError
		if errors.As(e, &rule) && !rule.Place.IsZero() {
			list = append(list, Place(t, e))
		}
	}
	return list
}

// hangsOn reports whether the mistakes in the target's options may have caused the error.
func hangsOn(err error, t *policy.Target) bool {
	var e *renderers.OptionError
	if len(t.Mistaken) == 0 {
		return false
	}
	if !errors.As(err, &e) {
		return true
	}
	given := t.Places[e.Option] != diag.Range{}
	for _, m := range t.Mistaken {
		within := e.Option == m || strings.HasPrefix(e.Option, m+".") || strings.HasPrefix(m, e.Option+".")
		// A wrong value may be the reason why another option is required.
		if within || t.Places[m] != (diag.Range{}) && !given {
			return true
		}
	}
	return false
}

// unsupported reports the rules that no target of the kind can have, with any options.
func unsupported(t *policy.Target, kind renderers.Kind) diag.List {
	return placesOf(t, rules.Unsupported(t.Plan, kind.Caps))
}

func placesOf(t *policy.Target, errs []*rules.RuleError) diag.List {
	var list diag.List
	for _, e := range errs {
		list = append(list, Place(t, e))
	}
	return list
}
