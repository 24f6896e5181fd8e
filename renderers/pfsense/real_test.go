package pfsense

import (
	"testing"

	"sallyport/internal/testkit/conformance"
	"sallyport/ipranges"
	"sallyport/rules"
)

// TestAzureCloud renders all of Azure in each form, within the default limits or
// refused for them.
func TestAzureCloud(t *testing.T) {
	p := planOf(pass("calls", rules.Any(), rules.In("azure", conformance.AzureCloud(t, 398)), media))
	set := p.Rules[0].To.Set()
	t.Logf("%d and %d prefixes", set.NumPrefixes(ipranges.IPv4), set.NumPrefixes(ipranges.IPv6))
	for _, form := range []string{formURLTable, formImport, formMerge} {
		_, err := renderPlan(t, options(form), p)
		if entries := set.NumPrefixes(ipranges.IPv4) + set.NumPrefixes(ipranges.IPv6); form != formURLTable && entries > 5000 {
			refused(t, form, err, "entries")
		} else if err != nil {
			t.Errorf("%s: %v", form, err)
		}
	}
}
