package ipranges

import (
	"net/netip"
	"strings"
	"testing"
	"unicode"

	"go4.org/netipx"
)

// TestParseLine has the forms in which lists and exports come: what each is read as by a
// reader that lets words follow, and by one that does not; or a part of the mistake.
func TestParseLine(t *testing.T) {
	const same = "" // the strict reader reads the same
	for _, tt := range []struct{ line, want, strict string }{
		// nothing
		{"", "none", same},
		{" \t\u00a0\ufeff\r", "none", same},
		{"# 192.0.2.0/24", "none", same},
		{"; Spamhaus DROP List 2026/11/30", "none", same},
		{"// 192.0.2.0/24", "none", same},
		{"create calls hash:net family inet maxelem 65536", "none", same},
		{"Start\tEnd\tNetblock\tAttacks\tName\tCountry\temail", "none", same},

		// alone, with blanks of any kind and comments
		{"192.0.2.0/24", "192.0.2.0/24", same},
		{" \t192.0.2.0/24\u00a0", "192.0.2.0/24", same},
		{"\ufeff192.0.2.0/24\r", "192.0.2.0/24", same},
		{"192.0.2.0/24#x", "192.0.2.0/24", same},
		{"192.0.2.0/24 ; SBL256894", "192.0.2.0/24", same},
		{"192.0.2.0/24 // 192.0.3.0/24", "192.0.2.0/24", same},
		{"2001:db8::/32 ; SBL1", "2001:db8::/32", same},
		{"192.0.2.7 ; x", "192.0.2.7", same},
		{"192.0.2.0/24 ; 192.0.2.0/25 first", "192.0.2.0/24", same},
		{"192.0.2.0 ; 255.255.255.0", "255.255.255.0\" follows", same},
		{"192.0.2.0 ; 24", "may be its length", same},
		{"192.0.2.0/24 ; 24", "192.0.2.0/24", same},
		{"192.0.2.0 ;/24", "/24\" follows", same},
		{"2001:db8::/32//x", "not a prefix", same},

		// ranges
		{"192.0.2.0-192.0.2.9", "192.0.2.0-192.0.2.9", same},
		{"192.0.2.0 - 192.0.2.9", "192.0.2.0-192.0.2.9", same},
		{"192.0.2.0- 192.0.2.9", "192.0.2.0-192.0.2.9", same},
		{"192.0.2.0 -192.0.2.9", "192.0.2.0-192.0.2.9", same},
		{"2001:db8:: - 2001:db8::9 # x", "2001:db8::-2001:db8::9", same},
		{"192.0.2.0 - 192.0.2.9 hosts", "192.0.2.0-192.0.2.9", "192.0.2.0-192.0.2.9"},
		{"192.0.2.0-192.0.2.9 hosts", "192.0.2.0-192.0.2.9", "\"hosts\" follows"},
		{"192.0.2.9 - 192.0.2.0", "ends before", same},
		{"192.0.2.0 - 2001:db8::", "mixes", same},
		{"192.0.2.0 -", "192.0.2.0-", same},
		{"192.0.2.0 - x", "192.0.2.0-x", same},
		{"192.0.2.0 \u2013 192.0.2.9", "192.0.2.9\" follows", same},
		{"192.0.2.0\u2013192.0.2.9", "not ASCII", same},
		{"192.0.2.0 to 192.0.2.9", "192.0.2.9\" follows", same},
		{"192.0.2.0 192.0.2.9", "two addresses", same},
		{"192.0.2.0\t192.0.2.255", "two addresses", same},
		{"2001:db8:: 2001:db8::9", "two addresses", same},
		{"192.0.2.0,192.0.2.255,NL", "two addresses", same},

		// first, last and length
		{"192.0.2.0\t192.0.2.255\t24", "192.0.2.0/24", same},
		{"192.0.2.0\t192.0.2.255\t24\t6286\tSOME-NET No.31\tNL\tx@example.com", "192.0.2.0/24", same},
		{"192.0.2.0,192.0.2.255,24,NL", "192.0.2.0/24", same},
		{"2001:db8::\t2001:db8:ffff:ffff:ffff:ffff:ffff:ffff\t32", "2001:db8::/32", same},
		{"192.0.2.0\t192.0.2.255\t25", "and 25 follow", same},
		{"192.0.2.0\t192.0.2.127\t24", "and 24 follow", same},
		{"192.0.2.0\t192.0.2.255\t2400", "and 2400 follow", same},
		{"224.0.0.0\t255.255.255.255\t3", "224.0.0.0/3", same},

		// lengths
		{"192.0.2.0 /24", "192.0.2.0/24", same},
		{"192.0.2.0 / 24", "192.0.2.0/24", same},
		{"192.0.2.0 /33", "192.0.2.0/33", same},
		{"2001:db8:: /32", "2001:db8::/32", same},
		{"192.0.2.0 24", "may be its length", same},
		{"2001:db8:: 32", "may be its length", same},
		{"192.0.2.0,24", "may be its length", same},
		{"192.0.2.0 192.0.2.2555", "may be a damaged address", same},
		{"192.0.2.0 255.255.255", "may be a damaged address", same},
		{"2001:db8:: 2001:db8:::9", "may be a damaged address", same},
		{"192.0.2.7 2026-11-30 10:30:00", "192.0.2.7", "\"2026-11-30\" follows"},
		{"192.0.2.7 443", "192.0.2.7", "\"443\" follows"},

		// masks
		{"192.0.2.0 255.255.255.0", "192.0.2.0/24", same},
		{"192.0.2.0\t255.255.255.0", "192.0.2.0/24", same},
		{"192.0.2.0,255.255.255.0", "192.0.2.0/24", same},
		{"192.0.2.0 255.255.255.0 eth0", "192.0.2.0/24", "\"eth0\" follows"},
		{"192.0.2.7 255.255.255.255", "192.0.2.7/32", same},
		{"128.0.0.0 128.0.0.0", "128.0.0.0/1", same},
		{"192.0.2.0 0.0.0.255", "192.0.2.0/24", same},
		{"0.0.0.0 0.0.0.255", "0.0.0.0/24", same},
		{"192.0.2.7 255.255.255.0", "host bits", same},
		{"192.0.2.7 0.0.0.255", "host bits", same},
		{"192.0.2.0 255.0.255.0", "two addresses", same},
		{"10.0.0.1 0.255.0.255", "two addresses", same},
		{"192.0.2.7 0.0.0.0", "netmask or a wildcard", same},
		{"0.0.0.0 0.0.0.0", "netmask or a wildcard", same},
		{"0.0.0.0 255.255.255.255", "netmask or a wildcard", same},

		// fields
		{"192.0.2.0/24,NL,NL-ZH,Delft,2600", "192.0.2.0/24", same},
		{"2001:db8::/32,GB,GB-EN,London,", "2001:db8::/32", same},
		{`"192.0.2.0/24","NL"`, "192.0.2.0/24", same},
		{"192.0.2.0/24;NL", "192.0.2.0/24", same},
		{"192.0.2.0/24|NL", "192.0.2.0/24", same},
		{"192.0.2.0/24 , NL", "192.0.2.0/24", same},
		{"192.0.2.7,NL", "192.0.2.7", same},
		{"192.0.2.0/24,", "nothing follows the \",\"", same},
		{"192.0.2.0/24, 198.51.100.0/24", "198.51.100.0/24\" follows", same},
		{"192.0.2.0/24,NL,198.51.100.7", "198.51.100.7\" follows", same},
		{"192.0.2.0/24;198.51.100.7", "198.51.100.7\" follows", same},
		{",192.0.2.0/24", "192.0.2.0/24", same},
		{",", "not a prefix", same},

		// words
		{"192.0.2.0/24 the office", "192.0.2.0/24", "\"the\" follows"},
		{"192.0.2.0/24 198.51.100.0/24", "198.51.100.0/24\" follows", same},
		{"192.0.2.0/24 via 198.51.100.1 dev eth0", "198.51.100.1\" follows", same},
		{"192.0.2.0/24 except (192.0.2.0/28)", "(192.0.2.0/28)\" follows", same},
		{"192.0.2.0/24 except 192.0.2.1/28", "192.0.2.1/28\" follows", same},
		{"192.0.2.0/24 nomatch", "nomatch", same},
		{"192.0.2.0/24/25", "not a prefix", same},
		{"please 192.0.2.0/24", "please", same},
		{"!192.0.2.0/24", "not a prefix", same},
		{"- 192.0.2.0/24", "not a prefix", same},

		// ipset save
		{"add calls 192.0.2.0/24", "192.0.2.0/24", same},
		{"add calls 192.0.2.0-192.0.2.9 timeout 300", "192.0.2.0-192.0.2.9", same},
		{"add calls 192.0.2.0/24 comment \"not 198.51.100.7\"", "192.0.2.0/24", same},
		{"add calls 192.0.2.0/24 nomatch", "exception", same},
		{"add calls 192.0.2.0/24,tcp:443", "more than an address", same},
		{"add calls other", "other", same},
		{"add calls", "add", same},
		{"add\u00a0calls\u00a0192.0.2.0/24", "192.0.2.0/24", same},
		{"del calls 192.0.2.0/24", "del", same},

		// odd addresses
		{"192.0.2.1/24", "did you mean 192.0.2.0/24", same},
		{"192.000.002.000/24", "leading zero", same},
		{"010.0.0.1", "leading zero", same},
		{"192.0.2", "not a prefix", same},
		{"3221225985", "not a prefix", same},
		{"\uff11\uff19\uff12.0.2.0/24", `"\uff11\uff19\uff12.0.2.0/24" is not a prefix: it holds characters that are not ASCII`, same},
		{"192.0.2.0/24\u200b", "\\u200b", same},
		{"192.0.2.0/24\x00", "\\x00", same},
		{"::ffff:192.0.2.0/120", "write it as IPv4, 192.0.2.0/24", same},
		{"::ffff:192.0.2.7", "write it as IPv4, 192.0.2.7", same},
		{"fe80::1%eth0", "zone", same},
		{"fe80::1%eth0/64", "zone", same},
		{"[2001:db8::1]", "not a prefix", same},
		{"https://192.0.2.7/", "not a prefix", same},
	} {
		for _, opt := range []ReadOptions{{}, {NoWords: true}} {
			want := tt.want
			if opt.NoWords && tt.strict != same {
				want = tt.strict
			}
			got := "none"
			r, ok, err := ParseLine(tt.line, opt)
			switch {
			case err != nil:
				got = err.Error()
			case ok:
				got = string(AppendRange(nil, r))
				if r.From() == r.To() {
					want = strings.TrimSuffix(want, "/32")
				}
			}
			if err == nil && got != want || err != nil && (want == "none" || !strings.Contains(got, want)) {
				t.Errorf("%q, %+v: %s, want %s", tt.line, opt, got, want)
			}
			for _, c := range got {
				if c < ' ' || c > '~' {
					t.Errorf("%q: the mistake holds %q", tt.line, c)
				}
			}
		}
	}
}

