package probe

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"golang.org/x/net/dns/dnsmessage"
)

// TestQuestionsToAnotherLibrary: what is asked is what another library reads.
func TestQuestionsToAnotherLibrary(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"relay.example", "relay.example.", "a-b.c1.xn--bcher-kva.example", strings.Repeat("a", 63) + ".example"} {
		for typ, want := range map[dnsmessage.Type]uint16{dnsmessage.TypeA: dns.TypeA, dnsmessage.TypeAAAA: dns.TypeAAAA} {
			b, _, err := question(4711, name, typ)
			if err != nil {
				t.Fatal(err)
			}
			m := new(dns.Msg)
			if err := m.Unpack(b); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			plain := new(dns.Msg).SetQuestion(dns.Fqdn(name), want)
			plain.Id = 4711
			if m.String() != plain.String() {
				t.Errorf("%s is read as %s, want %s", name, m, plain)
			}
		}
	}
}

// TestAnswersOfAnotherLibrary: random answers that another library writes, also damaged
// ones, are read as it reads them.
func TestAnswersOfAnotherLibrary(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	both := 0
	for i := range 20_000 {
		typ := []uint16{dns.TypeA, dns.TypeAAAA}[rng.IntN(2)]
		_, q, err := question(7, "relay.example", dnsmessage.Type(typ))
		if err != nil {
			t.Fatal(err)
		}
		m := randomAnswer(rng, typ)
		b, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		if i%2 == 1 { // damaged
			b[rng.IntN(len(b))] ^= byte(1 << rng.IntN(8))
		}
		ours, err := readDNS(b, 7, q)
		theirs := new(dns.Msg)
		if theirs.Unpack(b) != nil || err != nil {
			if i%2 == 0 {
				t.Fatalf("%s: ours says %v", m, err)
			}
			continue
		}
		if strings.Contains(theirs.String(), `\`) {
			continue // they write bytes that are no text in another way
		}
		both++
		chain, addrs := peerReads(theirs, typ)
		if int(ours.code) != theirs.Rcode&15 || ours.truncated != theirs.Truncated || !ours.truncated && (!slices.Equal(ours.chain, chain) || !slices.Equal(ours.addrs, addrs)) {
			t.Fatalf("%s\nours %+v, theirs %v %v", theirs, ours, chain, addrs)
		}
	}
	if both < 11_000 {
		t.Errorf("both read %d", both)
	}
}

// randomAnswer is an answer with aliases, addresses and other records, in any order.
func randomAnswer(rng *rand.Rand, typ uint16) *dns.Msg {
	m := new(dns.Msg).SetQuestion("relay.example.", typ)
	m.Id, m.Response, m.Compress = 7, true, rng.IntN(2) == 0
	m.Rcode = []int{dns.RcodeSuccess, dns.RcodeSuccess, dns.RcodeNameError, dns.RcodeServerFailure, dns.RcodeRefused}[rng.IntN(5)]
	m.Truncated = rng.IntN(10) == 0
	names := []string{"relay.example.", "Edge.example.", "c.net.", "d.net."}
	head := func(name string, typ uint16) dns.RR_Header {
		return dns.RR_Header{Name: name, Rrtype: typ, Class: dns.ClassINET, Ttl: rng.Uint32N(1000)}
	}
	for at := range rng.IntN(len(names)) {
		m.Answer = append(m.Answer, &dns.CNAME{Hdr: head(names[at], dns.TypeCNAME), Target: names[at+1]})
	}
	for range rng.IntN(6) {
		name := names[rng.IntN(len(names))]
		switch rng.IntN(4) {
		case 0:
			m.Answer = append(m.Answer, &dns.TXT{Hdr: head(name, dns.TypeTXT), Txt: []string{"x"}})
		case 1:
			m.Answer = append(m.Answer, &dns.AAAA{Hdr: head(name, dns.TypeAAAA), AAAA: net.ParseIP(fmt.Sprintf("2603:1063::%x", rng.IntN(4)))})
		default:
			m.Answer = append(m.Answer, &dns.A{Hdr: head(name, dns.TypeA), A: net.IPv4(20, 202, 0, byte(rng.IntN(4)))})
		}
	}
	rng.Shuffle(len(m.Answer), func(i, j int) { m.Answer[i], m.Answer[j] = m.Answer[j], m.Answer[i] })
	if rng.IntN(2) == 0 {
		m.SetEdns0(1232, false)
	}
	return m
}

// peerReads follows the aliases of an answer as the other library has read it.
func peerReads(m *dns.Msg, typ uint16) (chain []string, addrs []netip.Addr) {
	name := "relay.example."
	for range maxChain {
		at := -1
		for i, r := range m.Answer { // of several aliases of one name the last counts
			if c, ok := r.(*dns.CNAME); ok && c.Hdr.Class == dns.ClassINET && strings.EqualFold(c.Hdr.Name, name) {
				at = i
			}
		}
		if at < 0 {
			break
		}
		next := strings.ToLower(m.Answer[at].(*dns.CNAME).Target)
		if slices.Contains(chain, next) {
			break
		}
		name = next
		chain = append(chain, next)
	}
	for _, r := range m.Answer {
		if r.Header().Class != dns.ClassINET || !strings.EqualFold(r.Header().Name, name) || r.Header().Rrtype != typ {
			continue
		}
		var ip net.IP
		switch r := r.(type) {
		case *dns.A:
			ip = r.A.To4()
		case *dns.AAAA:
			ip = r.AAAA
		}
		if a, ok := netip.AddrFromSlice(ip); ok {
			addrs = append(addrs, a.Unmap())
		}
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	return chain, slices.Compact(addrs)
}
