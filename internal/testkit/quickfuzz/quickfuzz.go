// Package quickfuzz lets fuzz tests search. Where "go test -fuzz" finds an input that
// reaches something new, it tries for up to a minute to make it smaller, and searches
// nothing meanwhile: of ten seconds, a decoder spent nine and a half on that (measured
// with Go 1.26). An input that fails is still made smaller, as much as is asked for with
// -fuzzminimizetime.
//
//	func TestMain(m *testing.M) { quickfuzz.Main(m) }
//
// or, in a package with one fuzz test, quickfuzz.Prepare() at its beginning, as
// conformance.Fuzz does.
package quickfuzz

import (
	"flag"
	"os"
	"testing"
)

// Main runs the tests of a package with fuzz tests, and ends the program.
func Main(m *testing.M) {
	Prepare()
	os.Exit(m.Run())
}

const minimizeTime = "test.fuzzminimizetime" // a flag of package testing

// Prepare is for a fuzz test, before it calls Fuzz of testing.F, and for a TestMain that
// does other things besides. The command line has the last word.
func Prepare() {
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == minimizeTime })
	if given {
		return
	}
	if err := flag.Set(minimizeTime, "1x"); err != nil {
		panic(err)
	}
}
