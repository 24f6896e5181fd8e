package probe

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// A dnsAnswer is what a name server said to one question.
type dnsAnswer struct {
	code      dnsmessage.RCode
	truncated bool
	chain     []string // the names that CNAMEs led through, without the first
	addrs     []netip.Addr
}

// maxChain bounds a chain of CNAMEs. Real ones have fewer than ten.
const maxChain = 16

// question builds a query as the C library's resolver does, so that it gets the answers
// that programs get: without EDNS, which old proxies refuse, drop or do not understand
// (RFC 6891 sections 6.2.2 and 7 tell clients to ask again without it). An answer that
// does not fit into 512 octets then comes by TCP.
func question(id uint16, name string, typ dnsmessage.Type) (msg []byte, q dnsmessage.Question, err error) {
	n, err := dnsmessage.NewName(strings.TrimSuffix(name, ".") + ".")
	if err != nil {
		return nil, q, fmt.Errorf("%s: %w", name, err)
	}
	q = dnsmessage.Question{Name: n, Type: typ, Class: dnsmessage.ClassINET}
	m := dnsmessage.Message{Header: dnsmessage.Header{ID: id, RecursionDesired: true}, Questions: []dnsmessage.Question{q}}
	if msg, err = m.Pack(); err != nil {
		return nil, q, fmt.Errorf("%s: %w", name, err)
	}
	return msg, q, nil
}

var errNotOurs = errors.New("not an answer to our question")

// readDNS decodes the answer to q. It takes the addresses of the name that the chain
// of CNAMEs ends at, in whatever order the records stand, and ignores all others.
func readDNS(b []byte, id uint16, q dnsmessage.Question) (dnsAnswer, error) {
	var p dnsmessage.Parser
	h, err := p.Start(b)
	if err != nil || h.ID != id || !h.Response {
		return dnsAnswer{}, errNotOurs
	}
	asked, err := p.AllQuestions()
	if err != nil || len(asked) != 1 || asked[0].Type != q.Type || asked[0].Class != q.Class ||
		!strings.EqualFold(asked[0].Name.String(), q.Name.String()) {
		return dnsAnswer{}, errNotOurs
	}
	out := dnsAnswer{code: h.RCode, truncated: h.Truncated}
	if h.Truncated {
		return out, nil
	}
	alias, addrs, err := readRecords(&p, q.Type)
	if err != nil {
		return dnsAnswer{}, err
	}
	name := strings.ToLower(q.Name.String())
	for len(out.chain) < maxChain {
		next, ok := alias[name]
		if !ok || slices.Contains(out.chain, next) {
			break
		}
		name = next
		out.chain = append(out.chain, next)
	}
	out.addrs = addrs[name]
	slices.SortFunc(out.addrs, netip.Addr.Compare)
	out.addrs = slices.Compact(out.addrs)
	return out, nil
}

// lengths are those of the data of records with addresses.
var lengths = map[dnsmessage.Type]uint16{dnsmessage.TypeA: 4, dnsmessage.TypeAAAA: 16}

// readRecords reads the answer section into aliases and addresses by name.
func readRecords(p *dnsmessage.Parser, typ dnsmessage.Type) (alias map[string]string, addrs map[string][]netip.Addr, err error) {
	alias, addrs = map[string]string{}, map[string][]netip.Addr{}
	for {
		h, err := p.AnswerHeader()
		if errors.Is(err, dnsmessage.ErrSectionDone) {
			return alias, addrs, nil
		}
		if err != nil {
			return nil, nil, err
		}
		name := strings.ToLower(h.Name.String())
		switch {
		case h.Class != dnsmessage.ClassINET:
			err = p.SkipAnswer()
		case h.Length != lengths[h.Type] && lengths[h.Type] > 0 || h.Length == 0 && h.Type == dnsmessage.TypeCNAME:
			return nil, nil, errNotOurs // the library would read into the next record
		case h.Type == dnsmessage.TypeCNAME:
			var r dnsmessage.CNAMEResource
			if r, err = p.CNAMEResource(); err == nil {
				alias[name] = strings.ToLower(r.CNAME.String())
			}
		case h.Type == dnsmessage.TypeA && typ == h.Type:
			var r dnsmessage.AResource
			if r, err = p.AResource(); err == nil {
				addrs[name] = append(addrs[name], netip.AddrFrom4(r.A))
			}
		case h.Type == dnsmessage.TypeAAAA && typ == h.Type:
			var r dnsmessage.AAAAResource
			if r, err = p.AAAAResource(); err == nil {
				addrs[name] = append(addrs[name], netip.AddrFrom16(r.AAAA).Unmap())
			}
		default:
			err = p.SkipAnswer()
		}
		if err != nil {
			return nil, nil, err
		}
	}
}

// codeWord is an answer code as dig prints it.
func codeWord(c dnsmessage.RCode) string {
	switch c {
	case dnsmessage.RCodeSuccess:
		return "NOERROR"
	case dnsmessage.RCodeFormatError:
		return "FORMERR"
	case dnsmessage.RCodeServerFailure:
		return "SERVFAIL"
	case dnsmessage.RCodeNameError:
		return "NXDOMAIN"
	case dnsmessage.RCodeNotImplemented:
		return "NOTIMP"
	case dnsmessage.RCodeRefused:
		return "REFUSED"
	}
	return fmt.Sprintf("code %d", c)
}
