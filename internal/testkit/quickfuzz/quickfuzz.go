// Package quickfuzz lets fuzz tests search. Where "go test -fuzz" finds an input that
// reaches something new, it tries for up to a minute to make it smaller, and searches
// nothing meanwhile: of ten seconds, a decoder spent nine and a half on that (measured
// with Go 1.26). An input that fails is still made smaller, as much as is asked for with
// -fuzzminimizetime.
//
//	func TestMain(m *testing.M) { quickfuzz.Main(m) }
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

// Prepare is for a TestMain that does other things besides.
func Prepare() {
	// The command line is read by m.Run, and has the last word.
	if err := flag.Set("test.fuzzminimizetime", "1x"); err != nil {
		panic(err) // the flag is one of package testing
	}
}
