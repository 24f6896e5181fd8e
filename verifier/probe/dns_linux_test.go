package probe

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"sallyport/internal/testkit/pace"
	"sallyport/verifier"
)

// zone is what a name server of the lab knows: addresses, or "CNAME name".
type zone map[string][]string

// nameServer serves a zone on the lab's server. answer may change what it says.
type nameServer struct {
	zone     zone
	code     dnsmessage.RCode // of every answer, if not 0
	wild     string           // the address of every name that is not known
	wildWeb  bool             // of names that begin with www alone
	valid    bool             // names under invalid do not exist, whatever wild says
	noEDNS   bool             // questions with EDNS are dropped
	truncate bool             // over UDP
	lose     int              // how many questions go unanswered
}

const resolver4 = "20.202.0.53"

func (n *network) nameServer(address string, s nameServer) {
	n.tb.Helper()
	c, err := n.Server.ListenPacket("udp4", net.JoinHostPort(address, "53"))
	if err != nil {
		n.tb.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 1500)
		for lost := 0; ; {
			size, from, err := c.ReadFrom(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				continue
			}
			if lost < s.lose {
				lost++
				continue
			}
			_, _ = c.WriteTo(s.reply(buf[:size], s.truncate), from)
		}
	}()
	n.tb.Cleanup(func() {
		c.Close()
		<-done
	})
	serveTCP(n.tb, n.Server, net.JoinHostPort(address, "53"), func(c net.Conn) {
		var length [2]byte
		if _, err := io.ReadFull(c, length[:]); err != nil {
			return
		}
		b := make([]byte, binary.BigEndian.Uint16(length[:]))
		if _, err := io.ReadFull(c, b); err != nil {
			return
		}
		out := s.reply(b, false)
		_, _ = c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(out))), out...))
	})
	n.client.resolvers = append(n.client.resolvers, netip.AddrPortFrom(netip.MustParseAddr(address), 53))
}

func (s *nameServer) reply(b []byte, truncate bool) []byte {
	var m dnsmessage.Message
	if m.Unpack(b) != nil || len(m.Questions) != 1 {
		return nil
	}
	if s.noEDNS && len(m.Additionals) > 0 {
		return nil
	}
	q := m.Questions[0]
	m.Response, m.Additionals, m.RCode, m.Truncated = true, nil, s.code, truncate
	if s.code == 0 && !truncate {
		s.answer(&m, q)
	}
	out, err := m.Pack()
	if err != nil {
		return nil
	}
	return out
}

func (s *nameServer) answer(m *dnsmessage.Message, q dnsmessage.Question) {
	name := strings.ToLower(q.Name.String())
	values, ok := s.zone[name]
	invents := s.wild != "" && (!s.wildWeb || strings.HasPrefix(name, "www.")) && (!s.valid || !strings.HasSuffix(name, ".invalid."))
	if !ok && invents {
		values, ok = []string{s.wild}, true
	}
	if !ok {
		m.RCode = dnsmessage.RCodeNameError
		return
	}
	for _, v := range values {
		if alias, ok := strings.CutPrefix(v, "CNAME "); ok {
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(name), Class: dnsmessage.ClassINET},
				Body: &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(alias)}})
			if len(m.Answers) < 10 {
				s.answer(m, dnsmessage.Question{Name: dnsmessage.MustNewName(alias), Type: q.Type})
			}
			continue
		}
		a := netip.MustParseAddr(v)
		r := dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(name), Class: dnsmessage.ClassINET}}
		switch {
		case a.Is4() && q.Type == dnsmessage.TypeA:
			r.Body = &dnsmessage.AResource{A: a.As4()}
		case a.Is6() && q.Type == dnsmessage.TypeAAAA:
			r.Body = &dnsmessage.AAAAResource{AAAA: a.As16()}
		default:
			continue
		}
		m.Answers = append(m.Answers, r)
	}
}

