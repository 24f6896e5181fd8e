// Package text reads plain lists of addresses: one prefix, range or address a
// line, with "#" before a comment. It is the form of most lists that people
// keep themselves, and of most that others publish.
//
// [Decode] turns a list into a catalog of one tag, [All]. It is strict, because
// what it lets through ends up in firewalls: a list with one mistake is refused
// as a whole, with the line of the mistake. The package does no I/O.
package text

import (
	"bytes"
	"errors"
	"fmt"
	"math/bits"
	"strconv"

	"go4.org/netipx"

	"sallyport/ipranges"
	"sallyport/ipranges/catalog"
	"sallyport/ipranges/refusal"
)

// All is the name of the one tag.
const All = "all"

// Limits are the guard rails against a list that would open too much, or
// exhaust memory. A field that is zero has its default.
type Limits struct {
	MinBits4 int // shorter IPv4 prefixes, and ranges of as many addresses, are refused; default 8
	MinBits6 int // shorter IPv6 prefixes, and ranges of as many addresses, are refused; default 24
	MaxLines int // default 2,000,000, comments and blank lines included
}

// defaults of MaxLines and of the bits. 0.0.0.0/0 holds special-use addresses
// and is refused whatever the limits.
const (
	minBits4 = 8
	minBits6 = 24
	maxLines = 2_000_000
)

// Error is the first mistake in a list. Its text is safe to print.
type Error struct {
	Line int    // from 1; 0: of the list as a whole
	Text string // what is wrong
	Fix  string // what to do
}

func (e *Error) Error() string {
	where := ""
	if e.Line > 0 {
		where = fmt.Sprintf("line %d: ", e.Line)
	}
	return "the list is refused: " + where + e.Text + "; " + e.Fix
}

const (
	fixLine = "correct the line"
	fixFile = "pass a list with one prefix, range or address a line, and comments after #"
	fixWide = "list what is meant in narrower prefixes"
)

// Decode reads a list. Lines end in LF or CRLF, and a byte order mark is
// skipped. A line holds a prefix without host bits, a range "first-last" or an
// address; blanks around it, an empty line, and what follows a "#" mean
// nothing, and anything else after it is a mistake. Addresses may come in any
// order and more than once. Special-use addresses (see [ipranges.FindSpecial]),
// IPv4-mapped ones, and prefixes wider than the limits are refused, and so is a
// list without an address. The first mistake is an *[Error].
//
// The catalog's Info has the kind; nothing refers to data afterwards.
func Decode(data []byte, limits Limits) (*catalog.Catalog, error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if err := checkForm(data, limits); err != nil {
		return nil, err
	}
	set, stats, err := ipranges.ReadSet(bytes.NewReader(data), ipranges.ReadOptions{})
	var wrong *ipranges.LineError
	switch {
	case errors.As(err, &wrong):
		return nil, &Error{wrong.Line, clean(wrong.Err.Error()), fixLine}
	case err != nil: // bytes in memory do not fail to be read
		return nil, &Error{Text: clean(err.Error()), Fix: fixFile}
	case stats.Entries == 0:
		return nil, &Error{Text: "it holds no address", Fix: fixFile}
	}
	if err := checkLines(data, set, limits); err != nil {
		return nil, err
	}
	return catalog.New(catalog.Info{Kind: "text"}, []catalog.Entry{{Tag: catalog.Tag{Name: All}, Set: set}})
}

// checkForm refuses what is no list at all before it is read as one.
func checkForm(data []byte, limits Limits) error {
	most := limits.MaxLines
	if most == 0 {
		most = maxLines
	}
	if n := 1 + bytes.Count(data, []byte("\n")); n > most {
		return &Error{Text: fmt.Sprintf("it has more than %d lines", most), Fix: "split it into several feeds"}
	}
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("<")) {
		return &Error{Line: 1, Text: "this is a web page, not a list", Fix: fixFile}
	}
	return nil
}

// checkLines looks for what [ipranges.ReadSet] lets pass: words after the
// first, and entries that are too wide or not public. set is all of data, which
// was read without a mistake, so that a good list is looked at in little time.
func checkLines(data []byte, set ipranges.Set, limits Limits) error {
	special := set.Overlaps(ipranges.SpecialUse())
	n := 0
	for line := range bytes.Lines(data) {
		n++
		line, _, _ = bytes.Cut(line, []byte("#"))
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		if i := bytes.IndexAny(line, " \t\v\f\r"); i >= 0 {
			return &Error{n, fmt.Sprintf("%s follows the address", quoted(bytes.TrimSpace(line[i:]))), "put a # before comments, and each address on a line of its own"}
		}
		if !special && narrow(line, limits) {
			continue
		}
		r, err := ipranges.ParseRange(string(line))
		if err != nil {
			return &Error{n, clean(err.Error()), fixLine}
		}
		if err := checkWidth(r, string(line), limits); err != nil {
			return &Error{n, err.Error(), fixWide}
		}
		if s, ok := findSpecial(r); ok {
			return &Error{n, fmt.Sprintf("%s is not public: it holds addresses of %s, %s (%s)", line, s.Prefix, s.Name, s.RFC),
				"take it out: addresses of your own belong into a set of the policy"}
		}
	}
	return nil
}

// narrow reports whether the text is an address, or a prefix of so many bits
// that the limits of neither family are against it. It is quick, and says no when
// in doubt.
func narrow(line []byte, limits Limits) bool {
	i := bytes.IndexByte(line, '/')
	if i < 0 {
		return bytes.IndexByte(line, '-') < 0
	}
	n, err := strconv.Atoi(string(line[i+1:]))
	return err == nil && n >= max(minBits6, limits.MinBits4, limits.MinBits6)
}

// checkWidth holds an entry against the limits. A range is as wide as the
// prefix of the next power of two addresses.
func checkWidth(r netipx.IPRange, text string, limits Limits) error {
	least := limits.MinBits4
	if least == 0 {
		least = minBits4
	}
	if r.From().Is6() {
		if least = limits.MinBits6; least == 0 {
			least = minBits6
		}
	}
	if bitsOf(r) < least {
		return fmt.Errorf("%s is wider than /%d", text, least)
	}
	return nil
}

// bitsOf is the bits of the shortest prefix that has at least as many addresses as r.
func bitsOf(r netipx.IPRange) int {
	from, to := r.From().As16(), r.To().As16()
	borrow := 0
	width := 0 // bits that hold to - from
	for i := 15; i >= 0; i-- {
		d := int(to[i]) - int(from[i]) - borrow
		borrow = 0
		if d < 0 {
			d, borrow = d+256, 1
		}
		if d > 0 {
			width = 8*(15-i) + bits.Len(uint(d))
		}
	}
	return r.From().BitLen() - width
}

func findSpecial(r netipx.IPRange) (ipranges.Special, bool) {
	for _, p := range r.Prefixes() {
		if s, ok := ipranges.FindSpecial(p); ok {
			return s, true
		}
	}
	return ipranges.Special{}, false
}

func clean(s string) string { return refusal.Clean(s, 200) }

func quoted(b []byte) string { return refusal.Quoted(string(b), 60) }
