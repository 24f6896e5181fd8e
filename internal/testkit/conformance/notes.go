package conformance

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"sallyport/renderers"
	"sallyport/rules"
)

// notes holds the target to what the authors of rules say of them: every text of
// rules.Notes is in some file, none decides anything, and one more changes a few lines.
func (s *suite) notes(t testing.TB) {
	r := s.build(t, "edge")
	plan := lower(t, r, s.rich(t))
	without := s.render(t, r, plan)
	for field := range reflect.TypeFor[rules.Notes]().NumField() {
		name := reflect.TypeFor[rules.Notes]().Field(field).Name
		text := "Said-as-" + name
		noted := withNotes(plan, func(i, f int) string {
			if f != field || i > 0 {
				return ""
			}
			return text
		})
		files := s.render(t, r, noted)
		if !shows(files, text) {
			t.Errorf("no file shows the %s of a rule", name)
		}
		s.readBack(t, r, files, noted)
		// A line in each file with the comment, and the sum of that file in a script.
		if changed, most := changedUnits(without, files), 4+2*len(files); changed > most {
			t.Errorf("the %s of a rule changes %d lines, more than %d", name, changed, most)
		}
	}
	every := withNotes(plan, func(i, f int) string { return fmt.Sprintf("Rule-%d-says-%d", i, f) })
	files := s.render(t, r, every)
	for i := range every.Rules {
		for f := range reflect.TypeFor[rules.Notes]().NumField() {
			if text := fmt.Sprintf("Rule-%d-says-%d", i, f); !shows(files, text) {
				t.Errorf("no file shows %s", text)
			}
		}
	}
	s.readBack(t, r, files, every)
	s.hostileNotes(t, plan)
}

// breakouts are notes that would end a comment, or mean something, in some format.
var breakouts = []string{"calls\n} ; flush ruleset", "*/ x", "?>", "\"; drop", "\nCOMMIT\n-A", "\r\n-F", "routes: bypass of IPv4:", "\n\n", `x\`,
	strings.Repeat("5000 ", 1000)}

// hostileNotes gives the rules notes that mean something in some format.
func (s *suite) hostileNotes(t testing.TB, plan *rules.Plan) {
	for i, x := range slices.Concat(breakouts, strange) {
		if testing.Short() && i >= len(breakouts) && i%3 > 0 {
			continue
		}
		noted := withNotes(plan, func(int, int) string { return x })
		if !s.strange(t, fmt.Sprintf("notes of %.60q", x), s.variant.Options, "edge"+s.Kind.Extension, noted) {
			t.Errorf("notes of %.60q are refused", x)
		}
	}
}

// WithHostileNotes is p with a rule that is like its first for each text that means
// something in some format, and has it as its notes; and the same plan without notes.
func WithHostileNotes(p *rules.Plan) (noted, without *rules.Plan) {
	plain, texts := *p, slices.Concat(breakouts, strange)
	plain.Rules = nil
	for i := range texts {
		r := p.Rules[0]
		r.Name = fmt.Sprintf("%s_%d", r.Name, i)
		plain.Rules = append(plain.Rules, r)
	}
	return withNotes(&plain, func(rule, _ int) string { return texts[rule] }), &plain
}

// withNotes is plan with what text says of the field of a rule's notes.
func withNotes(plan *rules.Plan, text func(rule, field int) string) *rules.Plan {
	out := *plan
	out.Rules = slices.Clone(plan.Rules)
	for i := range out.Rules {
		n := reflect.ValueOf(&out.Rules[i].Notes).Elem()
		for f := range n.NumField() {
			n.Field(f).SetString(text(i, f))
		}
	}
	return &out
}

func shows(files []renderers.File, text string) bool {
	return slices.ContainsFunc(files, func(f renderers.File) bool { return bytes.Contains(f.Data, []byte(text)) })
}
