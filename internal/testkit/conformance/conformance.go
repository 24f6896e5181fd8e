// Package conformance is the whole contract of targets with what is around them, as
// one suite. A target's test states what only the target knows, and runs all of it:
//
//	func contract() conformance.Contract {
//		return conformance.Contract{Kind: Kind(), Variants: variants(),
//			Mistakes: []conformance.Mistake{
//				conformance.Wrong("device", options(func(o *Options) { o.Device = "eth0;reboot" })),
//			},
//			Damages: conformance.Damaged("", map[string][2]string{
//				"host bits": {"52.112.0.0/14", "52.112.0.1/14"},
//			}),
//			Route:    conformance.Begins("route "),
//			LoadTest: "TestLoads",
//		}
//	}
//
//	func TestConformance(t *testing.T) { conformance.Run(t, contract()) }
//	func FuzzFiles(f *testing.F)       { conformance.Fuzz(f, contract()) }
//	func BenchmarkRender(b *testing.B) { conformance.Benchmark(b, contract()) }
//
// For each case and each variant of a target's options the suite lowers the plan, renders
// it twice, reads it back and compares: as sets, exactly, and once more address by address
// on every boundary of every set. It damages rendered files, by itself and as the contract
// says, and expects to be told. It holds targets to their mistakes, to their limits and the
// bytes that these count, to their claims, to the size of the change between two weeks, and
// to golden files. The tests of a target itself are about its device. A contract that leaves
// out what its target needs is a failure, and suite_test.go shows that faults are found.
package conformance

import (
	"cmp"
	"flag"
	"slices"
	"strings"
	"testing"

	"sallyport/renderers"
	"sallyport/rules"
)

var update = flag.Bool("update", false, "write golden files anew")

// Contract is what a target says of itself for the suite.
type Contract struct {
	Kind     renderers.Kind
	Variants []Variant
	Mistakes []Mistake
	Damages  []Damage
	// Route tells a line, its end included, that stands for a route from the others. Nil
	// where no line does.
	Route func(line string) bool
	// Cost is what a line that Route tells costs as Caps.RouteBytes counts it: an oracle of
	// the test's own. Nil: the line's bytes, its end included. RouteBytes does not know which
	// way a list goes; where lines of one way are shorter, Cost adds what is counted too much.
	Cost func(line string) int
	// A target whose load contract is Transaction or PerFamily says which test holds it to
	// that: LoadTest is the test of its package that loads outputs into a device, or a
	// program in its place. Or Steps are the commands of a file, which the suite plays.
	LoadTest string
	Steps    func(f renderers.File) []Step
}

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
	// Only is the one way of routes that these options are for, where the kind has both: lists
	// of the other are refused. Zero: all that the target's capabilities say.
	Only rules.Verdict
	// Cost is the contract's Cost for these options, where theirs is another. Nil: the
	// contract's.
	Cost func(line string) int
}

// Mistake is options that Build refuses with an OptionError, which has a cause and a fix.
type Mistake struct {
	Option  string // the path of the option that the error names
	Options any    // as the kind's NewOptions returns them
	Path    string // the output path that the policy names; empty: the default one
	// Files are what the files that options name hold, in place of those in testdata;
	// others do not exist then.
	Files map[string]string
}

// Wrong is options with a mistake in an option.
func Wrong(option string, options any) Mistake { return Mistake{Option: option, Options: options} }

// Damage is a change of rendered files, after which they do not read back. It is made
// wherever Old stands: in the files of each variant, in both directions where there are
// such, for a first output and for one that comes after another. The routes are
// 20.202.0.0/16, 52.112.0.0/14, 52.122.0.0/15 and 2603:1063::/38, after 9.9.9.0/24,
// 52.112.0.0/14 and 2620:fe::/48; a filter lets media from 10.20.0.0/16 and fd20::/48 to
// them pass, without a hole, and https to login.example.com.
type Damage struct {
	Name     string
	Variant  string // the only variant that it is for; empty: every one
	Old, New string
	// Differs says that the files are well-formed and mean something else after it: they may
	// read back, and not as the plan.
	Differs bool
}

// Damaged is a list of damages to the files of a variant, or of every one where variant is
// empty: what is replaced, and by what, by the name of the damage.
func Damaged(variant string, changes map[string][2]string) []Damage {
	var list []Damage
	for name, c := range changes {
		list = append(list, Damage{Name: name, Variant: variant, Old: c[0], New: c[1]})
	}
	slices.SortFunc(list, func(a, b Damage) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// Begins reports whether a line begins with one of marks: what Route is in many formats.
func Begins(marks ...string) func(line string) bool {
	return func(line string) bool {
		return slices.ContainsFunc(marks, func(m string) bool { return strings.HasPrefix(line, m) })
	}
}

// Run holds a target to its contract. Golden files are under testdata/golden; go test
// -update writes them.
func Run(t *testing.T, c Contract) {
	for _, g := range c.groups(t) {
		t.Run(g.name, func(t *testing.T) {
			for _, u := range g.units {
				t.Run(u.name, func(t *testing.T) { u.run(t) })
			}
		})
	}
}

// group and unit are what the suite does for a contract, as tests with parts.
type group struct {
	name  string
	units []unit
}

type unit struct {
	name string
	run  func(testing.TB)
}

// groups is all that the suite does for the contract.
func (c Contract) groups(t testing.TB) []group {
	contract := group{"contract", []unit{{"info", func(t testing.TB) { checkInfo(t, c.Kind) }}, {"complete", c.complete}}}
	mistakes, damages := group{name: "mistakes"}, group{name: "damages"}
	for _, m := range c.Mistakes {
		mistakes.units = append(mistakes.units, unit{m.Option, func(t testing.TB) { c.mistake(t, m) }})
	}
	for _, d := range c.Damages {
		damages.units = append(damages.units, unit{d.Name, func(t testing.TB) { c.damaged(t, d) }})
	}
	list := []group{contract, mistakes, damages}
	for _, v := range c.Variants {
		list = append(list, newSuite(c, v).group(t))
	}
	return list
}

// group is what the suite does for a variant.
func (s *suite) group(t testing.TB) group {
	g := group{name: s.variant.Name}
	rendered, ran, cases := 0, 0, s.cases(t)
	for _, c := range cases {
		g.units = append(g.units, unit{c.Name, func(t testing.TB) {
			ran++
			if s.run(t, c) {
				rendered++
			}
		}})
	}
	g.units = append(g.units, unit{"enough cases", func(t testing.TB) {
		if ran == len(cases) && rendered*4 < ran { // what a target refuses, nothing here tests
			t.Errorf("only %d of %d cases were rendered: the target refuses too much to be judged", rendered, ran)
		}
	}})
	for _, check := range checks {
		g.units = append(g.units, unit{check.name, func(t testing.TB) { check.run(s, t) }})
	}
	return g
}

// checks are what the suite asks of each variant besides its cases.
var checks = []struct {
	name string
	run  func(*suite, testing.TB)
}{
	{"empty rule", (*suite).emptyRule},
	{"unsupported", (*suite).unsupported},
	{"the other way", (*suite).otherWay},
	{"log and reject", (*suite).shown},
	{"small change", (*suite).smallChange},
	{"limits", (*suite).limits},
	{"budget", (*suite).budget},
	{"damage", (*suite).damage},
	{"hostile options", (*suite).hostile},
	{"notes", (*suite).notes},
	{"cuts", (*suite).cuts},
	{"golden", (*suite).golden},
	{"lists", (*suite).lists},
	{"bytes", (*suite).bytes},
	{"claims", (*suite).claims},
	{"week", (*suite).week},
	{"load", (*suite).load},
}
