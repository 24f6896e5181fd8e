package ipranges_test

import (
	"fmt"
	"net/netip"
	"strings"

	"sallyport/ipranges"
)

func Example() {
	cloud := ipranges.MustParse("20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "2603:1063::/38")
	blocked := ipranges.MustParse("52.112.0.0-52.112.0.9")

	allowed := cloud.Minus(blocked)
	fmt.Println(allowed.Contains(netip.MustParseAddr("52.112.0.9")), allowed.Contains(netip.MustParseAddr("52.112.0.10")))
	for r := range allowed.Ranges(ipranges.IPv4) {
		fmt.Println(r)
	}
	fmt.Println(allowed.NumPrefixes(ipranges.IPv4), "prefixes,", allowed.Count4(), "addresses")
	// Output:
	// false true
	// 20.202.0.0-20.202.255.255
	// 52.112.0.10-52.115.255.255
	// 52.122.0.0-52.123.255.255
	// 18 prefixes, 458742 addresses
}

func ExampleReadSet() {
	list := `# exported from the router
192.0.2.0/25
192.0.2.128/25   # the other half
198.51.100.9-198.51.100.10
`
	set, stats, err := ipranges.ReadSet(strings.NewReader(list), ipranges.ReadOptions{})
	if err != nil {
		fmt.Println("error:", err)
		return
	}
	fmt.Println(stats.Entries, "entries")
	for p := range set.Prefixes(ipranges.IPv4) {
		fmt.Println(p)
	}
	// Output:
	// 3 entries
	// 192.0.2.0/24
	// 198.51.100.9/32
	// 198.51.100.10/32
}

func ExampleSet_AppendRanges() {
	set := ipranges.MustParse("192.0.2.0/24", "198.51.100.9-198.51.100.12", "203.0.113.7")
	fmt.Printf("elements = {\n%s}\n", set.AppendRanges(nil, ipranges.IPv4, "    ", ",\n"))
	// Output:
	// elements = {
	//     192.0.2.0/24,
	//     198.51.100.9-198.51.100.12,
	//     203.0.113.7,
	// }
}
