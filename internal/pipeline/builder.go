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

// judgeRest reports, for a policy with mistakes, what is wrong besides with targets that
// are not rendered: with the options of those that the run does not ask for, and with
// all that is known of those that a mistake leaves unfinished. It returns the others.
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

// unfinished reports what is wrong with a target of which a part is not known: nothing
// that could be a consequence of the mistake in that part.
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
		whole := func(e *rules.RuleError) bool { return e.Rule == "" && e.Option == "" } // a rule is missing, after all
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

// hangsOn reports an error that may be gone when the mistakes in the target's options
// are mended.
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
		// A value that is wrong can be what another option is needed for.
		if within || t.Places[m] != (diag.Range{}) && !given {
			return true
		}
	}
	return false
}

// unsupported are the rules that the kind cannot carry, whatever the target's options
// are.
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
