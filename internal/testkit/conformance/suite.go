package conformance

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"sallyport/renderers"
	"sallyport/rules"
)

// complete holds the contract itself to say enough.
func (c Contract) complete(t testing.TB) {
	if len(optionsOf(reflect.TypeOf(c.Kind.NewOptions()).Elem(), "")) > 0 && len(c.Mistakes) == 0 {
		t.Error("the target has options, and the contract no mistakes in them")
	}
	for _, v := range c.Variants {
		if len(c.Damages) == 0 && c.Route == nil && !v.NoReadBack {
			t.Errorf("%s reads back, and the contract has no damages", v.Name)
		}
		if newSuite(c, v).build(t, "edge").Caps.RouteBytes != nil && c.Route == nil {
			t.Errorf("%s counts bytes of routes, and the contract does not say which lines are routes", v.Name)
		}
	}
	if load := c.Kind.Load; c.LoadTest == "" && c.Steps == nil && (load == renderers.Transaction || load == renderers.PerFamily) {
		t.Errorf("the load contract is %q, and nothing in the contract shows it", load)
	}
	if c.LoadTest != "" && !hasTest(t, c.LoadTest) {
		t.Errorf("the package has no %s", c.LoadTest)
	}
}

// hasTest reports whether a file of the package under test has the test.
func hasTest(t testing.TB, name string) bool {
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(files, func(file string) bool {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(string(text), "\nfunc "+name+"(t *testing.T) {")
	})
}

func checkInfo(t testing.TB, kind renderers.Kind) {
	i := kind.Info
	if i.Name == "" || i.Title == "" || i.Summary == "" || i.Extension == "" {
		t.Errorf("%q lacks a name, title, summary or extension", i.Name)
	}
	if !slices.Contains([]renderers.LoadContract{renderers.Transaction, renderers.PerFamily, renderers.Additive, renderers.Restart, renderers.NotLoaded}, i.Load) {
		t.Errorf("load contract %q is not one of renderers", i.Load)
	}
	for _, l := range i.Limits {
		if l.Name == "" || l.Value == "" || l.Source == "" {
			t.Errorf("limit %+v lacks its name, value or source", l)
		}
	}
}

// suite is a contract with one of its variants.
type suite struct {
	Contract
	variant Variant
	read    map[string][]byte // the files that the variant's options name, once they are read
}

func newSuite(c Contract, v Variant) *suite {
	return &suite{Contract: c, variant: v, read: map[string][]byte{}}
}

// cases are those of the classes of plans that the variant takes.
func (s *suite) cases(t testing.TB) []Case {
	var list []Case
	caps := s.build(t, "edge").Caps
	if caps.OnlyNames {
		return NameCases()
	}
	if s.verdict(t) == rules.Allow {
		list = FilterCases()
	}
	if slices.Contains(caps.Verdicts, rules.Bypass) || slices.Contains(caps.Verdicts, rules.Tunnel) {
		list = append(list, RouteCases()...)
	}
	if only := s.variant.Only; only != 0 {
		list = slices.DeleteFunc(list, func(c Case) bool { return c.Plan.Rules[0].Verdict != only })
	}
	return list
}

// verdict is what the variant's plans do with what they match: allow it, or route
// it one way or the other.
func (s *suite) verdict(t testing.TB) rules.Verdict {
	t.Helper()
	caps := s.build(t, "edge").Caps
	if s.variant.Only != 0 {
		return s.variant.Only
	}
	for _, v := range []rules.Verdict{rules.Allow, rules.Bypass, rules.Tunnel} {
		if slices.Contains(caps.Verdicts, v) {
			return v
		}
	}
	t.Fatal("the target can do nothing with what it matches")
	return 0
}

// ways are the directions of lists of routes that the variant has.
func (s *suite) ways(t testing.TB) []rules.Verdict {
	if s.variant.Only != 0 {
		return []rules.Verdict{s.variant.Only}
	}
	caps := s.build(t, "edge").Caps
	both := []rules.Verdict{rules.Bypass, rules.Tunnel}
	return slices.DeleteFunc(both, func(v rules.Verdict) bool { return !slices.Contains(caps.Verdicts, v) })
}

// plan lets media to the addresses pass, or routes them, in the families that the
// variant has.
func (s *suite) plan(t testing.TB, to rules.Addresses) *rules.Plan {
	return s.planOf(t, s.verdict(t), to)
}

// planOf is plan for one of the verdicts that the variant has.
func (s *suite) planOf(t testing.TB, v rules.Verdict, to rules.Addresses) *rules.Plan {
	caps := s.build(t, "edge").Caps
	p := filter(allow("calls", rules.Any(), to, media))
	if caps.OnlyNames {
		p = filter(allow("calls", rules.Any(), namesLike(to), https))
	} else if v != rules.Allow {
		p = routes(v, to)
	}
	p.Families = caps.Families
	for _, f := range p.Families.List() {
		if _, lacks := caps.NoBypass[f]; lacks && v == rules.Bypass {
			p.Families &^= rules.Only(f)
		}
	}
	return p
}

// rich is a plan of several rules, or the routes of a set with a hole.
func (s *suite) rich(t testing.TB) *rules.Plan {
	if s.verdict(t) != rules.Allow || s.build(t, "edge").Caps.OnlyNames {
		return s.plan(t, cloud)
	}
	p := filter(deny("hole", lan, inner, mixed), allow("calls", lan, cloud, media))
	p.Families = s.build(t, "edge").Caps.Families
	return p
}

// namesLike is a list of host names in place of addresses: each names a prefix, so that
// one list changes as much as the other.
func namesLike(to rules.Addresses) rules.Addresses {
	var list []string
	for _, f := range rules.BothFamilies.List() {
		for p := range to.Set().Prefixes(f) {
			list = append(list, strings.NewReplacer(":", "-", "/", "-p", ".", "-").Replace(p.String())+".example.com")
		}
	}
	return rules.Named(to.Name(), list)
}

// Build makes the variant's renderer for a target called name.
func (s *suite) build(t testing.TB, name string) *renderers.Target {
	t.Helper()
	r, err := s.Kind.Build(s.variant.Options, renderers.Env{Name: name, Path: name + s.Kind.Extension, Read: s.readFile})
	if err != nil {
		t.Fatalf("building the renderer: %v", err)
	}
	return r
}
