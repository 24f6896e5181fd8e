package cover

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"testing"

	"sallyport/ipranges"
)

// BenchmarkCurveAzureCloud is the whole curve of the real feed, from the set.
func BenchmarkCurveAzureCloud(b *testing.B) {
	set, special := azureCloud(b, change398), ipranges.SpecialUse()
	for _, f := range families {
		b.Run("over/"+f.String(), func(b *testing.B) {
			for b.Loop() {
				OverCurve(set, f, 2500, special)
			}
		})
		b.Run("under/"+f.String(), func(b *testing.B) {
			for b.Loop() {
				if _, err := UnderCurve(set, f, ipranges.Set{}); err != nil {
					b.Fatal(err)
				}
			}
		})
		c := OverCurve(set, f, 2500, special)
		b.Run("cover/"+f.String(), func(b *testing.B) {
			for b.Loop() {
				c.Cover(1000)
			}
		})
		b.Run("twohop/"+f.String(), func(b *testing.B) {
			for b.Loop() {
				TwoHop(set, f)
			}
		})
	}
	a, c := OverCurve(set, ipranges.IPv4, 2500, special), OverCurve(set, ipranges.IPv6, 2500, special)
	b.Run("joint", func(b *testing.B) {
		for b.Loop() {
			Joint(Side{Curve: a}, Side{Curve: c}, 1000)
		}
	})
}

// BenchmarkBytesAzureCloud asks for one budget after another up to the exact
// one, so that its time is the mean.
func BenchmarkBytesAzureCloud(b *testing.B) {
	set, special := azureCloud(b, change398), ipranges.SpecialUse()
	push := func(p netip.Prefix) int { return len(`push "route 255.255.255.0 net_gateway"`) + line(p) }
	for name, cost := range map[string]func(netip.Prefix) int{"line": line, "push": push} {
		for _, f := range families {
			b.Run("prepare/"+name+"/"+f.String(), func(b *testing.B) {
				for b.Loop() {
					if _, err := OverBytes(set, f, cost, special); err != nil {
						b.Fatal(err)
					}
				}
			})
			over, err := OverBytes(set, f, cost, special)
			if err != nil {
				b.Fatal(err)
			}
			under, err := UnderBytes(set, f, cost, ipranges.Set{})
			if err != nil {
				b.Fatal(err)
			}
			for direction, by := range map[string]*Bytes{"over/": over, "under/": under} {
				b.Run(direction+name+"/"+f.String(), func(b *testing.B) {
					budget := by.Least()
					for b.Loop() {
						by.At(budget)
						if budget += 997; budget > by.Exact() {
							budget -= by.Exact() - by.Least()
						}
					}
				})
			}
		}
	}
}

// million is a million random prefixes of /24 to /32, or of /32 to /64.
func million(b *testing.B, f ipranges.Family) ipranges.Set {
	rnd := rand.New(rand.NewPCG(14, 14))
	p := make([]netip.Prefix, 1_000_000)
	for i := range p {
		var a [16]byte
		binary.BigEndian.PutUint64(a[:], rnd.Uint64()>>3|1<<61)
		if f == ipranges.IPv4 {
			p[i] = netip.PrefixFrom(netip.AddrFrom4([4]byte(a[4:])), 24+rnd.IntN(9)).Masked()
		} else {
			p[i] = netip.PrefixFrom(netip.AddrFrom16(a), 32+rnd.IntN(33)).Masked()
		}
	}
	return mustSet(b, p)
}

func BenchmarkCurveMillion(b *testing.B) {
	for _, f := range families {
		set := million(b, f)
		b.Run(fmt.Sprintf("prices/%v/%d prefixes", f, set.NumPrefixes(f)), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				OverPrices(set, f, 2000, ipranges.Set{})
			}
		})
		b.Run(fmt.Sprintf("%v/%d prefixes", f, set.NumPrefixes(f)), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				OverCurve(set, f, 2000, ipranges.Set{})
			}
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			b.ReportMetric(float64(m.Sys)/(1<<20), "MiB-process")
		})
	}
}
