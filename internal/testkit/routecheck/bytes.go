package routecheck

import (
	"slices"
	"strings"
	"testing"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// Lengths is a set of prefixes of many lengths, of both families, for Bytes.
var Lengths = ipranges.MustParse("8.0.0.0/7", "20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "151.101.12.128/25", "203.0.113.255/32",
	"2603:1063::/38", "2a01:111:f400::/48", "2a02:1234:5678:9abc:def0:1234:5678:9abc/128")

// Counted is what caps count for the routes to set.
func Counted(tb testing.TB, caps rules.Caps, set ipranges.Set) int {
	tb.Helper()
	if caps.RouteBytes == nil {
		tb.Fatal("the target counts no bytes")
	}
	n := 0
	for _, f := range rules.BothFamilies.List() {
		for p := range set.Prefixes(f) {
			n += caps.RouteBytes(p)
		}
	}
	return n
}

// Written is the bytes of the lines of files that isRoute takes, their ends included.
func Written(files []renderers.File, isRoute func(line string) bool) int {
	n := 0
	for _, f := range files {
		for line := range strings.Lines(string(f.Data)) {
			if isRoute(line) {
				n += len(line)
			}
		}
	}
	return n
}

// Begins reports whether a line begins with one of marks.
func Begins(marks ...string) func(line string) bool {
	return func(line string) bool {
		return slices.ContainsFunc(marks, func(m string) bool { return strings.HasPrefix(line, m) })
	}
}
