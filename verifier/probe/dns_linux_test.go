package probe

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"sallyport/verifier"
)

// zone is what a name server of the lab knows: addresses, or "CNAME name".
type zone map[string][]string

// nameServer serves a zone on the lab's server. answer may change what it says.
type nameServer struct {
	zone     zone
	code     dnsmessage.RCode // of every answer, if not 0
	wild     string           // the address of every name that is not known
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
	if !ok && s.wild != "" {
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
		"server failure":    {servers: []nameServer{{code: dnsmessage.RCodeServerFailure}}, want: outcomes{verifier.CheckResolve: verifier.Fail, verifier.CheckHijack: verifier.Skipped}},
		"down":              {servers: []nameServer{{zone: good}}, rules: "udp dport 53 drop", want: outcomes{verifier.CheckResolve: verifier.Fail, verifier.CheckHijack: verifier.Skipped}},
		"rejected":          {servers: []nameServer{{zone: good}}, rules: "udp dport 53 reject", want: outcomes{verifier.CheckResolve: verifier.Fail}},
		"out of range": {servers: []nameServer{{zone: zone{host + ".": {relay4.String(), "198.51.100.7"}}}}, probed: true,
			want: outcomes{verifier.CheckResolve: verifier.Pass, verifier.CheckRanges: verifier.Fail}},
		"hijacked": {servers: []nameServer{{zone: zone{}, wild: "203.0.113.80"}},
			want: outcomes{verifier.CheckResolve: verifier.Pass, verifier.CheckRanges: verifier.Fail, verifier.CheckHijack: verifier.Fail}},
		"servers agree": {servers: []nameServer{{zone: good}, {zone: good}}, probed: true, want: outcomes{verifier.CheckAgree: verifier.Pass}},
		"servers differ": {servers: []nameServer{{zone: good}, {zone: zone{host + ".": {other4.String(), other6.String()}}}}, probed: true,
			want: outcomes{verifier.CheckAgree: verifier.Pass, verifier.CheckRanges: verifier.Pass}},
		"one of two does not know": {servers: []nameServer{{zone: good}, {zone: zone{}}}, probed: true, want: outcomes{verifier.CheckResolve: verifier.Warn}},
		"none":                     {want: outcomes{verifier.CheckResolve: verifier.Fail}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
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
	}
}
