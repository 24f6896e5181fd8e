package conformance

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"sallyport/renderers"
	"sallyport/rules"
)

// outcome is what may become of a damaged list when it is read back: an error always may.
type outcome string

const (
	refused   outcome = "refused"
	samePlan  outcome = "read as the plan that it was, if at all"
	otherPlan outcome = "read as another plan, if at all"
	otherWay  outcome = "read as the plan, or as one of the other way, if at all"
)

// listDamage is a damage that every list of routes can have.
type listDamage struct {
	name   string
	may    outcome
	change func(lines []string, s *suite) []string
}

// listDamages are of the comment that says which way a list goes and of its families, which
// formats with a direction of their own need not read, and of the lines of routes.
var listDamages = []listDamage{
	{"no header", samePlan, onHeader(func(string) []string { return nil })},
	{"two headers", samePlan, onHeader(func(l string) []string { return []string{l, l} })},
	{"the other direction", otherWay, onHeader(func(l string) []string {
		return []string{strings.NewReplacer("routes: bypass", "routes: include", "routes: include", "routes: bypass").Replace(l)}
	})},
	{"a family less", samePlan, onHeader(func(l string) []string {
		return []string{strings.Replace(l, " of IPv4 and IPv6:", " of IPv4:", 1)}
	})},
	{"no route", otherPlan, func(lines []string, s *suite) []string {
		return slices.DeleteFunc(lines, func(l string) bool { return s.Route(l) })
	}},
	{"a route less", otherPlan, onRoute(func(string) []string { return nil })},
	{"a route twice", samePlan, onRoute(func(l string) []string { return []string{l, l} })},
	{"a blank before a route", samePlan, onRoute(func(l string) []string { return []string{" " + l} })},
	{"half a route", refused, onRoute(func(l string) []string { return []string{l[:len(l)/2] + "\n"} })},
	{"a route of no address", refused, onRoute(func(l string) []string { return []string{strings.ReplaceAll(l, "52.112", "52.512")} })},
	{"host bits", refused, onRoute(func(l string) []string { return []string{strings.ReplaceAll(l, "52.112.0.0", "52.112.0.1")} })},
	{"something else before a route", refused, onRoute(func(l string) []string { return []string{"reboot\n", l} })},
	{"something else behind a route", refused, onRoute(func(l string) []string { return []string{strings.TrimSuffix(l, "\n") + " reboot\n"} })},
}

// onHeader changes the line that RouteHeader writes of the direction.
func onHeader(change func(line string) []string) func([]string, *suite) []string {
	return func(lines []string, _ *suite) []string {
		return replaced(lines, change, func(l string) bool {
			return strings.Contains(l, "routes: bypass of IPv") || strings.Contains(l, "routes: include of IPv")
		})
	}
}

// onRoute changes the line of 52.112.0.0/14.
func onRoute(change func(line string) []string) func([]string, *suite) []string {
	return func(lines []string, s *suite) []string {
		return replaced(lines, change, func(l string) bool { return s.Route(l) && strings.Contains(l, "52.112.0.0") })
	}
}

// replaced is lines with change of the first that is meant.
func replaced(lines []string, change func(line string) []string, meant func(line string) bool) []string {
	i := slices.IndexFunc(lines, meant)
	if i < 0 {
		return lines
	}
	return slices.Concat(lines[:i], change(lines[i]), lines[i+1:])
}

// lists damages each file of a list of routes, each way, as lists of any format can be
// damaged.
func (s *suite) lists(t testing.TB) {
	if s.Route == nil || s.variant.NoReadBack || s.verdict(t) == rules.Allow {
		return
	}
	r := s.build(t, "edge")
	for _, p := range s.damagePlans(t, cloud) {
		files, lowered := s.rendered(t, r, p)
		for _, d := range listDamages {
			for i := range files {
				s.listDamage(t, d, r, files, i, lowered)
			}
		}
	}
}

func (s *suite) listDamage(t testing.TB, d listDamage, r *renderers.Target, files []renderers.File, at int, plan *rules.Plan) {
	broken := slices.Clone(files)
	text := d.change(strings.SplitAfter(string(files[at].Data), "\n"), s)
	broken[at].Data = []byte(strings.Join(text, ""))
	if bytes.Equal(broken[at].Data, files[at].Data) {
		return
	}
	got, err := r.ReadBack(broken)
	if err != nil {
		return
	}
	fine := false
	switch same := rules.Compare(plan, got) == nil; d.may {
	case samePlan:
		fine = same
	case otherPlan:
		fine = !same
	case otherWay:
		list, _ := plan.Routes()
		// What is written as all other addresses means the same whichever way it is told.
		fine = same || s.variant.Complement && got.Default != plan.Default || rules.Compare(rules.RoutePlan(plan.Name, plan.Families, opposite(list.Way), list.Set), got) == nil
	}
	if !fine {
		t.Errorf("%v: %s of %s is not %s", plan.Rules[0].Verdict, d.name, files[at].Path, d.may)
	}
}

func opposite(v rules.Verdict) rules.Verdict {
	if v == rules.Bypass {
		return rules.Tunnel
	}
	return rules.Bypass
}
