package iproute

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/renderers/conformance"
	"sallyport/rules"
)

func options(change func(*Options)) *Options {
	o := Kind().NewOptions().(*Options)
	o.Device = "eth0"
	change(o)
	return o
}

func TestConformance(t *testing.T) {
	conformance.Run(t, Kind(),
		conformance.Variant{Name: "gateways", Options: options(func(o *Options) { o.Gateway4, o.Gateway6 = "192.0.2.1", "2001:db8::1" })},
		conformance.Variant{Name: "device", Options: options(func(o *Options) { o.Device = "tun0" })},
		conformance.Variant{Name: "IPv4 gateway", Options: options(func(o *Options) { o.Gateway4, o.Table = "192.0.2.1", "100" })},
		conformance.Variant{Name: "IPv6 gateway", Options: options(func(o *Options) {
			o.Gateway6, o.Protocol, o.Metric = "fe80::1", 77, 5
		})},
	)
}

func TestOptionMistakes(t *testing.T) {
	for _, tt := range []struct {
		option string
		change func(*Options)
	}{
		{"device", func(o *Options) { o.Gateway4, o.Device = "192.0.2.1", "" }},
		{"gateway4", func(o *Options) { o.Gateway4 = "router.example" }},
		{"gateway4", func(o *Options) { o.Gateway4 = "2001:db8::1" }},
		{"gateway6", func(o *Options) { o.Gateway6 = "192.0.2.1" }},
		{"gateway6", func(o *Options) { o.Gateway6 = "fe80::1%eth0" }},
		{"device", func(o *Options) { o.Device = "eth0;reboot" }},
		{"table", func(o *Options) { o.Gateway4, o.Table = "192.0.2.1", "a b" }},
		{"protocol", func(o *Options) { o.Gateway4, o.Protocol = "192.0.2.1", 4 }},
		{"metric", func(o *Options) { o.Gateway4, o.Metric = "192.0.2.1", 0 }},
	} {
		_, err := Kind().Build(options(tt.change), renderers.Env{Name: "edge", Path: "edge.batch"})
		var opt *renderers.OptionError
		if !errors.As(err, &opt) || opt.Option != tt.option || opt.Cause == "" || opt.Fix == "" {
			t.Errorf("%s: %v", tt.option, err)
		}
	}
}

// FuzzReadBack feeds the reader of our own output with anything.
func FuzzReadBack(f *testing.F) {
	for _, name := range []string{"edge.v4.batch", "edge.v6.batch"} {
		data, err := os.ReadFile(filepath.Join("testdata/golden/gateways", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	r, err := Kind().Build(options(func(o *Options) { o.Gateway4, o.Gateway6 = "192.0.2.1", "2001:db8::1" }),
		renderers.Env{Name: "edge", Path: "edge.batch"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, path := range []string{"edge.v4.batch", "edge.v6.batch"} {
			p, err := r.ReadBack([]renderers.File{{Path: path, Data: data}})
			if err == nil && p == nil {
				t.Error("neither a plan nor an error")
			}
		}
	})
}

// TestAFamilyWithoutItsGateway is refused in both directions, and only where the list
// has it.
func TestAFamilyWithoutItsGateway(t *testing.T) {
	r, err := Kind().Build(options(func(o *Options) { o.Gateway4 = "192.0.2.1" }), renderers.Env{Name: "edge", Path: "edge.batch"})
	if err != nil {
		t.Fatal(err)
	}
	both, only4 := ipranges.MustParse("20.202.0.0/16", "2603:1063::/38"), ipranges.MustParse("20.202.0.0/16")
	for _, v := range []rules.Verdict{rules.Bypass, rules.Tunnel} {
		for _, set := range []ipranges.Set{both, only4} {
			lowered, _, errs := rules.Lower(rules.RoutePlan("edge", rules.BothFamilies, v, set), renderers.CapsOf(Kind(), r))
			refused := len(errs) > 0
			if !refused {
				_, err := r.Render(lowered)
				var rule *rules.RuleError
				refused = errors.As(err, &rule) && rule.Fix != ""
			}
			if refused != set.Has(ipranges.IPv6) {
				t.Errorf("%v of %v: refused is %v", v, set, refused)
			}
		}
	}
}

// TestFamilyLeftBehind: routes of a family that the list no longer has would stay
// loaded, and nothing that is printed would take them away.
func TestFamilyLeftBehind(t *testing.T) {
	published := map[string][]byte{}
	env := renderers.Env{Name: "lap", Path: "lap.batch", Previous: func(path string) []byte { return published[path] }}
	opt := Kind().NewOptions().(*Options)
	opt.Device, opt.Gateway4, opt.Gateway6 = "eth0", "192.0.2.1", "fe80::1"
	render := func(set ...string) error {
		r, err := Kind().Build(opt, env)
		if err != nil {
			t.Fatal(err)
		}
		files, err := r.Render(rules.RoutePlan("lap", rules.BothFamilies, rules.Bypass, ipranges.MustParse(set...)))
		for _, f := range files {
			published[f.Path] = f.Data
		}
		return err
	}
	if err := render("20.202.0.0/16", "2603:1063::/38"); err != nil {
		t.Fatal(err)
	}
	var wrong *rules.RuleError
	if err := render("20.202.0.0/16"); !errors.As(err, &wrong) || !strings.Contains(wrong.Fix, "ip -6 route flush") {
		t.Errorf("IPv6 is left behind: %v", err)
	}
	delete(published, renderers.FamilyPath("lap.batch", ipranges.IPv6))
	if err := render("20.202.0.0/16"); err != nil {
		t.Errorf("after the old file was deleted: %v", err)
	}
}
