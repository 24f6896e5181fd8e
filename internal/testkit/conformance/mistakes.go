package conformance

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"sallyport/internal/testkit/rendered"
	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// mistake builds a target of options that are wrong.
func (c Contract) mistake(t testing.TB, m Mistake) {
	s := newSuite(c, Variant{})
	env := renderers.Env{Name: "edge", Path: "edge" + c.Kind.Extension, Read: s.readFile}
	if m.Path != "" {
		env.Path, env.PathGiven = m.Path, true
	}
	if m.Files != nil {
		env.Read = func(name string) ([]byte, error) {
			text, ok := m.Files[name]
			if !ok {
				return nil, fmt.Errorf("open %s: %w", name, fs.ErrNotExist)
			}
			return []byte(text), nil
		}
	}
	_, err := c.Kind.Build(m.Options, env)
	var option *renderers.OptionError
	if !errors.As(err, &option) || option.Option != m.Option || option.Cause == "" || option.Fix == "" {
		t.Errorf("no mistake in %s with a cause and a fix, but %v, of %+v", m.Option, err, m.Options)
	}
}

// earlier is what the outputs hold that come before those that are damaged.
var earlier = rules.In("cloud", ipranges.MustParse("9.9.9.0/24", "52.112.0.0/14", "2620:fe::/48"))

// damaged changes the files that the target renders, and reads them back.
func (c Contract) damaged(t testing.TB, d Damage) {
	tried := 0
	for _, v := range c.Variants {
		if d.Variant != "" && d.Variant != v.Name || v.NoReadBack {
			continue
		}
		s := newSuite(c, v)
		for _, plan := range s.damagePlans(t, cloud) {
			old, _ := s.rendered(t, s.build(t, "edge"), s.planOf(t, plan.Rules[0].Verdict, earlier))
			for _, before := range [][]renderers.File{nil, old} {
				r := s.buildAfter(t, before)
				if s.damagedIn(t, d, r, plan) {
					tried++
				}
			}
		}
	}
	if tried == 0 {
		t.Errorf("nothing to change: no file of the variants %q holds %q", d.Variant, d.Old)
	}
}

// damagedIn damages the files of a plan, and reports whether there was something to damage.
func (s *suite) damagedIn(t testing.TB, d Damage, r *renderers.Target, plan *rules.Plan) bool {
	files, lowered := s.rendered(t, r, plan)
	changed := false
	for i, f := range files {
		text := strings.ReplaceAll(string(f.Data), d.Old, d.New)
		changed = changed || text != string(f.Data)
		files[i].Data = []byte(text)
	}
	if !changed {
		return false
	}
	got, err := r.ReadBack(files)
	if err == nil && (!d.Differs || rules.Compare(lowered, got) == nil) {
		t.Errorf("%s, %v: %q for %q is read, and changes %v", s.variant.Name, plan.Rules[0].Verdict, d.New, d.Old, rules.Compare(lowered, got))
	}
	return true
}

// damagePlans are the plans whose files are damaged: the routes to the addresses each way,
// or rules to them, and to host names where there can be such.
func (s *suite) damagePlans(t testing.TB, to rules.Addresses) (list []*rules.Plan) {
	caps := s.build(t, "edge").Caps
	if s.verdict(t) == rules.Allow {
		p := s.plan(t, to)
		if caps.Sources && !caps.OnlyNames {
			p.Rules[0].From = lan
		}
		if caps.Names && !caps.OnlyNames {
			named := *p
			named.Rules = append(slices.Clone(p.Rules), allow("signalling", rules.Any(), hosts, https))
			return []*rules.Plan{p, &named}
		}
		return []*rules.Plan{p}
	}
	for _, v := range s.ways(t) {
		list = append(list, s.planOf(t, v, to))
	}
	return list
}

// rendered is the files of a plan, as r can carry it out, and that plan; none where r
// refuses a rule of it: some options are about one way alone.
func (s *suite) rendered(t testing.TB, r *renderers.Target, p *rules.Plan) ([]renderers.File, *rules.Plan) {
	t.Helper()
	lowered := lower(t, r, p)
	if _, err := r.Render(lowered); refusal(err) {
		return nil, lowered
	}
	return s.render(t, r, lowered), lowered
}

// lower is a plan as r can carry it out. One that has to be taken may not be refused.
func lower(t testing.TB, r *renderers.Target, p *rules.Plan) *rules.Plan {
	t.Helper()
	lowered, _, errs := rules.Lower(p, r.Caps)
	if len(errs) > 0 {
		t.Fatalf("refused: %v", errs[0])
	}
	return lowered
}

// buildAfter makes the variant's renderer for a target that published files before.
func (s *suite) buildAfter(t testing.TB, files []renderers.File) *renderers.Target {
	t.Helper()
	r, err := s.Kind.Build(s.variant.Options, renderers.Env{Name: "edge", Path: "edge" + s.Kind.Extension, Read: s.readFile, Previous: rendered.Previous(files)})
	if err != nil {
		t.Fatalf("building the renderer: %v", err)
	}
	return r
}
