package conformance

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"sallyport/renderers"
	"sallyport/rules"
)

// run reports whether the target took the case; refusing is fine where its caps
// really lack something, which unsupported holds it to.
func (s *suite) run(t testing.TB, c Case) bool {
	r := s.build(t, "edge")
	caps := r.Caps
	plan := *c.Plan
	narrowed := plan.Families&^caps.Families != 0
	plan.Families &= caps.Families // as a policy does with families
	lowered, losses, errs := rules.Lower(&plan, caps)
	if len(errs) > 0 {
		t.Logf("refused: %v", errs[0])
		return false
	}
	if len(losses) > 0 && !narrowed {
		t.Fatalf("a case without empty rules lost %+v", losses)
	}
	if _, err := r.Render(lowered); refusal(err) {
		t.Logf("refused: %v", err)
		return false
	}
	files := s.render(t, r, lowered)
	if again := s.render(t, s.build(t, "edge"), lowered); !equalFiles(files, again) {
		t.Error("two runs give different bytes")
	}
	for _, f := range files {
		checkText(t, f)
		s.checkFrom(t, f)
	}
	s.checkLoad(t, files)
	s.readBack(t, r, files, lowered)
	return true
}

// refusal reports whether err says which rule a target cannot carry out, and what
// to do: some things, such as a single ICMP code, no capability speaks of. Plans
// of addresses and ports alone get no such way out: plan and rich are rendered.
func refusal(err error) bool {
	var rule *rules.RuleError
	return errors.As(err, &rule) && rule.Rule != "" && rule.Cause != "" && rule.Fix != ""
}

func (s *suite) render(t testing.TB, r *renderers.Target, p *rules.Plan) []renderers.File {
	t.Helper()
	files, err := r.Render(p)
	if err != nil {
		t.Fatalf("rendering: %v", err)
	}
	if len(files) == 0 {
		t.Fatal("no file and no error")
	}
	return files
}

func (s *suite) readBack(t testing.TB, r *renderers.Target, files []renderers.File, want *rules.Plan) {
	t.Helper()
	got, err := r.ReadBack(files)
	if s.variant.NoReadBack {
		if !errors.Is(err, renderers.ErrNoReadBack) || s.Kind.NoReadBack == "" {
			t.Errorf("reading back gives %v, and the kind's reason is %q", err, s.Kind.NoReadBack)
		}
		return
	}
	if err != nil {
		t.Fatalf("reading back: %v\n%s", err, files[0].Data)
	}
	if d := rules.Compare(want, got); d != nil {
		t.Fatalf("what was rendered differs from the plan: %v", d)
	}
	for _, f := range Flows(want, 200) {
		a, _ := want.Decide(f)
		b, _ := got.Decide(f)
		if a != b {
			t.Fatalf("%v: the plan says %v, what was rendered %v", f, a, b)
		}
	}
}

// checkText refuses bytes that could hide or break something in a text file.
func checkText(t testing.TB, f renderers.File) {
	t.Helper()
	for i, b := range f.Data {
		if b < ' ' && b != '\n' && b != '\t' && b != '\r' || b == 0x7f {
			t.Errorf("%s: control byte %#x at %d", f.Path, b, i)
		}
	}
	if bytes.Contains(f.Data, []byte("\n} ; flush ruleset")) {
		t.Errorf("%s: a hostile string broke out of its line", f.Path)
	}
}

func equalFiles(a, b []renderers.File) bool {
	return slices.EqualFunc(a, b, func(x, y renderers.File) bool {
		return x.Path == y.Path && x.Mode == y.Mode && bytes.Equal(x.Data, y.Data)
	})
}
