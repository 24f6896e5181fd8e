package ipranges

import (
	"bytes"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"go4.org/netipx"

	"sallyport/internal/testkit/realfeed"
)

const publicFeed = "azure/ServiceTags_Public_change398.json"

// readTags reads the prefixes of every tag of an Azure feed, for tests only.
func readTags(tb testing.TB, name string) map[string][]netip.Prefix {
	tb.Helper()
	var feed struct {
		Values []struct {
			Name       string
			Properties struct{ AddressPrefixes []netip.Prefix }
		}
	}
	if err := json.Unmarshal(realfeed.Read(tb, name), &feed); err != nil {
		tb.Fatal(err)
	}
	tags := make(map[string][]netip.Prefix)
	for _, v := range feed.Values {
		tags[v.Name] = v.Properties.AddressPrefixes
	}
	return tags
}

func prefixText(prefixes []netip.Prefix) []byte {
	var text []byte
	for _, p := range prefixes {
		text = append(p.AppendTo(text), '\n')
	}
	return text
}

// randomPrefixes returns n random prefixes with lengths from shortest to longest.
func randomPrefixes(f Family, n, shortest, longest int) []netip.Prefix {
	rnd := rand.New(rand.NewPCG(3, uint64(f)))
	out := make([]netip.Prefix, n)
	for i := range out {
		length := shortest + rnd.IntN(longest-shortest+1)
		if f == IPv4 {
			out[i] = netip.PrefixFrom(word4(rnd.Uint32()).addr(), length).Masked()
		} else {
			a := word6{rnd.Uint64()>>3 | 1<<61, rnd.Uint64()}
			out[i] = netip.PrefixFrom(a.addr(), length).Masked()
		}
	}
	return out
}

func million() map[string][]netip.Prefix {
	return map[string][]netip.Prefix{
		"IPv4 24-32":  randomPrefixes(IPv4, 1e6, 24, 32),
		"IPv6 32-64":  randomPrefixes(IPv6, 1e6, 32, 64),
		"IPv6 48-128": randomPrefixes(IPv6, 1e6, 48, 128),
	}
}

// BenchmarkMillion times the parts of the aggregate command on a million
// random prefixes: text to set, set to minimal prefixes, and sorting alone.
func BenchmarkMillion(b *testing.B) {
	for name, prefixes := range million() {
		text := prefixText(prefixes)
		b.Run("read/"+name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if _, _, err := ReadSet(bytes.NewReader(text), ReadOptions{}); err != nil {
					b.Fatal(err)
				}
			}
		})
		set, err := FromPrefixes(prefixes...)
		if err != nil {
			b.Fatal(err)
		}
		b.Run("write/"+name, func(b *testing.B) {
			for b.Loop() {
				if err := set.WritePrefixes(io.Discard); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("sort/"+name, func(b *testing.B) {
			var builder Builder
			for _, p := range prefixes {
				builder.addPrefix(p)
			}
			for b.Loop() {
				builder.Set()
			}
		})
	}
}

// BenchmarkFeed times what a policy does with the real feed.
func BenchmarkFeed(b *testing.B) {
	tags := readTags(b, publicFeed)
	cloud := tags["AzureCloud"]
	v4 := slices.IndexFunc(cloud, func(p netip.Prefix) bool { return p.Addr().Is6() })
	build := func(b *testing.B, p []netip.Prefix) Set {
		s, err := FromPrefixes(p...)
		if err != nil {
			b.Fatal(err)
		}
		return s
	}
	set := build(b, cloud)
	b.Run("aggregate/AzureCloud IPv4", func(b *testing.B) {
		for b.Loop() {
			build(b, cloud[:v4]).AppendPrefixes(nil, IPv4, "", "\n")
		}
	})
	b.Run("aggregate/AzureCloud", func(b *testing.B) {
		for b.Loop() {
			build(b, cloud)
		}
	})
	b.Run("aggregate/every tag", func(b *testing.B) {
		for b.Loop() {
			for _, p := range tags {
				build(b, p)
			}
		}
	})
	b.Run("union/every tag", func(b *testing.B) {
		var sets []Set
		for _, p := range tags {
			sets = append(sets, build(b, p))
		}
		for b.Loop() {
			Union(sets...)
		}
	})
	less := [][]netip.Prefix{tags["Sql"], tags["Storage"], tags["AzureCloud.westeurope"]}
	for i, p := range less {
		if len(p) == 0 {
			b.Fatalf("tag %d to exclude is empty", i)
		}
	}
	b.Run("exclude/from prefixes", func(b *testing.B) {
		for b.Loop() {
			s := build(b, cloud)
			for _, p := range less {
				s = s.Minus(build(b, p))
			}
		}
	})
	b.Run("exclude/netipx", func(b *testing.B) {
		for b.Loop() {
			var builder netipx.IPSetBuilder
			for _, p := range cloud {
				builder.AddPrefix(p)
			}
			for _, less := range less {
				for _, p := range less {
					builder.RemovePrefix(p)
				}
			}
			if _, err := builder.IPSet(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("text/AzureCloud ranges", func(b *testing.B) {
		var dst []byte
		for b.Loop() {
			dst = set.AppendRanges(dst[:0], IPv4, "\t", ",\n")
			dst = set.AppendRanges(dst, IPv6, "\t", ",\n")
		}
	})
	data, _ := set.MarshalBinary()
	b.Run("binary/decode AzureCloud", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			var s Set
			if err := s.UnmarshalBinary(data); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("hash/AzureCloud", func(b *testing.B) {
		for b.Loop() {
			set.Hash()
		}
	})
	a := netip.MustParseAddr("52.112.0.1")
	b.Run("contains/AzureCloud", func(b *testing.B) {
		for b.Loop() {
			set.Contains(a)
		}
	})
}

// BenchmarkParse compares the parser with net/netip's on the prefixes of the
// real feed, in no order. The same prefix again and again would tell nothing:
// the time goes into lengths of numbers that the processor guessed wrong.
func BenchmarkParse(b *testing.B) {
	rnd := rand.New(rand.NewPCG(8, 8))
	for _, f := range []Family{IPv4, IPv6} {
		var texts []string
		for _, prefixes := range readTags(b, publicFeed) {
			for _, p := range prefixes {
				if FamilyOf(p.Addr()) == f {
					texts = append(texts, p.String())
				}
			}
		}
		rnd.Shuffle(len(texts), func(i, j int) { texts[i], texts[j] = texts[j], texts[i] })
		for name, parse := range map[string]func(string) (netip.Prefix, error){
			"ParsePrefix": ParsePrefix, "netip": netip.ParsePrefix,
		} {
			b.Run(f.String()+"/"+name, func(b *testing.B) {
				i := 0
				for b.Loop() {
					if _, err := parse(texts[i]); err != nil {
						b.Fatal(err)
					}
					if i++; i == len(texts) {
						i = 0
					}
				}
			})
		}
	}
}
