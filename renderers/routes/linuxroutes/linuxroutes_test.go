package linuxroutes

import (
	"net/netip"
	"strings"
	"testing"

	"sallyport/ipranges"
)

var (
	via4 = Routes{Table: "main", Protocol: DefaultProtocol, Metric: DefaultMetric, Gateway: netip.MustParseAddr("192.0.2.1"), Device: "wlan0"}
	via6 = Routes{Table: "100", Protocol: 77, Metric: 5, Gateway: netip.MustParseAddr("fe80::1"), Device: "eth0"}
	set  = ipranges.MustParse("20.202.0.0/16", "52.112.0.0-52.113.7.9", "2603:1063::/38", "2620:fe::9")
)

func lines(text []byte) []string { return strings.Split(strings.TrimSpace(string(text)), "\n") }

func TestReadsWhatItAppends(t *testing.T) {
	for f, r := range map[ipranges.Family]Routes{ipranges.IPv4: via4, ipranges.IPv6: via6} {
		if m := r.Check(f); m != nil {
			t.Fatal(m)
		}
		all := lines(r.Append(nil, f, set))
		got, err := r.Read(all, f)
		if err != nil || !got.Equal(set.Only(f)) {
			t.Errorf("%v: %v, %v", f, got, err)
		}
		for i := range all {
			less := append(append([]string{}, all[:i]...), all[i+1:]...)
			if got, err := r.Read(less, f); err == nil && got.Equal(set.Only(f)) {
				t.Errorf("%v: without %q it reads back the same", f, all[i])
			}
		}
		if _, err := r.Read(append(all, all[0]), f); err == nil {
			t.Error("a line behind the end is read")
		}
		other := r
		other.Metric++
		if _, err := other.Read(all, f); err == nil {
			t.Error("routes of another metric are taken for ours")
		}
	}
	for name, set := range map[string]ipranges.Set{"no routes": {}, "the other family": set.Only(ipranges.IPv6)} {
		if _, err := via4.Read(lines(via4.Append(nil, ipranges.IPv4, set)), ipranges.IPv4); err == nil {
			t.Errorf("a file of %s reads back", name)
		}
	}
}

func TestCheck(t *testing.T) {
	for name, tt := range map[string]struct {
		field  string
		family ipranges.Family
		change func(*Routes)
	}{
		"no table":           {"table", ipranges.IPv4, func(r *Routes) { r.Table = "" }},
		"a table of tricks":  {"table", ipranges.IPv4, func(r *Routes) { r.Table = "main proto kernel" }},
		"every table":        {"table", ipranges.IPv4, func(r *Routes) { r.Table = "all" }},
		"the kernel's":       {"protocol", ipranges.IPv4, func(r *Routes) { r.Protocol = 2 }},
		"bird's":             {"protocol", ipranges.IPv4, func(r *Routes) { r.Protocol = 12 }},
		"the one before bgp": {"protocol", ipranges.IPv4, func(r *Routes) { r.Protocol = 185 }},
		"no room for two":    {"protocol", ipranges.IPv4, func(r *Routes) { r.Protocol = 255 }},
		"metric zero":        {"metric", ipranges.IPv4, func(r *Routes) { r.Metric = 0 }},
		"no device":          {"device", ipranges.IPv4, func(r *Routes) { r.Device = "" }},
		"the other family":   {"gateway6", ipranges.IPv6, func(*Routes) {}},
		"a zone":             {"gateway6", ipranges.IPv6, func(r *Routes) { r.Gateway = netip.MustParseAddr("fe80::1%eth0") }},
		"loopback":           {"gateway4", ipranges.IPv4, func(r *Routes) { r.Gateway = netip.MustParseAddr("127.0.0.1") }},
		"mapped":             {"gateway4", ipranges.IPv4, func(r *Routes) { r.Gateway = netip.MustParseAddr("::ffff:192.0.2.1") }},
		"a device of tricks": {"device", ipranges.IPv4, func(r *Routes) { r.Device = "eth0 table 5" }},
		"an option":          {"device", ipranges.IPv4, func(r *Routes) { r.Device = "-force" }},
		"too long a device":  {"device", ipranges.IPv4, func(r *Routes) { r.Device = "abcdefghijklmnop" }},
	} {
		r := via4
		tt.change(&r)
		if m := r.Check(tt.family); len(m) != 1 || m[0].Field != tt.field || m[0].Fix == "" {
			t.Errorf("%s: %v", name, m)
		}
	}
	alone := Routes{Table: "vpn", Protocol: 50, Metric: 1, Device: "ppp0"}
	for _, f := range []ipranges.Family{ipranges.IPv4, ipranges.IPv6} {
		if m := alone.Check(f); m != nil {
			t.Errorf("a device alone: %v", m)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(string(via4.Append(nil, ipranges.IPv4, set)))
	f.Fuzz(func(t *testing.T, text string) {
		got, err := via4.Read(strings.Split(text, "\n"), ipranges.IPv4)
		if err == nil && !got.Has(ipranges.IPv4) {
			t.Error("routes to nowhere are read")
		}
	})
}
