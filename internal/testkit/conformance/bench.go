package conformance

import (
	"fmt"
	"testing"

	"sallyport/internal/testkit/realfeed"
	"sallyport/ipranges"
	"sallyport/ipranges/azure"
	"sallyport/rules"
)

// Benchmark renders AzureCloud of change 398 with each variant that has room for it, and
// reads it back. It is skipped where the feed is not there.
func Benchmark(b *testing.B, c Contract) {
	cloud := rules.In("cloud", AzureCloud(b, 398))
	for _, v := range c.Variants {
		s := newSuite(c, v)
		r := s.build(b, "edge")
		lowered, _, errs := rules.Lower(s.plan(b, cloud), r.Caps)
		if len(errs) > 0 {
			b.Logf("%s has no room for it: %v", v.Name, errs[0])
			continue
		}
		b.Run(v.Name+"/render", func(b *testing.B) {
			for b.Loop() {
				if _, err := r.Render(lowered); err != nil {
					b.Fatal(err)
				}
			}
		})
		if v.NoReadBack {
			continue
		}
		files := s.render(b, r, lowered)
		b.Run(v.Name+"/read back", func(b *testing.B) {
			for b.Loop() {
				if _, err := r.ReadBack(files); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// AzureCloud is the real set of the change, with the relays that the tag lacks. The test
// is skipped where the feed is not there.
func AzureCloud(tb testing.TB, change int) ipranges.Set {
	tb.Helper()
	c, err := azure.Decode(realfeed.Read(tb, fmt.Sprintf("azure/ServiceTags_Public_change%d.json", change)), azure.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	s, ok := c.Set("AzureCloud")
	if !ok {
		tb.Fatal("the feed has no tag AzureCloud")
	}
	return s.Union(cloud.Set())
}
