package fetch

import (
	"context"
	"testing"
)

// BenchmarkCached is a fetch that is answered by a fresh copy: what each run
// of a program pays before it may use a feed of the size of Azure's.
func BenchmarkCached(b *testing.B) {
	cache, err := OpenCache(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	f := &Fetcher{Cache: cache, Offline: true}
	src := docSource("https://example.com/")
	index := make([]byte, 1500<<10)
	if err := cache.put(context.Background(), src.key(), make([]byte, 4400<<10), index, src.Format, meta{}); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(index)))
	b.ReportAllocs()
	for b.Loop() {
		r, err := f.Fetch(context.Background(), src)
		if err != nil || len(r.Compiled()) != len(index) {
			b.Fatal(err)
		}
		r.Close()
	}
}
