package policy

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkSample is Load and Compile of the design's policy, with a catalog of
// a few tags.
func BenchmarkSample(b *testing.B) {
	src := []byte(sample)
	opt := testOptions(nil)
	f, _ := Load("test.hcl", src, opt)
	cats := catalogsFor(b, f)
	b.ReportAllocs()
	for b.Loop() {
		f, _ := Load("test.hcl", src, opt)
		if p, list := f.Compile(cats); len(p.Targets) != 3 {
			b.Fatal(list)
		}
	}
}

// BenchmarkManyRules is a policy of 300 rules, whose shadows cost most.
func BenchmarkManyRules(b *testing.B) {
	var src strings.Builder
	src.WriteString("service \"web\" { tcp = [443] }\ntarget \"nftables\" \"edge\" {}\n")
	for i := range 300 {
		fmt.Fprintf(&src, "rule \"r%d\" {\n  action = \"allow\"\n  to = [\"10.%d.%d.0/24\"]\n  services = [service.web]\n}\n", i, i/200, i%200)
	}
	opt := testOptions(nil)
	b.ReportAllocs()
	for b.Loop() {
		f, list := Load("test.hcl", []byte(src.String()), opt)
		if list.HasErrors() {
			b.Fatal(list)
		}
		f.Compile(nil)
	}
}
