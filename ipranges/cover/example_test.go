package cover_test

import (
	"fmt"

	"sallyport/ipranges"
	"sallyport/ipranges/cover"
)

func Example() {
	set := ipranges.MustParse("20.33.0.0/16", "20.34.0.0/16", "20.38.0.0/17", "20.202.0.0/16", "20.203.7.0/24")
	curve := cover.OverCurve(set, ipranges.IPv4, 100, ipranges.SpecialUse())
	for k := curve.Least(); k <= curve.Exact(); k++ {
		price, _ := curve.Price(k)
		fmt.Printf("%d prefixes add %8v addresses, %.1f %%\n", k, price, price.Percent(curve.Size()))
	}

	k, _ := curve.Nearest(curve.Size().Part(150)) // at most 150 % more
	prefixes, _ := curve.Cover(k)
	fmt.Println(k, prefixes)
	// Output:
	// 1 prefixes add 16547584 addresses, 7206.1 %
	// 2 prefixes add   425728 addresses, 185.4 %
	// 3 prefixes add   196352 addresses, 85.5 %
	// 4 prefixes add    65280 addresses, 28.4 %
	// 5 prefixes add        0 addresses, 0.0 %
	// 3 [20.32.0.0/14 20.38.0.0/17 20.202.0.0/15]
}

func ExampleUnderCurve() {
	set := ipranges.MustParse("20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "40.80.0.0/12", "13.107.64.0/18")
	must := ipranges.MustParse("13.107.64.0/20")
	curve, err := cover.UnderCurve(set, ipranges.IPv4, must)
	if err != nil {
		fmt.Println("error:", err)
		return
	}
	prefixes, _ := curve.Cover(3)
	price, _ := curve.Price(3)
	fmt.Printf("%v leave out %.1f %%\n", prefixes, price.Percent(curve.Size()))
	// Output:
	// [13.107.64.0/18 40.80.0.0/12 52.112.0.0/14] leave out 12.9 %
}

func ExampleTwoHop() {
	set := ipranges.MustParse("52.112.0.0/14").Minus(ipranges.MustParse("52.113.8.0/24"))
	fmt.Println(set.NumPrefixes(ipranges.IPv4), "prefixes, or")
	for _, r := range cover.TwoHop(set, ipranges.IPv4) {
		fmt.Println(r.Prefix, r.In)
	}
	// Output:
	// 10 prefixes, or
	// 52.112.0.0/14 true
	// 52.113.8.0/24 false
}
