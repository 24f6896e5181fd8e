package linuxroutes

import (
	"errors"
	"strings"
	"testing"

	"sallyport/internal/testkit/quickfuzz"
	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/renderers/routes/nexthop"
	"sallyport/rules"
)

var (
	good = Routes{Table: "main", Protocol: DefaultProtocol, Metric: DefaultMetric}
	list = rules.RouteList{Way: rules.Bypass, Families: rules.BothFamilies,
		Set: ipranges.MustParse("20.202.0.0/16", "52.112.0.0-52.113.7.9", "2603:1063::/38", "2620:fe::9")}
)

const header = "# routes: bypass of IPv4 and IPv6: x\n"

// via is good by way of two gateways.
func via(t testing.TB) Routes {
	t.Helper()
	r := good
	var err error
	if r.Ways, err = nexthop.Parse(nexthop.ToOptions{Gateway4: "192.0.2.1", Gateway6: "fe80::1", Device: "wlan0"}, nexthop.OtherOptions{}); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestReadsWhatItWrites(t *testing.T) {
	r := via(t)
	for _, f := range rules.BothFamilies.List() {
		text, err := r.Text(list, f)
		if err != nil {
			t.Fatal(err)
		}
		set := list.Set.Only(f)
		got, err := r.File(f).Read([]byte(header + text))
		if err != nil || !got.Set.Equal(set) {
			t.Errorf("%v: %v, %v", f, got.Set, err)
		}
		all := strings.SplitAfter(text, "\n")
		for i := range len(all) - 1 {
			less := strings.Join(all[:i], "") + strings.Join(all[i+1:], "")
			if got, err := r.File(f).Read([]byte(header + less)); err == nil && got.Set.Equal(set) {
				t.Errorf("%v: without %q it reads back the same", f, all[i])
			}
		}
		for name, other := range map[string]string{"a line behind the end": text + all[0], "no routes": "",
			"an IPv4 file of IPv6 routes": strings.NewReplacer("20.202.0.0/16", "2620:fe::/48", "2620:fe::9/128", "9.9.9.9/32").Replace(text)} {
			if _, err := r.File(f).Read([]byte(header + other)); err == nil {
				t.Errorf("%v: %s is read", f, name)
			}
		}
		changed := r
		changed.Metric++
		if _, err := changed.File(f).Read([]byte(header + text)); err == nil {
			t.Error("routes of another metric are taken for ours")
		}
	}
}

func TestCheck(t *testing.T) {
	for name, tt := range map[string]struct {
		option string
		change func(*Routes)
	}{
		"no table":           {"table", func(r *Routes) { r.Table = "" }},
		"a table of tricks":  {"table", func(r *Routes) { r.Table = "main proto kernel" }},
		"every table":        {"table", func(r *Routes) { r.Table = "all" }},
		"the kernel's":       {"protocol", func(r *Routes) { r.Protocol = 2 }},
		"bird's":             {"protocol", func(r *Routes) { r.Protocol = 12 }},
		"the one before bgp": {"protocol", func(r *Routes) { r.Protocol = 185 }},
		"no room for two":    {"protocol", func(r *Routes) { r.Protocol = 255 }},
		"metric zero":        {"metric", func(r *Routes) { r.Metric = 0 }},
	} {
		r := good
		tt.change(&r)
		var wrong *renderers.OptionError
		if err := r.Check(); len(renderers.Each(err)) != 1 || !errors.As(err, &wrong) || wrong.Option != tt.option || wrong.Fix == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	named := Routes{Table: "vpn", Protocol: 50, Metric: 1}
	if err := errors.Join(good.Check(), named.Check()); err != nil {
		t.Error(err)
	}
}

func FuzzRead(f *testing.F) {
	quickfuzz.Prepare()
	r := via(f)
	text, err := r.Text(list, ipranges.IPv4)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(header + text)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := r.File(ipranges.IPv4).Read([]byte(text))
		if err == nil && !got.Set.Has(ipranges.IPv4) {
			t.Error("routes to nowhere are read")
		}
	})
}
