package policy

import (
	"slices"
	"strings"
	"testing"

	"sallyport/diag"
	"sallyport/internal/testkit/realfeed"
	"sallyport/ipranges"
	"sallyport/ipranges/azure"
	"sallyport/ipranges/catalog"
)

func realCatalog(tb testing.TB) *catalog.Catalog {
	cat, err := azure.Decode(realfeed.Read(tb, "azure/ServiceTags_Public_change398.json"), azure.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	return cat
}

// The design's policy over the real feed.
func TestRealFeed(t *testing.T) {
	cats := map[string]*catalog.Catalog{"azure": realCatalog(t)}
	f, list := Load("test.hcl", []byte(sample), testOptions(nil))
	p, more := f.Compile(cats)
	if list = append(list, more...); list.HasErrors() {
		t.Fatal(show(list, sample))
	}
	var want ipranges.Set
	for _, tag := range []string{"AzureCloud.westeurope", "AzureCloud.northeurope"} {
		s, _ := cats["azure"].Set(tag)
		want = want.Union(s)
	}
	storage, _ := cats["azure"].Set("Storage.WestEurope")
	media, _ := p.Set("acs_media")
	got, _ := p.Set("azure_eu")
	if want = want.Union(media.Set).Minus(storage); !got.Set.Equal(want) || want.NumRanges(ipranges.IPv4) < 100 || storage.IsEmpty() {
		t.Error("azure_eu is something else")
	}
	f, _ = Load("test.hcl", []byte(strings.Replace(sample, "AzureCloud.northeurope", "AzureComunicationServices", 1)), testOptions(nil))
	_, list = f.Compile(cats)
	i := slices.IndexFunc(list, func(d diag.Diagnostic) bool {
		return strings.HasPrefix(d.Summary, `no tag "AzureComunicationServices" in feed azure, change 398`)
	})
	if i < 0 || list.Count(diag.Error) != 1 {
		t.Error(show(list, sample))
	}
}

// BenchmarkRealFeed is Load and Compile, with the feed decoded, of the largest
// tag for one target.
func BenchmarkRealFeed(b *testing.B) {
	cats := map[string]*catalog.Catalog{"azure": realCatalog(b)}
	src := []byte(`
feed "azure" {}
set "cloud" {
  include = [tag(feed.azure, "AzureCloud")]
  exclude = [tag(feed.azure, "Storage"), tag(feed.azure, "Sql"), tag(feed.azure, "AzureCloud.westeurope")]
}
service "media" {
  udp = ["3478-3481"]
  tcp = [443]
}
rule "calls" {
  action   = "allow"
  to       = set.cloud
  services = [service.media]
}
target "nftables" "edge" {
  hook = "forward"
}
`)
	opt := testOptions(nil)
	b.ReportAllocs()
	for b.Loop() {
		f, list := Load("test.hcl", src, opt)
		p, more := f.Compile(cats)
		if len(p.Targets) != 1 {
			b.Fatal(append(list, more...))
		}
	}
}
