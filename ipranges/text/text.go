// Package text reads lists of addresses as people keep and publish them: one prefix,
// range or address a line with comments (see [ipranges.ParseLine] for the forms of a
// line), or a JSON array or JSON lines of them.
//
// [Decode] turns a list into a catalog of one tag, [All]. It is strict, because what it
// lets through ends up in firewalls: a list with one mistake is refused as a whole,
// with the line of the mistake. [Read] reads a list as a set. The package does no I/O
// except with the reader that it is given.
package text

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"net/netip"

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
	fixLine   = "correct the line"
	fixFile   = "pass a list with one prefix, range or address a line, and comments after #"
	fixWide   = "list what is meant in narrower prefixes"
	fixCut    = "get the list again"
	fixObject = "make a list with one prefix, range or address a line of it, for instance with jq -r"
	fixOwn    = "take it out: addresses of your own belong in a set of the policy"
)

// Decode reads a list, which must be UTF-8. A byte order mark is skipped. Addresses may
// come in any order and more than once. Special-use addresses (see
// [ipranges.FindSpecial]), IPv4-mapped ones, and prefixes wider than the limits are
// refused, and so are words after an entry that are not a comment, and a list without an
// address. The first mistake is an *[Error].
//
// The catalog's Info has the kind; nothing refers to data afterwards.
func Decode(data []byte, limits Limits) (*catalog.Catalog, error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if err := checkForm(data, limits); err != nil {
		return nil, err
	}
	var set ipranges.Set
	var entries int
	var err error
	if isJSON(data) {
		set, entries, err = decodeJSON(data, false, func(line int, r netipx.IPRange, text string) error { return checkEntry(line, r, text, limits) })
	} else {
		set, entries, err = decodeLines(data, limits)
	}
	switch {
	case err != nil:
		return nil, err
	case entries == 0:
		return nil, &Error{Text: "it holds no address", Fix: fixFile}
	}
	return catalog.New(catalog.Info{Kind: "text"}, []catalog.Entry{{Tag: catalog.Tag{Name: All}, Set: set}})
}

func decodeLines(data []byte, limits Limits) (set ipranges.Set, entries int, err error) {
	set, stats, err := ipranges.ReadSet(bytes.NewReader(data), ipranges.ReadOptions{NoWords: true, Size: int64(len(data))})
	if err == nil {
		err = checkLines(data, set, limits)
	}
	return set, stats.Entries, asError(err)
}

// asError makes an *[Error] of the error of a reader in memory.
func asError(err error) error {
	var wrong *ipranges.LineError
	var own *Error
	switch {
	case err == nil, errors.As(err, &own):
		return err
	case errors.As(err, &wrong):
		return &Error{wrong.Line, clean(wrong.Err.Error()), fixLine}
	}
	return &Error{Text: clean(err.Error()), Fix: fixFile}
}

func decodeJSON(data []byte, lenient bool, check func(line int, r netipx.IPRange, text string) error) (set ipranges.Set, entries int, err error) {
	var b ipranges.Builder
	err = readJSON(data, lenient, func(line int, r netipx.IPRange, text string) error {
		entries++
		if err := check(line, r, text); err != nil {
			return err
		}
		return b.AddRange(r)
	})
	if err != nil {
		return ipranges.Set{}, 0, err
	}
	return b.Set(), entries, nil
}

// maxJSON is the largest JSON that Read takes.
const maxJSON = 64 << 20

// Read reads a list of any of the forms as a set. Lines are read as [ipranges.ReadSet]
// does with the same options; the text must be UTF-8. The stats count lines only where
// the list has lines. A mistake is an *[ipranges.LineError] or an *[Error]; an error of
// r is returned as it is.
func Read(r io.Reader, opt ipranges.ReadOptions) (ipranges.Set, ipranges.ReadStats, error) {
	head := bufio.NewReaderSize(r, 4<<10)
	start, _ := head.Peek(512) // Read returns the same error
	if !isJSON(bytes.TrimPrefix(start, []byte("\ufeff"))) {
		return ipranges.ReadSet(head, opt)
	}
	data, err := io.ReadAll(io.LimitReader(head, maxJSON+1))
	switch {
	case err != nil:
		return ipranges.Set{}, ipranges.ReadStats{}, err
	case len(data) > maxJSON:
		return ipranges.Set{}, ipranges.ReadStats{}, &Error{Text: fmt.Sprintf("its JSON is larger than %d MiB", maxJSON>>20), Fix: "make a list with one entry a line of it"}
	}
	stats := ipranges.ReadStats{}
	set, n, err := decodeJSON(bytes.TrimPrefix(data, []byte("\ufeff")), opt.Lenient, func(_ int, _ netipx.IPRange, text string) error {
		if p, err := netip.ParsePrefix(text); err == nil && p != p.Masked() {
			stats.Masked++
		}
		return nil
	})
	stats.Entries = n
	return set, stats, err
}

// CheckEnd refuses a list that may be cut short: one whose last line holds an entry and
// has no line end. Use it for a list that Decode accepts where nothing else shows the
// end, as in a file. (JSON shows where it ends.)
func CheckEnd(data []byte) error {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if isJSON(data) {
		return nil
	}
	_, stats, err := ipranges.ReadSet(bytes.NewReader(data[bytes.LastIndexByte(data, '\n')+1:]), ipranges.ReadOptions{NoWords: true})
	if err != nil || !stats.Unended {
		return asError(err)
	}
	return &Error{1 + bytes.Count(data, []byte("\n")), "the list ends within a line, without a line end: it may be cut short", "end it with a newline if it is whole"}
}

// checkForm refuses text that is no list, before it is read as one.
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

// checkLines looks for entries that are too wide or not public. set is the result of
// reading data, which had no mistake. It makes checking fast: only a list whose set is
// wide or special somewhere can have such an entry.
func checkLines(data []byte, set ipranges.Set, limits Limits) error {
	suspect := set.Overlaps(ipranges.SpecialUse())
	for r := range set.All() {
		suspect = suspect || bitsOf(r) < limits.least(r)
	}
	if !suspect {
		return nil
	}
	n := 0
	for line := range bytes.Lines(data) {
		n++
		text := string(bytes.TrimRight(line, "\r\n"))
		r, ok, err := ipranges.ParseLine(text, ipranges.ReadOptions{NoWords: true})
		if err != nil { // it was read before
			return &Error{n, clean(err.Error()), fixLine}
		}
		if !ok {
			continue
		}
		if err := checkEntry(n, r, string(ipranges.AppendRange(nil, r)), limits); err != nil {
			return err
		}
	}
	return nil
}

// checkEntry checks an entry against the limits and the special-use addresses. A range
// is as wide as the prefix of the next power of two addresses.
func checkEntry(line int, r netipx.IPRange, text string, limits Limits) error {
	if least := limits.least(r); bitsOf(r) < least {
		return &Error{line, fmt.Sprintf("%s is wider than /%d", clean(text), least), fixWide}
	}
	if s, ok := findSpecial(r); ok {
		return &Error{line, fmt.Sprintf("%s is not public: it holds addresses of %s, %s (%s)", clean(text), s.Prefix, s.Name, s.RFC), fixOwn}
	}
	return nil
}

// least is the bits that a prefix of r's family must have.
func (l Limits) least(r netipx.IPRange) int {
	bits, standard := l.MinBits4, minBits4
	if r.From().Is6() {
		bits, standard = l.MinBits6, minBits6
	}
	if bits == 0 {
		return standard
	}
	return bits
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
