package iptables

import (
	"regexp"
	"strings"
	"testing"

	"sallyport/internal/testkit/conformance"
	"sallyport/internal/testkit/filtercheck"
	"sallyport/internal/testkit/lab"
	"sallyport/ipranges"
	"sallyport/renderers"
)

// noted3 is the comment of a rule with a note that looks like a command.
var noted3 = regexp.MustCompile(`# calls_3: .*"; drop`)

// TestLoadsNotes loads rules with notes that mean something to iptables-restore: the
// kernel has the same as without them.
func TestLoadsNotes(t *testing.T) {
	noted, without := conformance.WithHostileNotes(filtercheck.Calls(ipranges.MustParse("20.202.0.0/16", "2603:1063::/38")))
	opt := Options{Placement: fragment, Sets: ipset, Hook: "forward", Ingress: []string{"lan0"}}
	backends(t, func(t *testing.T, on func(*lab.Host) *device) {
		with, plain := on(lab.NewInjector(t).Host()), on(lab.NewInjector(t).Host())
		r, files := renderAs(t, opt, "edge", noted, nil)
		f, err := renderers.FileAt(files, r.paths.rules(dialects[0]))
		if err != nil || !noted3.Match(f.Data) {
			t.Error("the notes are not in the file", err)
		}
		with.load(files)
		_, files = renderAs(t, opt, "edge", without, nil)
		plain.load(files)
		if got, want := with.state(), plain.state(); got != want || !strings.Contains(got, "calls_9") {
			t.Errorf("with notes:\n%s\nwithout:\n%s", got, want)
		}
	})
}
