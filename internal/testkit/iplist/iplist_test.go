package iplist

import (
	"bytes"
	"testing"

	"sallyport/ipranges"
	"sallyport/ipranges/azure"
)

// TestLines reads every shape, and looks at what makes it one.
func TestLines(t *testing.T) {
	const n = 5000
	joined := map[string][2]int{ // how many prefixes it comes to
		"disjoint": {n, n}, "sorted": {n, n}, "contiguous": {1, 20}, "nested": {1, 1}, "overlapping": {1, n / 2},
		"random": {n / 2, n}, "random6": {n - 10, n}, "public": {n / 2, n}, "ranges": {n, 10 * n}, "ranges6": {n, 10 * n},
	}
	for _, shape := range Shapes {
		text := Lines(shape, n)
		set, stats, err := ipranges.ReadSet(bytes.NewReader(text), ipranges.ReadOptions{})
		if err != nil || stats.Entries != n || stats.Lines != n {
			t.Errorf("%s: %+v, %v", shape, stats, err)
		}
		want := joined[shape]
		if got := set.NumPrefixes(ipranges.IPv4) + set.NumPrefixes(ipranges.IPv6); got < want[0] || got > want[1] {
			t.Errorf("%s: %d prefixes, not %v", shape, got, want)
		}
		if !bytes.Equal(text, Lines(shape, n)) {
			t.Errorf("%s: another list at the second time", shape)
		}
	}
}

func TestFeed(t *testing.T) {
	for _, n := range []int{1, 100} {
		c, err := azure.Decode(Feed(n), azure.Options{})
		if err != nil || c.Len() != n {
			t.Fatalf("%d tags: %v", n, err)
		}
	}
}
