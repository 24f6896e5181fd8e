package nexthop

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
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
		ways, m := Parse(ToOptions{tt.gateway4, tt.gateway6, tt.device}, OtherOptions{})
		if m != nil {
			t.Errorf("%s: %v", name, m)
			continue
		}
		for f, want := range map[ipranges.Family]string{ipranges.IPv4: tt.v4, ipranges.IPv6: tt.v6} {
			if w, ok := ways.By[f]; ok != (want != "") || ok && w.String() != want {
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
		if _, err := Parse(ToOptions{tt.gateway4, tt.gateway6, tt.device}, OtherOptions{}); options(t, err) != tt.field {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := Parse(ToOptions{Device: "tun0"}, OtherOptions{true, tt.gateway4, tt.gateway6, tt.device}); options(t, err) != "other_"+tt.field {
			t.Errorf("%s as the other: %v", name, err)
		}
	}
}

// options are those that err finds mistakes in.
func options(t *testing.T, err error) string {
	t.Helper()
	var list []string
	for _, e := range renderers.Each(err) {
		var o *renderers.OptionError
		if !errors.As(e, &o) || o.Cause == "" || o.Fix == "" {
			t.Errorf("%v has no cause and fix", e)
			continue
		}
		list = append(list, o.Option)
	}
	return strings.Join(list, " ")
}

func TestExceptions(t *testing.T) {
	eth, tun := ToOptions{"192.0.2.1", "fe80::1", "eth0"}, OtherOptions{Exceptions: true, OtherDevice: "tun0"}
	ways, err := Parse(eth, tun)
	if err != nil || ways.By[ipranges.IPv4].String() != "192.0.2.1 on eth0, with exceptions by way of tun0" {
		t.Errorf("%v, %v", ways, err)
	}
	// A family needs both ways.
	ways, err = Parse(eth, OtherOptions{Exceptions: true, OtherGateway4: "10.8.0.1", OtherDevice: "tun0"})
	if err != nil || !slices.Equal(ways.Families(), []ipranges.Family{ipranges.IPv4}) {
		t.Errorf("%v, %v", ways, err)
	}
	if _, err := Parse(eth, OtherOptions{OtherDevice: "tun0"}); options(t, err) != "exceptions" {
		t.Errorf("another hop without exceptions: %v", err)
	}
	if _, err := Parse(ToOptions{Device: "tun0"}, tun); options(t, err) != "other_device" {
		t.Errorf("one way for both: %v", err)
	}
}

// All that is wrong is said at once, and a device of both families once.
func TestMistakesTogether(t *testing.T) {
	_, err := Parse(ToOptions{"router", "::", "a b"}, OtherOptions{Exceptions: true, OtherGateway4: "127.0.0.1"})
	if got := options(t, err); got != "gateway4 device gateway6 other_device other_gateway4" {
		t.Error(got)
	}
}

func words(h Hop) (before, after string) { return "route ", " to " + h.Device }

// TestForm reads back what it writes, by the longest prefix, and exceptions make a list
// with holes shorter. A family without a way is in no list.
func TestForm(t *testing.T) {
	holes := ipranges.MustParse("0.0.0.0/1", "2000::/3").Minus(ipranges.MustParse("10.0.0.0/8", "20.5.6.7", "2001:db8::/32"))
	header := "# routes: bypass of IPv4 and IPv6: x\n"
	lines := map[bool]int{}
	for exceptions, other := range map[bool]OtherOptions{false: {}, true: {Exceptions: true, OtherDevice: "tun0"}} {
		ways, err := Parse(ToOptions{Device: "eth0"}, other)
		if err != nil {
			t.Fatal(err)
		}
		form := ways.Form("#", func(ipranges.Family) Words { return words })
		text, err := form.Text(rules.RouteList{Way: rules.Bypass, Families: rules.BothFamilies, Set: holes})
		if err != nil {
			t.Fatal(err)
		}
		lines[exceptions] = strings.Count(string(text), "\n")
		if strings.Contains(string(text), " to tun0\n") != exceptions {
			t.Errorf("with exceptions (%v) it is\n%s", exceptions, text)
		}
		if got, err := form.Read([]byte(header + string(text))); err != nil || !got.Set.Equal(holes) {
			t.Errorf("it is read as %v, %v", got.Set, err)
		}
		if counted := ways.Caps(form).RouteBytes != nil; counted == exceptions {
			t.Errorf("with exceptions (%v) bytes are counted: %v", exceptions, counted)
		}
	}
	if lines[true] >= lines[false] {
		t.Errorf("%d lines with exceptions, %d without", lines[true], lines[false])
	}
	ways, err := Parse(ToOptions{Gateway4: "192.0.2.1", Device: "eth0"}, OtherOptions{})
	if err != nil {
		t.Fatal(err)
	}
	form := ways.Form("#", func(ipranges.Family) Words { return words })
	var refused *rules.RuleError
	_, err = form.Text(rules.RouteList{Way: rules.Bypass, Families: rules.BothFamilies, Set: holes})
	if !errors.As(err, &refused) || !strings.Contains(refused.Cause, "gateway6") || refused.Fix == "" {
		t.Errorf("without an IPv6 gateway: %v", err)
	}
	if got, err := form.Read([]byte(header + "route 2000::/3 to \n")); err == nil {
		t.Errorf("an IPv6 route without a way is read as %v", got.Set)
	}
	if why := ways.Caps(form).NoBypass; len(why) != 1 || !strings.Contains(why[ipranges.IPv6], "gateway6") {
		t.Errorf("what goes past no way is %q", why)
	}
}
