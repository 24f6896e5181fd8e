package probe

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

func TestCandidates(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		conf, host string
		want       []string
	}{
		{"search a.example b.example", "relay.lab", []string{"relay.lab", "relay.lab.a.example", "relay.lab.b.example"}},
		{"search a.example\noptions ndots:3", "relay.lab", []string{"relay.lab.a.example", "relay.lab"}},
		{"domain a.example.\nsearch b.example", "relay", []string{"relay.b.example", "relay"}},
		{"search a.example", "relay.lab.", []string{"relay.lab"}},
		{"", "relay", []string{"relay"}},
	} {
		s, err := parseResolvConf(strings.NewReader(c.conf))
		if err != nil {
			t.Fatal(err)
		}
		if got := s.candidates(c.host); !slices.Equal(got, c.want) {
			t.Errorf("%q, %s: %q, want %q", c.conf, c.host, got, c.want)
		}
	}
}

func TestStubServers(t *testing.T) {
	t.Parallel()
	s, err := parseResolvConf(strings.NewReader("nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\nnameserver 192.0.2.4\noptions timeout:2 attempts:9 ndots:99 rotate\n"))
	if err != nil || len(s.Servers) != 4 || len(s.asked()) != 3 || s.Timeout != 2*time.Second || s.Tries != 5 || s.Dots != 15 {
		t.Errorf("%+v, %v", s, err)
	}
	s, err = parseResolvConf(strings.NewReader("options timeout:2\n"))
	if err != nil || len(s.asked()) != 1 || s.asked()[0].String() != "127.0.0.1:53" {
		t.Errorf("without a name server: %+v, %v", s, err)
	}
}

func TestParseHosts(t *testing.T) {
	t.Parallel()
	hosts, err := parseHosts(strings.NewReader("127.0.0.1 localhost # me\n# 192.0.2.1 no\n192.0.2.7\tRelay.Example. relay\n2001:db8::7 relay.example\nnonsense here\n192.0.2.9\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []netip.Addr{netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("2001:db8::7")}
	if got := hosts["relay.example"]; !slices.Equal(got, want) || len(hosts) != 3 {
		t.Errorf("%v", hosts)
	}
}

func FuzzStub(f *testing.F) {
	f.Add("nameserver 192.0.2.1\nsearch a b\noptions ndots:2", "192.0.2.7 relay")
	f.Fuzz(func(t *testing.T, conf, hosts string) {
		if s, err := parseResolvConf(strings.NewReader(conf)); err == nil && (len(s.Servers) == 0 || s.Dots > 15 || s.Tries > 5 || len(s.candidates("relay.example")) == 0) {
			t.Errorf("%+v", s)
		}
		if list, err := parseHosts(strings.NewReader(hosts)); err == nil {
			for name, addrs := range list {
				if len(addrs) == 0 || name != strings.ToLower(name) {
					t.Errorf("%q: %v", name, addrs)
				}
			}
		}
	})
}

// TestInOrder: programs ask servers in order, and take the first answer.
func TestInOrder(t *testing.T) {
	t.Parallel()
	a4, a6 := netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("2001:db8::7")
	yes := func(list ...netip.Addr) queried { return queried{ok: true, answer: dnsAnswer{addrs: list}} }
	code := func(c dnsmessage.RCode) queried { return queried{ok: true, answer: dnsAnswer{code: c}} }
	good, no, fails, silent := [2]queried{yes(a4), yes(a6)}, [2]queried{code(dnsmessage.RCodeNameError), code(dnsmessage.RCodeNameError)},
		[2]queried{code(dnsmessage.RCodeServerFailure), code(dnsmessage.RCodeRefused)}, [2]queried{}
	late := good
	late[0].took, late[1].took = 6*time.Second, 6*time.Second
	for name, c := range map[string]struct {
		said   [][2]queried
		want   int // addresses
		waited time.Duration
	}{
		"the first knows":                     {[][2]queried{good, no}, 2, 0},
		"the first denies":                    {[][2]queried{no, good}, 0, 0},
		"the first fails":                     {[][2]queried{fails, good}, 2, 0},
		"the first is silent":                 {[][2]queried{silent, good}, 2, 5 * time.Second},
		"the first is late":                   {[][2]queried{late, good}, 2, 5 * time.Second},
		"no address of the name":              {[][2]queried{{yes(), yes()}, good}, 0, 0},
		"three are silent, the fourth is not": {[][2]queried{silent, silent, silent, good}, 0, 30 * time.Second},
		"IPv6 is never answered":              {[][2]queried{{yes(a4), {}}}, 1, 10 * time.Second},
	} {
		n := &names{Stub: Stub{Limit: 3, Timeout: 5 * time.Second, Tries: 2}}
		var said []resolved
		for i, s := range c.said {
			server := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}), 53)
			n.Servers = append(n.Servers, server)
			said = append(said, resolved{server: server, a: s[0], aaa: s[1]})
		}
		if got := n.inOrder("relay.example", said); len(got.addrs) != c.want || got.waited != c.waited || c.want == 0 && got.why == "" {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestEmbedded(t *testing.T) {
	t.Parallel()
	// RFC 6052 section 2.4.
	for _, s := range []struct {
		addr string
		bits int
	}{
		{"2001:db8:c000:221::", 32}, {"2001:db8:1c0:2:21::", 40}, {"2001:db8:122:c000:2:2100::", 48}, {"2001:db8:122:3c0:0:221::", 56},
		{"2001:db8:122:344:c0:2:2100::", 64}, {"2001:db8:122:344::192.0.2.33", 96}, {"64:ff9b::192.0.2.33", 96},
	} {
		if got := embedded(netip.MustParseAddr(s.addr), s.bits); got.String() != "192.0.2.33" {
			t.Errorf("%s/%d: %s", s.addr, s.bits, got)
		}
	}
	got := prefixesIn([]netip.Addr{netip.MustParseAddr("2001:db8:64::192.0.0.170"), netip.MustParseAddr("2001:db8:64::192.0.0.171"), netip.MustParseAddr("192.0.0.170")})
	if len(got) != 1 || got[0].String() != "2001:db8:64::/96" {
		t.Errorf("%v", got)
	}
}