func TestDNS(t *testing.T) {
	t.Parallel()
	const host = "relay.lab.example"
	good := zone{host + ".": {"CNAME edge.lab.example."}, "edge.lab.example.": {relay4.String(), relay6.String()}}
	type outcomes map[verifier.Check]verifier.Outcome
	for name, c := range map[string]struct {
		servers []nameServer
		rules   string
		want    outcomes // the worst of each check
		probed  bool     // addresses were asked
	}{
		"a chain": {servers: []nameServer{{zone: good}}, probed: true,
			want: outcomes{verifier.CheckResolve: verifier.Pass, verifier.CheckRanges: verifier.Pass, verifier.CheckHijack: verifier.Pass}},
		"one question lost": {servers: []nameServer{{zone: good, lose: 2}}, probed: true, want: outcomes{verifier.CheckResolve: verifier.Pass}},
		"over TCP":          {servers: []nameServer{{zone: good, truncate: true}}, probed: true, want: outcomes{verifier.CheckResolve: verifier.Pass, verifier.CheckRanges: verifier.Pass}},
		"a loop":            {servers: []nameServer{{zone: zone{host + ".": {"CNAME " + host + "."}}}}, want: outcomes{verifier.CheckResolve: verifier.Fail}},
		"no such name":      {servers: []nameServer{{zone: zone{}}}, want: outcomes{verifier.CheckResolve: verifier.Fail, verifier.CheckHijack: verifier.Pass}},
		"server failure":    {servers: []nameServer{{code: dnsmessage.RCodeServerFailure}}, want: outcomes{verifier.CheckResolve: verifier.Fail, verifier.CheckHijack: verifier.Unprobed}},
		"down":              {servers: []nameServer{{zone: good}}, rules: "udp dport 53 drop", want: outcomes{verifier.CheckResolve: verifier.Fail, verifier.CheckHijack: verifier.Unprobed}},
		"rejected":          {servers: []nameServer{{zone: good}}, rules: "udp dport 53 reject", want: outcomes{verifier.CheckResolve: verifier.Fail}},
		"out of range": {servers: []nameServer{{zone: zone{host + ".": {relay4.String(), "198.51.100.7"}}}}, probed: true,
			want: outcomes{verifier.CheckResolve: verifier.Pass, verifier.CheckRanges: verifier.Fail}},
		"hijacked": {servers: []nameServer{{zone: zone{}, wild: "203.0.113.80"}},
			want: outcomes{verifier.CheckResolve: verifier.Pass, verifier.CheckRanges: verifier.Fail, verifier.CheckHijack: verifier.Fail}},
		"servers agree": {servers: []nameServer{{zone: good}, {zone: good}}, probed: true, want: outcomes{verifier.CheckAgree: verifier.Pass}},
		"servers differ": {servers: []nameServer{{zone: good}, {zone: zone{host + ".": {other4.String(), other6.String()}}}}, probed: true,
			want: outcomes{verifier.CheckAgree: verifier.Pass, verifier.CheckRanges: verifier.Pass}},
		"the first of two does not know": {servers: []nameServer{{zone: zone{}}, {zone: good}}, probed: true, want: outcomes{verifier.CheckPrograms: verifier.Fail}},
		"the first of two fails": {servers: []nameServer{{code: dnsmessage.RCodeServerFailure}, {zone: good}}, probed: true,
			want: outcomes{verifier.CheckPrograms: verifier.Pass, verifier.CheckResolve: verifier.Warn}},
		"EDNS is dropped":                            {servers: []nameServer{{zone: good, noEDNS: true}}, probed: true, want: outcomes{verifier.CheckPrograms: verifier.Pass, verifier.CheckResolve: verifier.Pass}},
		"only a web site's name is invented":         {servers: []nameServer{{zone: good, wild: "203.0.113.80", wildWeb: true}}, probed: true, want: outcomes{verifier.CheckHijack: verifier.Fail}},
		"names under invalid are answered by itself": {servers: []nameServer{{zone: good, wild: "203.0.113.80", valid: true}}, probed: true, want: outcomes{verifier.CheckHijack: verifier.Fail}},
		"a sinkhole":                                 {servers: []nameServer{{zone: zone{host + ".": {"0.0.0.0", "::"}}}}, want: outcomes{verifier.CheckRanges: verifier.Fail}},
		"a translator": {servers: []nameServer{{zone: zone{host + ".": {"64:ff9b::20.202.0.1"}}}},
			want: outcomes{verifier.CheckPrograms: verifier.Pass, verifier.CheckRanges: verifier.Pass}},
		"a translator with a prefix of its own": {servers: []nameServer{{zone: zone{host + ".": {"2001:db8:64::20.202.0.1"}, "ipv4only.arpa.": {"2001:db8:64::192.0.0.170"}}}},
			want: outcomes{verifier.CheckRanges: verifier.Pass}},
		"another prefix than the translator's": {servers: []nameServer{{zone: zone{host + ".": {"2001:db8:65::20.202.0.1"}, "ipv4only.arpa.": {"2001:db8:64::192.0.0.170"}}}},
			want: outcomes{verifier.CheckRanges: verifier.Fail}},
		"one of two does not know": {servers: []nameServer{{zone: good}, {zone: zone{}}}, probed: true, want: outcomes{verifier.CheckResolve: verifier.Warn}},
		"none":                     {want: outcomes{verifier.CheckPrograms: verifier.Fail}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pace.Run(t, func(t testing.TB, s pace.Scale) {
				n := newNetwork(t)
				for i, s := range c.servers {
					n.nameServer([]string{resolver4, "20.202.1.53"}[i], s)
				}
				n.filter(n.Firewall, "forward", c.rules)
				r := n.run(plan([]string{"udp/3478"}, host), Options{})
				worst := outcomes{}
				for _, f := range r.Findings {
					if f.Kind == verifier.DNS && f.Outcome.Worse(worst[f.Check]) {
						worst[f.Check] = f.Outcome
					}
				}
				for check, want := range c.want {
					if worst[check] != want {
						t.Errorf("%s: %q, want %q", check, worst[check], want)
					}
				}
				asked := n.client.sent["udp "+netip.AddrPortFrom(relay4, 3478).String()] > 0
				if asked != c.probed {
					t.Errorf("the relay was asked: %v, want %v", asked, c.probed)
				}
				if t.Failed() {
					for _, f := range r.Findings {
						t.Logf("%s %s: %s: %s %q", f.Kind, f.Check, f.Outcome, f.Summary, f.Evidence)
					}
				}
			})
		})
	}
}

