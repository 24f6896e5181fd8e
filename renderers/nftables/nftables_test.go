package nftables

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"sallyport/renderers"
	"sallyport/renderers/conformance"
)

func variants() []conformance.Variant {
	forward := Options{Placement: fragment, Table: "inet filter", Hook: "forward", Ingress: []string{"lan0"}}
	output := forward
	output.Hook, output.Ingress, output.Established = "output", nil, true
	alone := forward
	alone.Placement = standalone
	host := output
	host.Placement, host.Established = standalone, false
	marked := forward
	marked.DSCP, marked.Counters, marked.Ingress, marked.Egress = true, true, []string{"lan*", "dmz0"}, []string{"wan0"}
	ip4, ip6 := forward, forward
	ip4.Table, ip6.Table = "ip filter", "ip6 filter"
	aloneMarked := alone
	aloneMarked.DSCP = true
	return []conformance.Variant{
		{Name: "fragment forward", Options: &forward},
		{Name: "fragment output", Options: &output},
		{Name: "standalone forward", Options: &alone},
		{Name: "standalone output", Options: &host},
		{Name: "fragment marked", Options: &marked},
		{Name: "standalone marked", Options: &aloneMarked},
		{Name: "fragment ip", Options: &ip4},
		{Name: "fragment ip6", Options: &ip6},
	}
}

func TestConformance(t *testing.T) { conformance.Run(t, Kind(), variants()...) }

func writeFile(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestOptionMistakes(t *testing.T) {
	good := Options{Placement: fragment, Table: "inet filter", Hook: "forward", Ingress: []string{"lan0"}}
	for _, tt := range []struct {
		option string
		change func(*Options)
	}{
		{"placement", func(o *Options) { o.Placement = "inline" }},
		{"table", func(o *Options) { o.Table = "filter" }},
		{"table", func(o *Options) { o.Table = "bridge filter" }},
		{"table", func(o *Options) { o.Table = "inet fil;ter" }},
		{"table", func(o *Options) { o.Table = "inet 9lives" }},
		{"hook", func(o *Options) { o.Hook = "input" }},
		{"hook", func(o *Options) { o.Hook = "prerouting" }},
		{"hook", func(o *Options) { o.Ingress = nil }},
		{"ingress", func(o *Options) { o.Hook = "output" }},
		{"ingress.1", func(o *Options) { o.Ingress = []string{"lan0", `x" accept; #`} }},
		{"ingress.0", func(o *Options) { o.Ingress = []string{"*"} }},
		{"ingress.0", func(o *Options) { o.Ingress = []string{"la*n"} }},
		{"egress.0", func(o *Options) { o.Egress = []string{"a-name-that-is-too-long"} }},
	} {
		o := good
		tt.change(&o)
		_, err := Kind().Build(&o, renderers.Env{Name: "edge", Path: "edge.nft"})
		var opt *renderers.OptionError
		if !errors.As(err, &opt) || opt.Option != tt.option || opt.Cause == "" || opt.Fix == "" {
			t.Errorf("%+v: %v", o, err)
		}
	}
	if _, err := Kind().Build(&good, renderers.Env{Name: "edge", Path: "edge.nft"}); err != nil {
		t.Errorf("good options: %v", err)
	}
}

// FuzzParse feeds the reader of our own output with anything.
func FuzzParse(f *testing.F) {
	golden, err := filepath.Glob("testdata/golden/*/*.nft")
	if err != nil || len(golden) == 0 {
		f.Fatalf("no golden files: %v", err)
	}
	for _, name := range golden {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data))
	}
	built, err := Kind().Build(&Options{Placement: fragment, Table: "inet filter", Hook: "forward", Ingress: []string{"lan0"}},
		renderers.Env{Name: "edge", Path: "edge.nft"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, src string) {
		r := built.(*renderer)
		if p, err := r.readPlan(src); err == nil && p == nil {
			t.Error("neither a plan nor an error")
		}
		r.env.Previous = func(string) []byte { return []byte(src) }
		r.retired(nil, nil) // whatever it is, it must not panic
	})
}
