package nftables

import (
	"fmt"
	"testing"

	"sallyport/internal/testkit/realfeed"
	"sallyport/ipranges"
	"sallyport/ipranges/azure"
	"sallyport/renderers/conformance"
	"sallyport/rules"
)

func azureCloud(t testing.TB, change int) ipranges.Set {
	t.Helper()
	data := realfeed.Read(t, fmt.Sprintf("azure/ServiceTags_Public_change%d.json", change))
	c, err := azure.Decode(data, azure.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, ok := c.Set("AzureCloud")
	if !ok {
		t.Fatal("the feed has no tag AzureCloud")
	}
	return s
}

func TestTwoWeeks(t *testing.T) {
	before, after := rules.In("azure", azureCloud(t, 396)), rules.In("azure", azureCloud(t, 398))
	for _, v := range variants() {
		t.Run(v.Name, func(t *testing.T) { conformance.Week(t, Kind(), v.Options, before, after) })
	}
}
