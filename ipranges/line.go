package ipranges

import (
	"errors"
	"fmt"
	"math/bits"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"go4.org/netipx"
)

// ParseLine reads one line of a list as [ReadSet] does. It reports whether the line
// holds an entry: it holds none if it is blank, a comment, or a heading of a known form.
func ParseLine(line string, opt ReadOptions) (r netipx.IPRange, ok bool, err error) {
	if p, ok := scanPrefix(line); ok {
		return netipx.RangeOfPrefix(p), true, nil
	}
	l := splitLine(line)
	e, ok, err := l.entry(opt)
	if err != nil || !ok {
		return netipx.IPRange{}, false, err
	}
	return e.r, true, nil
}

// The forms of a line beside a prefix, a range or an address alone. Published lists and
// exports have them (2026-11):
//
//	192.0.2.0/24 ; SBL1             comments with #, and with ; or // after a blank (Spamhaus DROP)
//	192.0.2.0 - 192.0.2.9           blanks around the dash
//	192.0.2.0 /24                   and around the slash
//	192.0.2.0 255.255.255.0         a netmask
//	192.0.2.0 0.0.0.255             a wildcard mask
//	192.0.2.0 192.0.2.255 24 ...    first, last and length (DShield's block.txt)
//	192.0.2.0/24,NL,,Delft,         fields with commas, semicolons or bars between (RFC 8805)
//	add NAME 192.0.2.0/24 ...       ipset save, with its create lines
//
// A line that could mean two things is refused: an entry must never be read as fewer
// addresses than it means.

// line is a line without its comment, in tokens.
type line struct {
	text      string   // trimmed
	tokens    []string // without quotation marks
	fields    bool     // a separator of fields follows the first token
	open      bool     // and nothing follows that
	commented bool     // it had a comment
	comment   string   // the first word of one after a semicolon
}

const separators = ",;|"

func isBlank(r rune) bool { return unicode.IsSpace(r) || r == '\ufeff' }

func splitLine(s string) line {
	var l line
	if i := strings.IndexByte(s, '#'); i >= 0 {
		s, l.commented = s[:i], true
	}
	s = strings.TrimFunc(s, isBlank)
	l.text, l.comment = cutComment(s)
	l.commented = l.commented || len(l.text) < len(s)
	s = l.text
	l.tokens = strings.FieldsFunc(s, func(r rune) bool { return isBlank(r) || strings.ContainsRune(separators, r) })
	if len(l.tokens) > 0 {
		_, rest, _ := strings.Cut(s, l.tokens[0])
		rest = strings.TrimLeftFunc(rest, isBlank)
		l.fields = rest != "" && strings.Contains(separators, rest[:1])
		l.open = l.fields && strings.TrimFunc(rest[1:], isBlank) == ""
	}
	for i, t := range l.tokens {
		l.tokens[i] = strings.Trim(t, `"`)
	}
	return l
}

// cutComment removes the comment that begins with ";" or "//" at the start or after a
// blank, and returns the first word of one after ";".
func cutComment(s string) (rest, word string) {
	for i := range s {
		if i > 0 {
			if before := s[i-1]; before != ' ' && before != '\t' {
				continue
			}
		}
		switch {
		case s[i] == ';':
			if words := strings.Fields(s[i+1:]); len(words) > 0 {
				word = words[0]
			}
			return strings.TrimRightFunc(s[:i], isBlank), word
		case strings.HasPrefix(s[i:], "//"):
			return strings.TrimRightFunc(s[:i], isBlank), ""
		}
	}
	return s, ""
}

// lineEntry is what a line holds.
type lineEntry struct {
	r      netipx.IPRange
	masked bool // host bits were masked
	bare   bool // an address without a length or a last address
}

// entry reads the line. ok is false for a line that holds nothing.
func (l *line) entry(opt ReadOptions) (e lineEntry, ok bool, err error) {
	t := l.tokens
	switch {
	case len(t) == 0 && l.text == "":
		return e, false, nil
	case len(t) == 0:
		return e, false, notA("prefix, range or address", l.text)
	case len(t) > 2 && t[0] == "create" && isSetType(t[2]), len(t) > 2 && t[0] == "Start" && t[1] == "End":
		return e, false, nil // the headings of ipset save and of DShield's list
	case len(t) > 2 && t[0] == "add":
		e, err = ipsetEntry(l.text, opt)
		return e, err == nil, err
	}
	text, used, err := joined(t)
	if err == nil {
		e, err = parseEntry(text, opt)
	}
	if err == nil {
		err = l.checkRest(e, used, opt)
	}
	return e, err == nil, err
}

func isSetType(s string) bool {
	return strings.HasPrefix(s, "hash:") || strings.HasPrefix(s, "bitmap:")
}

// ipsetEntry reads "add NAME ELEMENT [OPTION...]" as ipset save prints it.
func ipsetEntry(text string, opt ReadOptions) (lineEntry, error) {
	words := strings.Fields(text)
	switch {
	case len(words) < 3 || strings.Contains(words[2], ","):
		return lineEntry{}, errors.New("an element of an ipset that is more than an address: only sets of addresses and networks can be read")
	case slices.Contains(words[3:], "nomatch"):
		return lineEntry{}, fmt.Errorf("%s is an exception of its ipset (nomatch), which a list cannot say: take it out, and exclude it", printable(words[2]))
	}
	return parseEntry(words[2], opt)
}

// parseEntry reads a prefix, a range or an address.
func parseEntry(text string, opt ReadOptions) (e lineEntry, err error) {
	if opt.Lenient {
		if p, err := netip.ParsePrefix(text); err == nil && p != p.Masked() {
			text, e.masked = p.Masked().String(), true
		}
	}
	e.r, err = ParseRange(text)
	e.bare = !strings.ContainsAny(text, "/-")
	return e, err
}

