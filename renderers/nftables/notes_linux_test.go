package nftables

import (
	"regexp"
	"strings"
	"testing"

	"sallyport/internal/testkit/conformance"
	"sallyport/internal/testkit/filtercheck"
	"sallyport/internal/testkit/lab"
	"sallyport/internal/testkit/need"
	"sallyport/ipranges"
)

// noted3 is the comment of a rule with a note that looks like a command.
var noted3 = regexp.MustCompile(`# calls_3: .*"; drop`)

// TestLoadsNotes loads rules with notes that mean something to nft: the kernel has the
// same as without them.
func TestLoadsNotes(t *testing.T) {
	need.Program(t, "nft")
	noted, without := conformance.WithHostileNotes(filtercheck.Calls(ipranges.MustParse("20.202.0.0/16", "2603:1063::/38")))
	for _, opt := range []Options{
		{Placement: fragment, Table: "inet filter", Hook: "forward", Ingress: []string{"lan0"}},
		{Placement: standalone, Hook: "output"},
	} {
		t.Run(opt.Placement, func(t *testing.T) {
			files := render(t, opt, noted, nil)
			if !noted3.Match(files[0].Data) {
				t.Error("the notes are not in the file")
			}
			with, plain := lab.NewInjector(t).Host(), lab.NewInjector(t).Host()
			load(t, with, files)
			load(t, plain, render(t, opt, without, nil))
			got, want := with.MustRun(t, "nft", "list", "ruleset"), plain.MustRun(t, "nft", "list", "ruleset")
			if got != want || !strings.Contains(got, "calls_9") {
				t.Errorf("with notes:\n%s\nwithout:\n%s", got, want)
			}
		})
	}
}
