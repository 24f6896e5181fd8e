package pfsense

import (
	"testing"

	"sallyport/internal/testkit/realfeed"
	"sallyport/ipranges"
	"sallyport/ipranges/azure"
	"sallyport/renderers/conformance"
	"sallyport/rules"
)

func azureCloud(tb testing.TB, change string) *rules.Plan {
	tb.Helper()
	c, err := azure.Decode(realfeed.Read(tb, "azure/ServiceTags_Public_change"+change+".json"), azure.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	set, ok := c.Set("AzureCloud")
	if !ok {
		tb.Fatal("no AzureCloud")
	}
	return planOf(pass("calls", rules.Any(), rules.In("azure", set), media))
}

// BenchmarkAzureCloud renders all of Azure, as files to serve and as a merge.
func BenchmarkAzureCloud(b *testing.B) {
	p := azureCloud(b, "398")
	for _, form := range []string{formURLTable, formImport, formMerge} {
		b.Run(form, func(b *testing.B) {
			o := options(form)
			o.AliasEntries = 10_000
			r, err := Kind().Build(&o, env())
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Render(p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestAzureCloud renders all of Azure in each form, within the default limits or
// refused for them.
func TestAzureCloud(t *testing.T) {
	p := azureCloud(t, "398")
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

func TestTwoWeeks(t *testing.T) {
	before, after := azureCloud(t, "396").Rules[0].To, azureCloud(t, "398").Rules[0].To
	for _, v := range variants() {
		t.Run(v.Name, func(t *testing.T) { conformance.Week(t, Kind(), v.Options, before, after) })
	}
}