// TestHostsFile: what programs take from the hosts file is what is probed, whatever
// servers say.
func TestHostsFile(t *testing.T) {
	t.Parallel()
	pace.Run(t, func(t testing.TB, s pace.Scale) {
		n := newNetwork(t)
		n.nameServer(resolver4, nameServer{zone: zone{"relay.lab.example.": {relay4.String()}}})
		n.client.stub.Hosts = map[string][]netip.Addr{"relay.lab.example": {other4}}
		r := n.run(plan([]string{"udp/3478"}, "relay.lab.example"), Options{})
		if f := reach(t, r, other4, "udp", 3478); f.Outcome != verifier.Pass {
			t.Errorf("%s %q", f.Summary, f.Evidence)
		}
		if sent := n.client.sent["udp "+netip.AddrPortFrom(relay4, 3478).String()]; sent != 0 {
			t.Errorf("the server's address was asked %d times", sent)
		}
	})
}

// TestSearchList: a name that has no meaning by itself is looked up under each domain of
// the search list.
func TestSearchList(t *testing.T) {
	t.Parallel()
	pace.Run(t, func(t testing.TB, s pace.Scale) {
		n := newNetwork(t)
		n.nameServer(resolver4, nameServer{zone: zone{"relay.lab.example.": {relay4.String()}}})
		n.client.stub.Search = []string{"nowhere.example", "lab.example"}
		r := n.run(plan([]string{"udp/3478"}, "relay"), Options{})
		if f := reach(t, r, relay4, "udp", 3478); f.Outcome != verifier.Pass {
			t.Errorf("%s %q", f.Summary, f.Evidence)
		}
	})
}

// TestManyAddresses: all addresses of a name are asked, or the run does not pass.
func TestManyAddresses(t *testing.T) {
	t.Parallel()
	for count, want := range map[int]verifier.Outcome{12: "", maxAddresses + 3: verifier.Undecided} {
		pace.Run(t, func(t testing.TB, s pace.Scale) {
			n := newNetwork(t)
			var addrs []string
			for i := range count {
				addrs = append(addrs, "20.202.7."+strconv.Itoa(i+1))
			}
			n.nameServer(resolver4, nameServer{zone: zone{"relay.lab.example.": addrs}})
			n.filter(n.Firewall, "forward", "ip daddr 20.202.7.0/24 reject")
			r := n.run(plan([]string{"udp/3478"}, "relay.lab.example"), Options{})
			asked := len(find(t, r, func(f *verifier.Finding) bool { return f.Check == verifier.CheckReach }))
			var left verifier.Outcome
			for _, f := range r.Findings {
				if f.Check == verifier.CheckCovered && f.Host != "" {
					left = f.Outcome
				}
			}
			if asked != min(count, maxAddresses) || left != want {
				t.Errorf("of %d addresses %d were asked, and those left are %q", count, asked, left)
			}
		})
	}
}
