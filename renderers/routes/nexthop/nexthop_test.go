package nexthop

import (
	"slices"
	"strings"
	"testing"

	"sallyport/ipranges"
)

func TestParse(t *testing.T) {
	for name, tt := range map[string]struct {
		gateway4, gateway6, device string
		v4, v6                     string // empty: no hop
	}{
		"both gateways":  {"192.0.2.1", "fe80::1", "eth0", "192.0.2.1 on eth0", "fe80::1 on eth0"},
		"device":         {"", "", "tun0", "tun0", "tun0"},
		"one gateway":    {"192.0.2.1", "", "eth0", "192.0.2.1 on eth0", ""},
		"the other one":  {"", "2001:db8::1", "eth0.5", "", "2001:db8::1 on eth0.5"},
		"strange device": {"", "", "wg-office+7", "wg-office+7", "wg-office+7"},
	} {
		ways, m := Parse(Options{tt.gateway4, tt.gateway6, tt.device}, Options{}, false)
		if m != nil {
			t.Errorf("%s: %v", name, m)
			continue
		}
		for f, want := range map[ipranges.Family]string{ipranges.IPv4: tt.v4, ipranges.IPv6: tt.v6} {
			if w, ok := ways[f]; ok != (want != "") || ok && w.String() != want {
				t.Errorf("%s: %v has the way %v, not %q", name, f, w, want)
			}
		}
	}
}

func TestMistakes(t *testing.T) {
	for name, tt := range map[string]struct{ field, gateway4, gateway6, device string }{
		"nothing":            {"device", "", "", ""},
		"no device":          {"device", "192.0.2.1", "", ""},
		"a name":             {"gateway4", "router.example", "", "eth0"},
		"the other family":   {"gateway4", "2001:db8::1", "", "eth0"},
		"and back":           {"gateway6", "", "192.0.2.1", "eth0"},
		"mapped":             {"gateway6", "", "::ffff:192.0.2.1", "eth0"},
		"a zone":             {"gateway6", "", "fe80::1%eth0", "eth0"},
		"loopback":           {"gateway4", "127.0.0.1", "", "eth0"},
		"unspecified":        {"gateway6", "", "::", "eth0"},
		"multicast":          {"gateway4", "224.0.0.1", "", "eth0"},
		"a device of tricks": {"device", "", "", "eth0; reboot"},
		"a quote":            {"device", "", "", `eth0"`},
		"an option":          {"device", "", "", "-force"},
		"its other end":      {"device", "", "", "eth0@if7"},
		"too long a device":  {"device", "", "", "abcdefghijklmnop"},
		"a line break":       {"device", "", "", "eth0\n"},
	} {
		to, tun := Options{tt.gateway4, tt.gateway6, tt.device}, Options{Device: "tun0"}
		if _, m := Parse(to, Options{}, false); len(m) != 1 || m[0].Field != tt.field || m[0].Cause == "" || m[0].Fix == "" {
			t.Errorf("%s: %v", name, m)
		}
		if _, m := Parse(tun, to, true); len(m) != 1 || m[0].Field != "other_"+tt.field || m[0].Cause == "" || m[0].Fix == "" {
			t.Errorf("%s as the other: %v", name, m)
		}
	}
}

func TestExceptions(t *testing.T) {
	eth, tun := Options{"192.0.2.1", "fe80::1", "eth0"}, Options{Device: "tun0"}
	ways, m := Parse(eth, tun, true)
	if m != nil || ways[ipranges.IPv4].String() != "192.0.2.1 on eth0, with exceptions by way of tun0" {
		t.Errorf("%v, %v", ways, m)
	}
	// A family needs both ways.
	ways, m = Parse(eth, Options{Gateway4: "10.8.0.1", Device: "tun0"}, true)
	if _, ok := ways[ipranges.IPv6]; m != nil || ok || len(ways) != 1 {
		t.Errorf("%v, %v", ways, m)
	}
	for field, m := range map[string]Mistakes{
		"exceptions":   second(Parse(eth, tun, false)),
		"other_device": second(Parse(tun, tun, true)),
	} {
		if len(m) != 1 || m[0].Field != field || m[0].Fix == "" {
			t.Errorf("%s: %v", field, m)
		}
	}
}

// All that is wrong is said at once, and a device of both families once.
func TestMistakesTogether(t *testing.T) {
	_, all := Parse(Options{"router", "::", "a b"}, Options{Gateway4: "127.0.0.1"}, true)
	var fields []string
	for _, m := range all {
		fields = append(fields, m.Field)
	}
	if got := strings.Join(fields, " "); got != "gateway4 device gateway6 other_device other_gateway4" {
		t.Error(got)
	}
}

func second(_ Ways, m Mistakes) Mistakes { return m }

func words(h Hop) (before, after string) { return "route ", " to " + h.Device }

var (
	plain = Way{To: Hop{Device: "eth0"}}
	both  = Way{To: Hop{Device: "eth0"}, Other: Hop{Device: "tun0"}}
)

// TestTables writes sets with holes both ways, and reads them back by the longest
// prefix. Exceptions make the list shorter.
func TestTables(t *testing.T) {
	holes := ipranges.MustParse("0.0.0.0/1", "2000::/3").Minus(ipranges.MustParse("10.0.0.0/8", "20.5.6.7", "2001:db8::/32"))
	for name, set := range map[string]ipranges.Set{
		"holes": holes, "plain": ipranges.MustParse("52.112.0.0/14", "2603:1063::/38"),
		"everything": ipranges.Full(ipranges.IPv4).Union(ipranges.Full(ipranges.IPv6)),
	} {
		for _, f := range []ipranges.Family{ipranges.IPv4, ipranges.IPv6} {
			count := map[bool]int{}
			for _, w := range []Way{plain, both} {
				lines := strings.Split(strings.TrimSuffix(string(w.Append(nil, set, f, words)), "\n"), "\n")
				got, err := w.Read(lines, f, words)
				if err != nil || !got.Equal(set.Only(f)) {
					t.Errorf("%s, %v by %v: %v, %v", name, f, w, got, err)
				}
				count[w == both] = len(lines)
				slices.Reverse(lines)
				if again, err := w.Read(lines, f, words); err != nil || !again.Equal(got) {
					t.Errorf("%s, %v by %v: backwards %v, %v", name, f, w, again, err)
				}
			}
			if shorter := count[true] < count[false]; shorter != (name == "holes") && name != "everything" {
				t.Errorf("%s, %v: %d lines with exceptions, %d without", name, f, count[true], count[false])
			}
		}
	}
}

func TestReadRefuses(t *testing.T) {
	for name, lines := range map[string][]string{
		"an unknown hop": {"route 9.9.9.0/24 to eth1"},
		"host bits":      {"route 9.9.9.9/24 to eth0"},
		"IPv6":           {"route 2603:1063::/38 to eth0"},
		"twice":          {"route 9.9.9.0/24 to eth0", "route 9.9.9.0/24 to eth0"},
		"both ways":      {"route 9.9.9.0/24 to eth0", "route 9.9.9.0/24 to tun0"},
		"an empty line":  {""},
	} {
		if got, err := both.Read(lines, ipranges.IPv4, words); err == nil {
			t.Errorf("%s is read as %v", name, got)
		}
	}
	if _, err := plain.Read([]string{"route 9.9.9.0/24 to tun0"}, ipranges.IPv4, words); err == nil {
		t.Error("an exception is read where there are none")
	}
}
