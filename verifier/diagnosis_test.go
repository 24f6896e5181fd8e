package verifier

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

// TestDiagnose: each diagnosis is made once, and claims nothing beyond the findings.
func TestDiagnose(t *testing.T) {
	t.Parallel()
	relay4, relay6, gateway := netip.MustParseAddr("20.202.0.1"), netip.MustParseAddr("2603:1063::1"), netip.MustParseAddr("10.20.0.1")
	at := func(a netip.Addr, prot string, port uint16, v Verdict) Finding {
		o := Fail
		switch {
		case v == Reachable:
			o = Pass
		case v == Silent || v == Inconclusive:
			o = Undecided
		}
		return Finding{Kind: STUN, Check: CheckReach, Outcome: o, Verdict: v, Host: "relay.example", Address: a, Family: FamilyOf(a), Protocol: prot, Port: port,
			Summary: fmt.Sprintf("relay.example %s/%d", prot, port)}
	}
	filtered := func(port uint16) Finding {
		f := at(relay4, "udp", port, Filtered)
		f.Hop, f.HopAddr = 1, gateway
		return f
	}
	sign := func(f Finding, s Sign) Finding {
		f.Sign = s
		return f
	}
	for name, c := range map[string]struct {
		list  []Finding
		proxy string
		want  []string // a part of each sentence
	}{
		"all is well":     {list: []Finding{at(relay4, "udp", 3478, Reachable), at(relay4, "tcp", 443, Reachable)}},
		"UDP is blocked":  {list: []Finding{filtered(3478), filtered(3479), at(relay4, "tcp", 443, Reachable)}, want: []string{"UDP passes to no relay at or behind 10.20.0.1; TCP 443 works"}},
		"some UDP passes": {list: []Finding{filtered(3479), at(relay4, "udp", 3478, Reachable), at(relay4, "tcp", 443, Reachable)}},
		"nothing passes":  {list: []Finding{filtered(3478), filtered(3479), at(relay4, "tcp", 443, Silent)}, want: []string{"neither UDP nor TCP"}},
		"IPv6 is broken": {list: []Finding{at(relay4, "udp", 3478, Reachable), at(relay6, "udp", 3478, Silent), at(relay6, "tcp", 443, Silent)},
			want: []string{"IPv6 is broken"}},
		"no IPv6":    {list: []Finding{at(relay4, "udp", 3478, Reachable), at(relay6, "udp", 3478, NoRoute), at(relay6, "tcp", 443, NoRoute)}},
		"no network": {list: []Finding{at(relay4, "udp", 3478, NoRoute), at(relay4, "tcp", 443, NoRoute)}, want: []string{"cannot send to any target"}},
		"a portal": {list: []Finding{sign(Finding{Check: CheckReach, Outcome: Warn, Verdict: Inconclusive}, SignPortal), sign(Finding{Check: CheckCert, Outcome: Fail}, SignOtherName)},
			want: []string{"captive portal"}},
		"a redirect alone": {list: []Finding{sign(Finding{Check: CheckReach, Outcome: Warn, Verdict: Inconclusive}, SignPortal)}},
		"interception":     {list: []Finding{sign(Finding{Check: CheckCert, Outcome: Fail, Host: "relay.example", Summary: "issued by Proxy"}, SignIntercepted)}, want: []string{"TLS to relay.example is intercepted"}},
		"a proxy":          {list: []Finding{at(relay4, "tcp", 443, Refused)}, proxy: "proxy.example:3128", want: []string{"a proxy is set, proxy.example:3128"}},
		"a needless proxy": {list: []Finding{at(relay4, "tcp", 443, Reachable)}, proxy: "proxy.example:3128"},
		"a lossy line":     {list: []Finding{at(relay4, "udp", 3478, Reachable), {Check: CheckLoss, Outcome: Undecided, Summary: "lossy", Remedy: "measure"}}, want: []string{"loses packets"}},
		"much at once": {list: []Finding{filtered(3478), filtered(3479), at(relay4, "tcp", 443, Refused), sign(Finding{Check: CheckCert, Outcome: Fail, Host: "relay.example", Summary: "issued by Proxy"}, SignIntercepted),
			{Check: CheckWay, Outcome: Fail, Summary: "swallowed", Remedy: "load"}, {Check: CheckLoss, Outcome: Undecided, Summary: "lossy", Remedy: "measure"}}, proxy: "p", want: []string{"intercepted", "neither", "VPN"}},
	} {
		got := Diagnose(c.list, c.proxy)
		if len(got) != len(c.want) {
			t.Errorf("%s: %+v", name, got)
			continue
		}
		for i, d := range got {
			if !strings.Contains(d.Text, c.want[i]) || d.Evidence == "" || d.Do == "" || strings.HasSuffix(d.Text, ".") {
				t.Errorf("%s: %+v, want %q", name, d, c.want[i])
			}
		}
	}
}
