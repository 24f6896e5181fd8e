package catalog_test

import (
	"fmt"
	"net/netip"

	"sallyport/ipranges"
	"sallyport/ipranges/catalog"
)

func Example() {
	c, err := catalog.New(catalog.Info{Kind: "azure", Cloud: "Public", Change: "7"}, []catalog.Entry{
		{Tag: catalog.Tag{Name: "AzureCloud"}, Set: ipranges.MustParse("33.16.0.0/16", "33.17.0.0/17")},
		{Tag: catalog.Tag{Name: "Storage.WestEurope", Region: "westeurope", Service: "AzureStorage"}, Set: ipranges.MustParse("33.16.4.0/24")},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	// The index is what a program keeps beside the feed, to start faster.
	c, err = catalog.OpenIndex(c.AppendIndex(nil))
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, ok := c.Set("Storage.WestEuope"); !ok {
		fmt.Println("did you mean", c.Suggest("Storage.WestEuope", 1))
	}
	for _, m := range c.Lookup(netip.MustParsePrefix("33.16.4.9/32")) {
		fmt.Println(m.Name, m.Prefix)
	}
	// Output:
	// did you mean [Storage.WestEurope]
	// Storage.WestEurope 33.16.4.0/24
	// AzureCloud 33.16.0.0/16
}
