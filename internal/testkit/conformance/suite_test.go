package conformance

import (
	"fmt"
	"runtime/debug"
	"strings"
	"testing"
)

// recorder is a test that remembers its failures, and whose end is not that of the test
// that made it.
type recorder struct {
	testing.TB // of that test, for folders and logs
	failures   []string
	skipped    bool
}

func (r *recorder) Helper()                        {}
func (r *recorder) Log(...any)                     {}
func (r *recorder) Logf(string, ...any)            {}
func (r *recorder) Failed() bool                   { return len(r.failures) > 0 }
func (r *recorder) Error(args ...any)              { r.failures = append(r.failures, fmt.Sprint(args...)) }
func (r *recorder) Errorf(form string, arg ...any) { r.Error(fmt.Sprintf(form, arg...)) }
func (r *recorder) Fatal(args ...any)              { r.Error(args...); panic(stop{}) }
func (r *recorder) Fatalf(form string, arg ...any) { r.Fatal(fmt.Sprintf(form, arg...)) }
func (r *recorder) Skip(...any)                    { r.skipped = true; panic(stop{}) }
func (r *recorder) Skipf(string, ...any)           { r.Skip() }

// stop ends what a recorder runs.
type stop struct{}

// record runs a part of the suite. A panic is a failure.
func record(t testing.TB, run func(testing.TB)) (r *recorder) {
	r = &recorder{TB: t}
	defer func() {
		if err := recover(); err != nil && err != (stop{}) {
			r.failures = append(r.failures, fmt.Sprintf("panic: %v\n%s", err, debug.Stack()))
		}
	}()
	run(r)
	return r
}

// failures runs parts of the suite on a contract: what those of the name have to say.
func failures(t testing.TB, c Contract, part string) (found []string) {
	ran := false
	for _, g := range c.groups(t) {
		for _, u := range g.units {
			if g.name+"/"+u.name == part {
				ran = true
				found = append(found, record(t, u.run).failures...)
			}
		}
	}
	if !ran {
		t.Fatalf("the suite has no part %s", part)
	}
	return found
}

// TestToysAreFine: the suite has nothing to say of targets without a fault.
func TestToysAreFine(t *testing.T) {
	Run(t, routesContract(""))
	Run(t, filterContract(""))
}

// TestFaultsAreFound runs the suite on targets with one fault each: the part that is meant
// to find it does.
func TestFaultsAreFound(t *testing.T) {
	for fault, part := range map[string]string{
		"counts 900 bytes more for a route":              "routes/bytes",
		"counts a byte less for a route of IPv6":         "routes/bytes",
		"claims at no cost":                              "routes/claims",
		"claims by an option that it lacks":              "routes/claims",
		"claims the same for every device":               "routes/claims",
		"takes any device":                               "mistakes/device",
		"says a mistake without a fix":                   "mistakes/device",
		"names no source of a limit":                     "routes/limits",
		"has a clock":                                    "routes/bypass cloud",
		"drops what authors say":                         "routes/notes",
		"writes a line more than it did":                 "routes/golden",
		"lets an origin out of its comment":              "routes/hostile options",
		"does not say how it is loaded":                  "routes/bypass cloud",
		"empties first, and fills then":                  "routes/load",
		"removes first what is there, and adds it again": "routes/load",
		"leaves what is gone":                            "routes/load",
		"forgets the last route":                         "routes/bypass cloud",
		"forgets a family":                               "routes/tunnel cloud",
		"numbers its lines":                              "routes/small change",
		"reads a list without a direction":               "routes/lists",
		"reads every list as a bypass":                   "routes/tunnel cloud",
		"panics on half a line":                          "routes/cuts",
		"skips lines that it does not know":              "routes/lists",
		"takes routes by any device":                     "damages/another device",
		"reads host bits":                                "routes/lists",
		"reads a family that it does not speak of":       "routes/lists",
	} {
		t.Run(fault, func(t *testing.T) { isFound(t, routesContract(fault), part) })
	}
	for fault, part := range map[string]string{
		"puts denials last":               "filter/hole",
		"forgets the last rule":           "filter/plain",
		"makes any of what is empty":      "filter/empty rule",
		"loses ports":                     "filter/protocol and port pairs",
		"crosses ports between protocols": "filter/protocol and port pairs",
		"says that it logs, and does not": "filter/log and reject",
	} {
		t.Run(fault, func(t *testing.T) { isFound(t, filterContract(fault), part) })
	}
}

func isFound(t *testing.T, c Contract, part string) {
	found := failures(t, c, part)
	if len(found) == 0 {
		t.Fatalf("%s does not find it", part)
	}
	first, _, _ := strings.Cut(found[0], "\n")
	t.Log(first)
}

// TestIncompleteContracts: a contract that leaves out what its target needs is a failure.
func TestIncompleteContracts(t *testing.T) {
	for name, change := range map[string]func(*Contract){
		"no mistakes":             func(c *Contract) { c.Mistakes = nil },
		"no damages, no routes":   func(c *Contract) { c.Damages, c.Route = nil, nil },
		"bytes without routes":    func(c *Contract) { c.Route = nil },
		"no word of loading":      func(c *Contract) { c.Steps = nil },
		"a test that there isn't": func(c *Contract) { c.LoadTest = "TestNothing" },
	} {
		c := routesContract("")
		if change(&c); len(failures(t, c, "contract/complete")) == 0 {
			t.Errorf("%s: it is taken", name)
		}
	}
	c := routesContract("")
	c.Damages = append(c.Damages, Damage{Name: "nothing", Old: "what is nowhere"})
	if len(failures(t, c, "damages/nothing")) == 0 {
		t.Error("a damage of nothing is taken")
	}
}
