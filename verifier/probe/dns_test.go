package probe

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

func TestReadDNSHoldsOntoItsQuestion(t *testing.T) {
	t.Parallel()
	msg, q, err := question(7, "relay.example", dnsmessage.TypeA)
	if err != nil {
		t.Fatal(err)
	}
	answer := func(change func(m *dnsmessage.Message)) []byte {
		var m dnsmessage.Message
		if err := m.Unpack(msg); err != nil {
			t.Fatal(err)
		}
		m.Response, m.Additionals = true, nil
		m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET}, Body: &dnsmessage.AResource{A: [4]byte{20, 202, 0, 1}}}}
		change(&m)
		b, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	a, err := readDNS(answer(func(*dnsmessage.Message) {}), 7, q)
	if err != nil || !slices.Equal(a.addrs, []netip.Addr{netip.MustParseAddr("20.202.0.1")}) {
		t.Errorf("%+v, %v", a, err)
	}
	for name, change := range map[string]func(m *dnsmessage.Message){
		"another id":       func(m *dnsmessage.Message) { m.ID = 8 },
		"a question":       func(m *dnsmessage.Message) { m.Response = false },
		"no question":      func(m *dnsmessage.Message) { m.Questions = nil },
		"another question": func(m *dnsmessage.Message) { m.Questions[0].Name = dnsmessage.MustNewName("evil.example.") },
		"another type":     func(m *dnsmessage.Message) { m.Questions[0].Type = dnsmessage.TypeAAAA },
	} {
		if a, err := readDNS(answer(change), 7, q); err == nil {
			t.Errorf("%s: %+v", name, a)
		}
	}
	// An address of another name is no answer.
	a, err = readDNS(answer(func(m *dnsmessage.Message) { m.Answers[0].Header.Name = dnsmessage.MustNewName("evil.example.") }), 7, q)
	if err != nil || len(a.addrs) != 0 {
		t.Errorf("%+v, %v", a, err)
	}
}

func FuzzReadDNS(f *testing.F) {
	msg, q, err := question(7, "relay.example", dnsmessage.TypeA)
	if err != nil {
		f.Fatal(err)
	}
	s := nameServerSeed(msg)
	f.Add(s)
	f.Add(msg)
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := readDNS(b, 7, q)
		if err != nil {
			return
		}
		if len(a.chain) > maxChain || a.describe() == "" {
			t.Errorf("%+v", a)
		}
	})
}

// nameServerSeed is an answer with a chain.
func nameServerSeed(msg []byte) []byte {
	var m dnsmessage.Message
	if m.Unpack(msg) != nil {
		return nil
	}
	m.Response, m.Additionals = true, nil
	alias := dnsmessage.MustNewName("edge.example.")
	m.Answers = []dnsmessage.Resource{
		{Header: dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Class: dnsmessage.ClassINET}, Body: &dnsmessage.CNAMEResource{CNAME: alias}},
		{Header: dnsmessage.ResourceHeader{Name: alias, Class: dnsmessage.ClassINET}, Body: &dnsmessage.AResource{A: [4]byte{20, 202, 0, 1}}},
	}
	b, err := m.Pack()
	if err != nil {
		return nil
	}
	return b
}

func TestQuestionRefusesNames(t *testing.T) {
	t.Parallel()
	if _, _, err := question(1, strings.Repeat("a", 300), dnsmessage.TypeA); err == nil {
		t.Error("a name of 300 characters")
	}
}
