package catalog

import "testing"

func TestFeedSpecFrom(t *testing.T) {
	spec := FeedSpec{Name: "azure", Kind: "azure", Cloud: "china", URL: "https://example.com/old"}
	for place, want := range map[string]FeedSpec{
		"-":                   {Name: "azure", Kind: "azure", Cloud: "china", File: "-"},
		"feeds/https.json":    {Name: "azure", Kind: "azure", Cloud: "china", File: "feeds/https.json"},
		"https://example.com": {Name: "azure", Kind: "azure", Cloud: "china", URL: "https://example.com"},
		"http://example.com":  {Name: "azure", Kind: "azure", Cloud: "china", URL: "http://example.com"},
	} {
		if got := spec.From(place); got != want {
			t.Errorf("%s: %+v, want %+v", place, got, want)
		}
	}
}
