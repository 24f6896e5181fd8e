package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/testkit/iplist"
	"sallyport/internal/testkit/need"
)

// netipxSource aggregates with the library that Go programs take for it.
const netipxSource = `package main

import (
	"bufio"
	"net/netip"
	"os"
	"strings"

	"go4.org/netipx"
)

func main() {
	file, err := os.Open(os.Args[1])
	if err != nil {
		panic(err)
	}
	var b netipx.IPSetBuilder
	for in := bufio.NewScanner(file); in.Scan(); {
		if strings.Contains(in.Text(), "-") {
			b.AddRange(netipx.MustParseIPRange(in.Text()))
		} else if strings.Contains(in.Text(), "/") {
			b.AddPrefix(netip.MustParsePrefix(in.Text()))
		} else {
			b.Add(netip.MustParseAddr(in.Text()))
		}
	}
	set, err := b.IPSet()
	if err != nil {
		panic(err)
	}
	out := bufio.NewWriter(os.Stdout)
	for _, p := range set.Prefixes() {
		out.WriteString(p.String() + "\n")
	}
	out.Flush()
}
`

// BenchmarkAggregateProcess is the whole of aggregate on lists of a million lines, beside
// other programs on the same file, in turns: Debian's iprange, which reads IPv4 alone,
// and a program of netipx. cidr-merger and rs-aggregate take part if they are installed
// (see docs/performance.md).
func BenchmarkAggregateProcess(b *testing.B) {
	dir := b.TempDir()
	m, sallyport := newMeter(b, dir), program(b, dir, "sallyport", ".")
	peers := map[string]string{"iprange": need.Program(b, "iprange"), "netipx": fromSource(b, dir, "netipx", netipxSource)}
	for _, name := range []string{"cidr-merger", "rs-aggregate"} {
		if path, err := exec.LookPath(name); err == nil {
			peers[name] = path
		}
	}
	for _, shape := range []string{"random", "random6", "ranges", "contiguous"} {
		file := filepath.Join(dir, shape)
		if err := os.WriteFile(file, iplist.Lines(shape, 1_000_000), 0o644); err != nil {
			b.Fatal(err)
		}
		b.Run(shape, func(b *testing.B) {
			var ours []processUsage
			theirs := map[string][]processUsage{}
			for b.Loop() {
				ours = append(ours, m.timed(b, sallyport, "aggregate", file))
				for name, path := range peers {
					if name == "iprange" && strings.HasSuffix(shape, "6") || name == "rs-aggregate" && shape == "ranges" {
						continue
					}
					theirs[name] = append(theirs[name], m.timed(b, path, file))
				}
			}
			a := median(ours)
			b.ReportMetric(float64(a.wall.Microseconds())/1000, "ms/run")
			for name, list := range theirs {
				b.ReportMetric(float64(median(list).wall)/float64(a.wall), "times-"+name)
				b.ReportMetric(median(list).mib, name+"-MiB")
			}
			b.ReportMetric(a.mib, "peak-MiB")
			b.ReportMetric(0, "ns/op")
		})
	}
}
