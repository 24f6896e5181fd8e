package paloalto

import (
	"bytes"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"go4.org/netipx"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// Lengths that PAN-OS allows (web interface help, "Objects" and "Policies").
const (
	maxName        = 63 // objects, groups, services, rules, profiles
	maxListName    = 32 // external dynamic lists
	maxCategory    = 31 // custom URL categories
	maxZone        = 31
	maxTag         = 127
	maxURL         = 255
	maxDescription = 1023
	maxPrefix      = 18 // ours: so that every prefix of the address space has a name
)

// isName reports whether s can be the name of an object: letters, digits, blanks,
// dots, dashes and underscores, beginning with a letter, digit or underscore.
func isName(s string, most int) bool {
	return renderers.IsName(s, most, " ._-") && renderers.IsName(s[:1], 1, "_") && s == strings.TrimSpace(s)
}

// object is one address object: a prefix, or a range.
type object struct {
	name  string
	text  string // as PAN-OS takes it: a prefix, an address or a range
	first netip.Addr
}

// field is the element that holds the object's text.
func (o object) field() string {
	if strings.Contains(o.text, "-") {
		return "ip-range"
	}
	return "ip-netmask"
}

// appendObjects names what r holds. An object is named by its content, so the
// name of one never changes its meaning. Names of addresses begin with a digit
// after our prefix, and names of groups with a letter: they share a name space.
//
// IPv4 reads as it is written, with "_" before the length. IPv6 would not fit 63
// characters so: an address is its hextets without the zeros that end it, and
// the end of a range without the ffff, joined by dashes. A range that is still
// too long (both its ends use nearly all hextets) falls into its prefixes.
func (r *renderer) appendObjects(dst []object, rg netipx.IPRange) []object {
	var room [128]byte // for the prefix and two IPv6 addresses
	b := ipranges.AppendRange(append(room[:0], r.prefix...), rg)
	o := object{text: string(b[len(r.prefix):]), first: rg.From()}
	switch {
	case rg.From().Is4():
		if i := bytes.IndexByte(b, '/'); i >= 0 {
			b[i] = '_'
		}
		o.name = string(b)
	case o.field() == "ip-range":
		b = appendHextets(append(append(b[:0], r.prefix...), "6-"...), rg.From(), 0)
		o.name = string(appendHextets(append(b, "-to-"...), rg.To(), 0xffff))
	default:
		prefix, ok := rg.Prefix()
		if !ok {
			return dst
		}
		return append(dst, r.prefixObject6(prefix))
	}
	if len(o.name) <= maxName {
		return append(dst, o)
	}
	for _, p := range rg.Prefixes() {
		dst = append(dst, r.prefixObject6(p))
	}
	return dst
}

func (r *renderer) prefixObject6(p netip.Prefix) object {
	return object{
		name:  string(strconv.AppendUint(append(appendHextets(append(append(make([]byte, 0, maxName), r.prefix...), "6-"...), p.Addr(), 0), '_'), uint64(p.Bits()), 10)),
		text:  p.String(),
		first: p.Addr(),
	}
}

// appendHextets appends the hextets of a without those at the end that equal fill, but
// with one at least. No two addresses give the same.
func appendHextets(dst []byte, a netip.Addr, fill uint16) []byte {
	b := a.As16()
	at := func(i int) uint16 { return uint16(b[2*i])<<8 | uint16(b[2*i+1]) }
	n := 8
	for n > 1 && at(n-1) == fill {
		n--
	}
	for i := range n {
		if i > 0 {
			dst = append(dst, '-')
		}
		dst = strconv.AppendUint(dst, uint64(at(i)), 16)
	}
	return dst
}

// chunkName names the part of a set whose elements begin inside p.
func (r *renderer) chunkName(set string, p netip.Prefix) string {
	if p.Addr().Is4() {
		return fmt.Sprintf("%s%s.%s_%d", r.prefix, set, p.Addr(), p.Bits())
	}
	return fmt.Sprintf("%s%s.6-%s_%d", r.prefix, set, appendHextets(nil, p.Addr(), 0), p.Bits())
}

// isChunk reports whether the group called name is a part of another: prefixes of
// ours and names in policies hold no dot.
func isChunk(name string) bool { return strings.Contains(name, ".") }

// serviceName names a service by its content.
func (r *renderer) serviceName(m rules.Match) string {
	return r.prefix + m.Proto.String() + "-" + ports(m)
}

func ports(m rules.Match) string {
	if m.Lo == m.Hi {
		return fmt.Sprint(m.Lo)
	}
	return fmt.Sprintf("%d-%d", m.Lo, m.Hi)
}
