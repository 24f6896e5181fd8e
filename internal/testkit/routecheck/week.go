package routecheck

import (
	"testing"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/renderers/conformance"
	"sallyport/rules"
)

// Week renders AzureCloud of change 396 and of change 398, and fails t when more than
// three times as many lines change as prefixes do. Where the output lists all other
// addresses (complement), the prefixes of those are counted.
func Week(t *testing.T, complement bool, render func(ipranges.Set) []renderers.File) {
	t.Helper()
	old, now := AzureCloud(t, 396), AzureCloud(t, 398)
	before, after := render(old), render(now)
	prefixes, lines := 0, 0
	if complement {
		prefixes = conformance.ChangedLines(listOfOthers(old), listOfOthers(now))
	} else {
		plus, minus := ipranges.Diff(old, now)
		for _, f := range rules.BothFamilies.List() {
			prefixes += plus.NumPrefixes(f) + minus.NumPrefixes(f)
		}
	}
	for i := range before {
		lines += conformance.ChangedLines(before[i].Data, after[i].Data)
	}
	t.Logf("%d changed prefixes, %d changed lines", prefixes, lines)
	if prefixes == 0 || lines > 3*prefixes {
		t.Errorf("%d changed prefixes change %d lines", prefixes, lines)
	}
}

func listOfOthers(set ipranges.Set) []byte {
	var dst []byte
	for _, f := range rules.BothFamilies.List() {
		dst = set.Complement(f).AppendPrefixes(dst, f, "", "\n")
	}
	return dst
}
