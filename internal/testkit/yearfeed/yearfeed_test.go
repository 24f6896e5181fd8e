package yearfeed

import (
	"bytes"
	"testing"

	"sallyport/ipranges"
	"sallyport/ipranges/azure"
	"sallyport/ipranges/catalog"
)

func TestYear(t *testing.T) {
	var before *catalog.Catalog
	var watched ipranges.Set
	quiet := 0
	weeks := Year()
	for i, w := range weeks {
		c, err := azure.Decode(w.JSON, azure.Options{Cloud: "public"})
		if err != nil {
			t.Fatalf("week %d: %v", i, err)
		}
		set, ok := c.Set(Watched)
		if !ok || set.NumPrefixes(ipranges.IPv4) < 10 {
			t.Fatalf("week %d: %v", i, set)
		}
		if before != nil {
			if set.Equal(watched) != w.Quiet {
				t.Errorf("week %d is quiet: %v, and says %v", i, set.Equal(watched), w.Quiet)
			}
			if len(catalog.Diff(before, c)) == 0 {
				t.Errorf("week %d changes nothing at all", i)
			}
			if w.Quiet {
				quiet++
			}
		}
		before, watched = c, set
	}
	again := Year()
	if len(weeks) != Weeks+1 || quiet != Quiet || !bytes.Equal(again[Weeks].JSON, weeks[Weeks].JSON) {
		t.Errorf("%d weeks, %d of them quiet", len(weeks), quiet)
	}
}