// FuzzParseLine: whatever a line holds before its comment that looks like an address is
// in what is read, or is a mask, or the line is refused: nothing is read as less than it
// says.
func FuzzParseLine(f *testing.F) {
	for _, s := range []string{
		"192.0.2.0 255.255.255.0", "192.0.2.0 0.0.0.255", "192.0.2.0 - 192.0.2.9", "192.0.2.0\t192.0.2.255\t24\tx", "192.0.2.0/24,NL",
		"add x 192.0.2.0/24 timeout 3", "192.0.2.0 /24", "::1 ; x", "192.0.2.0/24 // x", "192.0.2.0/24", "2001:db8::/32", "192.0.2.1/24", "\ufeff1.2.3.4\u00a0",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, ok, err := ParseLine(text, ReadOptions{})
		l := splitLine(text)
		if e, okSlow, errSlow := l.entry(ReadOptions{}); (errSlow == nil) != (err == nil) || okSlow != ok || ok && e.r != r {
			t.Errorf("%q is read as %v, %v, and slowly as %v, %v", text, r, err, e.r, errSlow)
		}
		if err != nil {
			if _, _, err := ParseLine(text, ReadOptions{NoWords: true}); err == nil {
				t.Errorf("%q is refused, and taken by the strict reader", text)
			}
			return
		}
		if i := strings.IndexByte(text, '#'); i >= 0 {
			text = text[:i]
		}
		text = " " + strings.TrimFunc(text, isBlank)
		for _, comment := range []string{" //", "\t//", " ;", "\t;"} {
			text, _, _ = strings.Cut(text, comment)
		}
		words := strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune("\ufeff,;|", r) })
		for i, w := range words {
			w = strings.Trim(w, `"`)
			p, err := netip.ParsePrefix(w)
			if a, addrErr := netip.ParseAddr(w); addrErr == nil {
				p, err = a.Prefix(a.BitLen())
			}
			if err != nil || len(words) > 2 && (words[0] == "create" || words[0] == "add" && i != 2 || words[0] == "Start") {
				continue
			}
			if i == 1 && p.Addr().Is4() {
				n, kind := maskLength(wordOf4(p.Addr()))
				if kind != noMask && netipx.RangeOfPrefix(netip.PrefixFrom(r.From(), n)) == r {
					continue
				}
			}
			if !ok || !r.Contains(p.Masked().Addr()) || !r.Contains(netipx.PrefixLastIP(p)) {
				t.Errorf("%q is read as %v, %v, without %s", text, r, ok, w)
			}
		}
	})
}
