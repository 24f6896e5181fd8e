// Package conformance is the suite that every target runs, in one call.
//
// For each case and each variant of a target's options it lowers the plan,
// renders it twice, reads it back and compares: as sets, exactly, and once more
// address by address on every boundary of every set. It damages rendered files
// and expects to be told. It holds targets to their limits, to the size of the
// change between two weeks, and to golden files.
package conformance

import (
	"bytes"
	"errors"
	"flag"
	"slices"
	"strings"
	"testing"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

var update = flag.Bool("update", false, "write golden files anew")

// Variant is one way to set a target's options.
type Variant struct {
	Name    string
	Options any // as the kind's NewOptions returns them
	// NoReadBack says that these options cannot be read back; the kind's Info
	// must give the reason.
	NoReadBack bool
	// Complement says that the output lists all other addresses than the plan
	// does: the size of a change is counted in those.
	Complement bool
}

// Run holds kind to the contract with each variant. Golden files are under
// testdata/golden; go test -update writes them.
func Run(t *testing.T, kind renderers.Kind, variants ...Variant) {
	checkInfo(t, kind)
	for _, v := range variants {
		t.Run(v.Name, func(t *testing.T) {
			s := &suite{kind: kind, variant: v, read: map[string][]byte{}}
			rendered, ran, cases := 0, 0, s.cases(t)
			for _, c := range cases {
				t.Run(c.Name, func(t *testing.T) {
					ran++
					if s.run(t, c) {
						rendered++
					}
				})
			}
			if ran == len(cases) && rendered*4 < ran && !t.Failed() { // what a target refuses, nothing here tests
				t.Errorf("only %d of %d cases were rendered: the target refuses too much to be judged", rendered, ran)
			}
			t.Run("empty rule", s.emptyRule)
			t.Run("unsupported", s.unsupported)
			t.Run("known wrong outputs", s.wrongOutputs)
			t.Run("small change", s.smallChange)
			t.Run("limits", s.limits)
			t.Run("budget", s.budget)
			t.Run("damage", s.damage)
			t.Run("hostile options", s.hostile)
			t.Run("notes", s.notes)
			t.Run("cuts", s.cuts)
			t.Run("golden", s.golden)
		})
	}
}

func checkInfo(t *testing.T, kind renderers.Kind) {
	i := kind.Info
	if i.Name == "" || i.Title == "" || i.Summary == "" || i.Extension == "" {
		t.Errorf("%q lacks a name, title, summary or extension", i.Name)
	}
	if !slices.Contains([]renderers.LoadContract{renderers.Transaction, renderers.PerFamily, renderers.Additive, renderers.Restart, renderers.NotLoaded}, i.Load) {
		t.Errorf("load contract %q is none of ours", i.Load)
	}
	for _, l := range i.Limits {
		if l.Name == "" || l.Value == "" || l.Source == "" {
			t.Errorf("limit %+v lacks its name, value or source", l)
		}
	}
}

type suite struct {
	kind    renderers.Kind
	variant Variant
	read    map[string][]byte // the files that the variant's options name, once they are read
}

// cases are those of the classes of plans that the variant takes.
func (s *suite) cases(t *testing.T) []Case {
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
	return list
}

// verdict is what the variant's plans do with what they match: allow it, or route
// it one way or the other.
func (s *suite) verdict(t testing.TB) rules.Verdict {
	t.Helper()
	caps := s.build(t, "edge").Caps
	for _, v := range []rules.Verdict{rules.Allow, rules.Bypass, rules.Tunnel} {
		if slices.Contains(caps.Verdicts, v) {
			return v
		}
	}
	t.Fatal("the target can do nothing with what it matches")
	return 0
}

// plan lets media to the addresses pass, or routes them, in the families that the
// variant has.
func (s *suite) plan(t testing.TB, to rules.Addresses) *rules.Plan {
	caps := s.build(t, "edge").Caps
	p := filter(allow("calls", rules.Any(), to, media))
	if caps.OnlyNames {
		p = filter(allow("calls", rules.Any(), namesLike(to), https))
	} else if v := s.verdict(t); v != rules.Allow {
		p = routes(v, to)
	}
	p.Families = caps.Families
	for _, f := range p.Families.List() {
		if _, lacks := caps.NoBypass[f]; lacks && s.verdict(t) == rules.Bypass {
			without := map[ipranges.Family]rules.Families{ipranges.IPv4: rules.OnlyIPv6, ipranges.IPv6: rules.OnlyIPv4}
			p.Families &= without[f]
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
	r, err := s.kind.Build(s.variant.Options, renderers.Env{Name: name, Path: name + s.kind.Extension, Read: s.readFile})
	if err != nil {
		t.Fatalf("building the renderer: %v", err)
	}
	return r
}

// run reports whether the target took the case; refusing is fine where its caps
// really lack something, which unsupported holds it to.
func (s *suite) run(t *testing.T, c Case) bool {
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

func (s *suite) readBack(t *testing.T, r *renderers.Target, files []renderers.File, want *rules.Plan) {
	t.Helper()
	got, err := r.ReadBack(files)
	if s.variant.NoReadBack {
		if !errors.Is(err, renderers.ErrNoReadBack) || s.kind.NoReadBack == "" {
			t.Errorf("reading back gives %v, and the kind's reason is %q", err, s.kind.NoReadBack)
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
func checkText(t *testing.T, f renderers.File) {
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

// emptyRule gives the target rules that match nothing, past the check that would
// have dropped them: they must not turn into "any".
func (s *suite) emptyRule(t *testing.T) {
	r := s.build(t, "edge")
	none := rules.In("none", ipranges.Set{})
	if r.Caps.OnlyNames {
		if _, _, errs := rules.Lower(filter(allow("none", rules.Any(), rules.Named("none", nil), https)), r.Caps); len(errs) == 0 {
			t.Error("an empty list of names is not refused")
		}
		return
	}
	if s.verdict(t) != rules.Allow {
		if _, _, errs := rules.Lower(s.plan(t, none), r.Caps); len(errs) == 0 {
			t.Error("routes to nowhere are not refused")
		}
		return
	}
	for _, c := range []Case{
		{"no destination", filter(allow("none", rules.Any(), none, media))},
		{"no source", filter(allow("none", none, cloud, media))},
		{"no service", filter(allow("none", rules.Any(), cloud))},
		{"an empty service", filter(allow("none", rules.Any(), cloud, rules.NewService("nothing")))},
		{"no common family", filter(allow("none", lan4, only6, media))},
		{"nothing in the plan's family", func() *rules.Plan {
			p := filter(allow("none", rules.Any(), only6, media))
			p.Families = rules.OnlyIPv4
			return p
		}()},
	} {
		if _, losses, errs := rules.Lower(c.Plan, r.Caps); len(errs) == 0 {
			t.Errorf("%s: a plan without any effect is not refused: %+v", c.Name, losses)
		}
		both := *c.Plan
		both.Rules = append(slices.Clone(both.Rules), allow("calls", rules.Any(), only4, media))
		_, losses, errs := rules.Lower(&both, r.Caps)
		if len(errs) == 0 && (len(losses) != 1 || losses[0].Rule != "none" || !losses[0].Dropped) {
			t.Errorf("%s: the dropped rule is not reported: %+v", c.Name, losses)
		}
		files, err := r.Render(&both)
		if err != nil || s.variant.NoReadBack {
			continue
		}
		got, err := r.ReadBack(files)
		if err != nil {
			t.Errorf("%s: reading back: %v", c.Name, err)
			continue
		}
		if d := rules.Compare(&both, got); d != nil {
			t.Errorf("%s: %v\n%s", c.Name, d, files[0].Data)
		}
	}
}

// unsupported checks that each feature that the caps lack is refused.
func (s *suite) unsupported(t *testing.T) {
	r := s.build(t, "edge")
	caps := r.Caps
	rejected, logged := deny("x", rules.Any(), cloud, media), allow("x", rules.Any(), cloud, media)
	rejected.Reject, logged.Log = true, true
	refused := func(feature string, lacks bool, p *rules.Plan) {
		_, _, errs := rules.Lower(p, caps)
		if (len(errs) > 0) != lacks {
			t.Errorf("%s: lacking is %v, and lowering says %v", feature, lacks, errs)
		}
	}
	p := filter(allow("x", rules.Any(), cloud, media))
	p.Families = caps.Families
	if caps.OnlyNames {
		refused("addresses", true, p)
		p.Rules[0].To, p.Rules[0].Services = hosts, []rules.Service{https}
		refused("names", false, p)
		return
	}
	base := func(r rules.Rule) *rules.Plan { q := *p; q.Rules = []rules.Rule{r}; return &q }
	if slices.Contains(caps.Verdicts, rules.Allow) {
		refused("ports", !caps.Ports, p)
		refused("names", !caps.Names, base(allow("x", rules.Any(), hosts, https)))
		refused("wildcards", !caps.Names || !caps.Wildcards, base(allow("x", rules.Any(), wildcards, https)))
		if caps.Ports {
			refused("sources", !caps.Sources, base(allow("x", lan, cloud, media)))
			refused("log", !caps.Log, base(logged))
			refused("icmp", !caps.ICMP, base(allow("x", rules.Any(), cloud, ping)))
			refused("protocols", !caps.Protocols, base(allow("x", rules.Any(), cloud, rules.NewService("gre", rules.All(rules.GRE)))))
		}
	}
	if slices.Contains(caps.Verdicts, rules.Deny) && caps.Ports {
		refused("reject", !caps.Reject, base(rejected))
	}
	bypass := routes(rules.Bypass, cloud)
	bypass.Families = s.plan(t, cloud).Families
	refused("bypass", !slices.Contains(caps.Verdicts, rules.Bypass), bypass)
	bypass.Families = caps.Families
	refused("bypass of every family", !slices.Contains(caps.Verdicts, rules.Bypass) || len(caps.NoBypass) > 0, bypass)
	both := filter(allow("x", rules.Any(), cloud, media))
	refused("families", caps.Families != rules.BothFamilies || !caps.Ports, both)
}

// smallChange renders two versions of a long list that differ in few prefixes: the
// changed lines, as Week counts them, must be within three times as many, and a handful
// for counts and a checksum.
func (s *suite) smallChange(t *testing.T) {
	r := s.build(t, "edge")
	n := 2000
	for ; n > 20; n /= 2 { // as much as the target has room for
		if _, _, errs := rules.Lower(s.plan(t, rules.In("cloud", manyRanges(3, n))), r.Caps); len(errs) == 0 {
			break
		}
	}
	before := manyRanges(3, n)
	gone := ipranges.MustParse("52.112.0.0/14")
	added := ipranges.MustParse("203.0.114.0/24", "203.0.120.0/22", "203.0.130.7", "2a01:111:f400::/48", "20.33.128.0/17")
	after := before.Minus(gone).Union(added)
	prefixes := changedPrefixes(before, after)
	if s.variant.Complement {
		prefixes = changedPrefixes(complement(before), complement(after))
	}
	var texts [2][]renderers.File
	for i, set := range []ipranges.Set{before, after} {
		p := s.plan(t, rules.In("cloud", set))
		lowered, _, errs := rules.Lower(p, r.Caps)
		if len(errs) > 0 {
			t.Fatalf("a plain list is refused: %v", errs[0])
		}
		texts[i] = s.render(t, r, lowered)
	}
	changed := changedUnits(texts[0], texts[1])
	if limit := 3*prefixes + 6; changed > limit {
		t.Errorf("%d changed prefixes change %d lines, more than %d", prefixes, changed, limit)
	}
}

func complement(s ipranges.Set) ipranges.Set {
	return s.Complement(ipranges.IPv4).Union(s.Complement(ipranges.IPv6))
}
