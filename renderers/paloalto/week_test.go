package paloalto

import (
	"testing"

	"sallyport/renderers/conformance"
	"sallyport/rules"
)

func TestTwoWeeks(t *testing.T) {
	before, after := rules.In("azure", azureCloud(t, "396")), rules.In("azure", azureCloud(t, "398"))
	for _, opt := range []Options{edl(), objects()} {
		for _, opt.Syntax = range []string{syntaxSet, syntaxXML} {
			t.Run(opt.Form+" "+opt.Syntax, func(t *testing.T) { conformance.Week(t, Kind(), &opt, before, after) })
		}
	}
}