// joined joins an entry that is written in several tokens, and returns their number.
func joined(t []string) (text string, used int, err error) {
	if len(t) == 1 {
		return t[0], 1, nil
	}
	if strings.HasSuffix(t[0], "-") { // "A- B"
		return t[0] + t[1], 2, nil
	}
	a, isAddr := netip.ParseAddr(t[0])
	if isAddr != nil {
		return t[0], 1, nil
	}
	sign := t[1][:min(1, len(t[1]))]
	switch {
	case (t[1] == "-" || t[1] == "/") && len(t) > 2: // "A - B", "A / 24"
		return t[0] + t[1] + t[2], 3, nil
	case sign == "-" || sign == "/": // "A -B", "A /24"
		return t[0] + t[1], 2, nil
	}
	if b, err := netip.ParseAddr(t[1]); err == nil {
		return pair(t, a, b)
	}
	return t[0], 1, mayBeLength(t[1], a.String())
}

// mayBeLength refuses a number behind an address that could be its length.
func mayBeLength(word, address string) error {
	if n, err := strconv.Atoi(word); err == nil && n >= 0 && n <= 128 {
		return fmt.Errorf("the number %d follows the address %s, and may be its length: write %[2]s/%[1]d, or put a # before a comment", n, address)
	}
	return nil
}

// pair reads an address that another address follows.
func pair(t []string, a, b netip.Addr) (text string, used int, err error) {
	if len(t) > 2 {
		if n, err := strconv.Atoi(t[2]); err == nil {
			p, err := a.Prefix(n)
			if err == nil && netipx.RangeOfPrefix(p) == netipx.IPRangeFrom(a, b) {
				return p.String(), 3, nil
			}
			return "", 0, fmt.Errorf("%s, %s and %d follow each other, and are not the first and the last address of a prefix and its length: write one prefix, or FIRST-LAST", a, b, n)
		}
	}
	if a.Is4() && b.Is4() {
		zero := a == netip.IPv4Unspecified()
		switch n, kind := maskLength(wordOf4(b)); {
		case kind == netmask && !(zero && n == 32), kind == wildcard:
			return fmt.Sprintf("%s/%d", a, n), 2, nil
		case kind != noMask:
			return "", 0, fmt.Errorf("%s may be a netmask or a wildcard mask after %s: write the prefix with its length", b, a)
		}
	}
	return "", 0, fmt.Errorf("two addresses, %s and %s: write %[1]s-%[2]s if a range is meant, else each on a line of its own", a, b)
}

type maskKind int

const (
	noMask maskKind = iota
	netmask
	wildcard
	eitherMask // 0.0.0.0
)

// maskLength reads a netmask (255.255.255.0) or a wildcard mask (0.0.0.255).
func maskLength(m word4) (length int, kind maskKind) {
	if m == 0 {
		return 0, eitherMask
	}
	ones, zeros := bits.LeadingZeros32(^uint32(m)), bits.LeadingZeros32(uint32(m))
	switch m {
	case ^hostMask4(ones):
		return ones, netmask
	case hostMask4(zeros):
		return zeros, wildcard
	}
	return 0, noMask
}

// checkRest judges what follows the entry, which took so many tokens.
func (l *line) checkRest(e lineEntry, used int, opt ReadOptions) error {
	rest := l.tokens[used:]
	for _, t := range append(slices.Clone(rest), l.comment) {
		if isEntry(t) && (t != l.comment || e.bare) {
			return fmt.Errorf("%s follows the entry: write each on a line of its own, and a # before a comment", printable(t))
		}
	}
	if e.bare {
		if err := mayBeLength(l.comment, e.r.From().String()); err != nil {
			return err
		}
	}
	switch {
	case len(rest) > 0 && e.bare && nearAddress(rest[0]):
		return fmt.Errorf("%s follows an address, and may be a damaged address or mask: correct it, or put a # before a comment", printable(rest[0]))
	case l.open:
		return errors.New("nothing follows the " + printable(l.text[len(l.text)-1:]) + ": write each entry on a line of its own")
	case len(rest) > 0 && rest[0] == "nomatch":
		return errors.New("nomatch follows the entry, and makes it an exception, which a list cannot say: take it out, and exclude it")
	case len(rest) > 0 && opt.NoWords && !l.fields && used < 3:
		return fmt.Errorf("%s follows the entry: put a # before comments, and each entry on a line of its own", printable(rest[0]))
	}
	return nil
}

// isEntry reports whether a word is an entry, or an address that could be a part of
// one.
func isEntry(word string) bool {
	word = strings.Trim(word, `"'()[]{}<>.`)
	if _, err := ParseRange(word); err == nil {
		return true
	}
	if _, err := netip.ParseAddr(word); err == nil { // with a zone, or IPv4-mapped
		return true
	}
	if n, ok := strings.CutPrefix(word, "/"); ok {
		_, err := strconv.Atoi(n)
		return err == nil
	}
	p, err := netip.ParsePrefix(word)
	return err == nil && p.IsValid() // with host bits
}

// nearAddress reports whether a word has only characters of addresses, and more than
// one of their separators.
func nearAddress(word string) bool {
	return strings.Trim(word, "0123456789.") == "" && strings.Count(word, ".") > 1 ||
		strings.Trim(word, "0123456789abcdefABCDEF:.") == "" && (strings.Contains(word, "::") || strings.Count(word, ":") > 2)
}

// printable is text of the list, quoted and cut.
func printable(s string) string {
	if len(s) > 60 {
		return fmt.Sprintf("%+q...", s[:60])
	}
	return fmt.Sprintf("%+q", s)
}
