package azure

import (
	"net/netip"
	"testing"

	"sallyport/internal/testkit/realfeed"
	"sallyport/ipranges/catalog"
)

const change398 = "azure/ServiceTags_Public_change398.json"

// BenchmarkDecode decodes the whole public file, every prefix of every tag.
func BenchmarkDecode(b *testing.B) {
	data := realfeed.Read(b, change398)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(data, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

func realCatalog(tb testing.TB, file string) *catalog.Catalog {
	tb.Helper()
	c, err := Decode(realfeed.Read(tb, file), Options{})
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// BenchmarkIndex opens the index of the public file and takes one tag out of
// it, as generate does for one target.
func BenchmarkIndex(b *testing.B) {
	data := realCatalog(b, change398).AppendIndex(nil)
	b.ReportAllocs()
	for b.Loop() {
		c, err := catalog.OpenIndex(data)
		if err != nil {
			b.Fatal(err)
		}
		_, ok := c.Tag("AzureCloud")
		set, ok2 := c.Set("AzureCloud")
		if !ok || !ok2 || set.IsEmpty() {
			b.Fatal("no AzureCloud")
		}
	}
	b.ReportMetric(float64(len(data)), "index-bytes")
}

// BenchmarkAppendIndex makes the index of the public file.
func BenchmarkAppendIndex(b *testing.B) {
	c := realCatalog(b, change398)
	b.ReportAllocs()
	for b.Loop() {
		c.AppendIndex(nil)
	}
}

// BenchmarkFind asks the opened index of the public file what people ask.
func BenchmarkFind(b *testing.B) {
	c, err := catalog.OpenIndex(realCatalog(b, change398).AppendIndex(nil))
	if err != nil {
		b.Fatal(err)
	}
	for name, f := range map[string]func() bool{
		"Lookup":  func() bool { return len(c.Lookup(netip.MustParsePrefix("20.202.1.1/32"))) > 0 },
		"Search":  func() bool { return len(c.Search("storage westeurope")) > 0 },
		"Suggest": func() bool { return len(c.Suggest("AzureCloud.west_europ", 3)) > 0 },
		"Diff":    func() bool { return len(catalog.Diff(c, c)) == 0 },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if !f() {
					b.Fatal("wrong answer")
				}
			}
		})
	}
}
