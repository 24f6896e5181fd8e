package azure_test

import (
	"fmt"

	"sallyport/ipranges/azure"
)

func ExampleDecode() {
	file := []byte(`{
  "changeNumber": 7,
  "cloud": "Public",
  "values": [
    {
      "name": "Storage.WestEurope",
      "properties": {"region": "westeurope", "systemService": "AzureStorage", "addressPrefixes": ["33.16.4.0/25", "33.16.4.128/25"]}
    }
  ]
}`)
	c, err := azure.Decode(file, azure.Options{Cloud: "public"})
	if err != nil {
		fmt.Println(err)
		return
	}
	set, _ := c.Set("Storage.WestEurope")
	fmt.Println(c.Info().Change, set)
	// Output: 7 33.16.4.0/24
}
