package nftables

import (
	"path/filepath"
	"testing"

	"sallyport/internal/testkit/conformance"
	"sallyport/internal/testkit/cost"
	"sallyport/internal/testkit/filtercheck"
	"sallyport/internal/testkit/lab"
	"sallyport/internal/testkit/need"
	"sallyport/internal/testkit/rendered"
	"sallyport/ipranges"
)

// BenchmarkLoad loads all of AzureCloud by our file and by one made by hand, with the same
// ranges and rules in a table of its own, in turns: into nothing, the same again, and over
// the version of the week before.
func BenchmarkLoad(b *testing.B) {
	need.Program(b, "nft")
	old, now := conformance.AzureCloud(b, 396), conformance.AzureCloud(b, 398)
	for _, opt := range []Options{
		{Placement: fragment, Table: "inet filter", Hook: "forward", Ingress: []string{"lan0"}},
		{Placement: standalone, Hook: "forward", Ingress: []string{"lan0"}},
	} {
		folder := b.TempDir()
		ours := func(name string, set ipranges.Set) string {
			path := filepath.Join(folder, name)
			writeFile(b, path, rendered.Files(b, rendered.Target(b, Kind(), &opt), filtercheck.Calls(set))[0].Data)
			return path
		}
		hand := func(name string, set ipranges.Set) string {
			path := filepath.Join(folder, name)
			writeFile(b, path, byHand(set))
			return path
		}
		before, after := []string{ours("396", old), hand("396h", old)}, []string{ours("398", now), hand("398h", now)}
		for _, c := range []struct {
			name   string
			before []string
		}{{"fresh", nil}, {"again", after}, {"week", before}} {
			b.Run(opt.Placement+" "+c.name, func(b *testing.B) { compareLoads(b, c.before, after) })
		}
	}
}

// byHand is a file as one would write it for the same calls.
func byHand(set ipranges.Set) []byte {
	file := []byte("table inet hand {}\ndelete table inet hand\ntable inet hand {\n\tset azure4 { type ipv4_addr; flags interval; elements = {\n")
	file = set.AppendRanges(file, ipranges.IPv4, "\t\t", ",\n")
	file = append(file, "\t} }\n\tset azure6 { type ipv6_addr; flags interval; elements = {\n"...)
	file = set.AppendRanges(file, ipranges.IPv6, "\t\t", ",\n")
	return append(file, `	} }
	set media { type inet_proto . inet_service; flags interval; elements = { udp . 3478-3481, tcp . 443 } }
	chain forward {
		type filter hook forward priority filter; policy accept;
		iifname != "lan0" return
		ip daddr @azure4 meta l4proto . th dport @media accept
		ip6 daddr @azure6 meta l4proto . th dport @media accept
	}
}
`...)
}

func compareLoads(b *testing.B, before, after []string) {
	h := lab.NewInjector(b).Host()
	load := func(i int) cost.Way {
		return cost.Way{
			Before: func() {
				h.MustRun(b, "nft", "flush", "ruleset")
				if before != nil {
					h.MustRun(b, "nft", "-f", before[i])
				}
			},
			Run: func() { h.MustRun(b, "nft", "-f", after[i]) },
		}
	}
	cost.Beside(b, load(0), load(1))
}
