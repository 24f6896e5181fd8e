package probe

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"sallyport/ipranges"
)

func TestIsTunnel(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, typ string
		ptp, want bool
	}{
		{"tun0", "tun", true, true}, {"wg0", "wireguard", true, true}, {"office", "wireguard", false, true},
		{"eth0", "veth", false, false}, {"eth0", "device", false, false}, {"tun0", "device", false, false},
		{"sit0", "sit", true, false}, {"ip6tnl0", "ip6tnl", true, false},
		{"utun4", "", true, true}, {"en0", "", false, false}, {"gif0", "", true, false}, {"ppp0", "", true, true},
		{"Teredo Tunneling Pseudo-Interface", "", true, false}, {"isatap.example", "", true, false},
		{"Cisco AnyConnect Virtual Miniport", "", false, true}, {"PANGP Virtual Ethernet Adapter", "", false, true},
		{"Ethernet", "", false, false}, {"Wi-Fi", "", false, false}, {"Local Area Connection* 9", "", true, false},
	} {
		if got := isTunnel(c.name, c.typ, c.ptp); got != c.want {
			t.Errorf("%s (%s): %v", c.name, c.typ, got)
		}
	}
}

func TestSamples(t *testing.T) {
	t.Parallel()
	set := ipranges.MustParse("20.0.0.0/24", "2001:db8::/32")
	table := []netip.Prefix{netip.MustParsePrefix("20.0.0.16/28"), netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("30.0.0.0/8"), netip.MustParsePrefix("::/0")}
	var got []string
	for _, a := range samples(set, table) {
		got = append(got, a.String())
	}
	want := []string{"20.0.0.0", "20.0.0.15", "20.0.0.16", "20.0.0.31", "20.0.0.32", "20.0.0.255", "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestPrintable(t *testing.T) {
	t.Parallel()
	if got := printable("a\x1b[2J\n\xff" + strings.Repeat("x", 300)); strings.ContainsAny(got, "\x1b\n") || len(got) > 110 {
		t.Errorf("%q", got)
	}
}
