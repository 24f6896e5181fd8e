package policy

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
	"unicode/utf16"

	"sallyport/diag"
)

const plainSource = "set \"alpha\" {\n  include = [\"192.0.2.0/24\"] # ü\n}\nrule \"r\" {\n  action   = \"allow\"\n  to       = set.alpha\n  services = any\n}\ntarget \"generic\" \"x\" {}\n"

func in16(text string, order binary.AppendByteOrder, mark bool) []byte {
	var out []byte
	if mark {
		out = order.AppendUint16(out, 0xfeff)
	}
	for _, u := range utf16.Encode([]rune(text)) {
		out = order.AppendUint16(out, u)
	}
	return out
}

// A policy is the same in every encoding that says what it is, and so are the places of
// its mistakes.
func TestEncodings(t *testing.T) {
	wrong := strings.Replace(plainSource, "set.alpha\n", "set.alpah\n", 1)
	for name, encode := range map[string]func(s string) []byte{
		"UTF-8":    func(s string) []byte { return []byte(s) },
		"its mark": func(s string) []byte { return []byte("\xef\xbb\xbf" + s) },
		"UTF-16LE": func(s string) []byte { return in16(s, binary.LittleEndian, true) },
		"UTF-16BE": func(s string) []byte { return in16(s, binary.BigEndian, true) },
		"CR LF":    func(s string) []byte { return in16(strings.ReplaceAll(s, "\n", "\r\n"), binary.LittleEndian, true) },
	} {
		if _, list := check(t, "test.hcl", string(encode(plainSource)), nil); len(list) != 0 {
			t.Errorf("%s: %s", name, show(list, plainSource))
		}
		_, list := check(t, "test.hcl", string(encode(wrong)), nil)
		if list.Count(diag.Error) != 1 || list[0].Subject.Start.Line != 6 || list[0].Subject.Start.Column != 14 {
			t.Errorf("%s: %+v", name, list)
		}
	}
}

// What is no text is one mistake, and never passes.
func TestNoText(t *testing.T) {
	cut := in16(plainSource, binary.LittleEndian, true)
	for name, tt := range map[string]struct {
		src  []byte
		want string
	}{
		"UTF-16 without a mark": {in16(plainSource, binary.LittleEndian, false), "looks like UTF-16 without a byte order mark"},
		"the other way":         {in16(plainSource, binary.BigEndian, false), "looks like UTF-16 without a byte order mark"},
		"half a character":      {cut[:len(cut)-1], "its last character is cut in half"},
		"UTF-32":                {append([]byte{0xff, 0xfe, 0, 0}, plainSource...), "it is UTF-32"},
		"a zero byte":           {[]byte(plainSource + "\x00"), "is zero"},
		"a zero in UTF-16":      {in16(plainSource+"\x00", binary.LittleEndian, true), "is zero"},
		"Latin-1":               {bytes.Replace([]byte(plainSource), []byte("ü"), []byte("\xfc"), 1), "1 byte is not UTF-8"},
		"a program":             {append([]byte("\x7fELF\x02\x01\x01\x00"), bytes.Repeat([]byte{0x80, 0x13, 0}, 500)...), "is zero"},
		"random bytes":          {bytes.Repeat([]byte{0x80, 0x93, 0xfe, 0x41}, 500), "bytes are not UTF-8"},
	} {
		_, list := check(t, "test.hcl", string(tt.src), nil)
		if list.Count(diag.Error) != 1 || !strings.Contains(list[0].Summary, tt.want) || list[0].Fix == "" {
			t.Errorf("%s: %+v", name, list)
		}
	}
}

// Characters of documents are named, count as what they were meant for, and hide nothing.
func TestForeignCharacters(t *testing.T) {
	for name, tt := range map[string]struct{ from, to, want string }{
		"quotes":             {`"192.0.2.0/24"`, "“192.0.2.0/24”", "“ is a typographic quote (U+201C)"},
		"single quotes":      {`"192.0.2.0/24"`, "'192.0.2.0/24'", "strings stand in double quotes"},
		"guillemets":         {`"192.0.2.0/24"`, "«192.0.2.0/24»", "is a typographic quote"},
		"non-breaking space": {"include =", "include\u00a0=", "this is a non-breaking space (U+00A0)"},
		"invisible space":    {"include =", "include\u200b =", "this is an invisible space (U+200B)"},
		"wide equals sign":   {"include =", "include ＝", "is a wide equals sign"},
		"a mark inside":      {"rule", "\ufeffrule", "a byte order mark in the middle"},
		"an open string":     {`"192.0.2.0/24"`, `"192.0.2.0/24`, "this string is not closed"},
	} {
		src := strings.Replace(plainSource, tt.from, tt.to, 1) + "service \"s\" { tcp = [70000] }\n"
		_, list := check(t, "test.hcl", src, nil)
		text := strings.Join(summaries(list), "\n")
		if !strings.Contains(text, tt.want) || !strings.Contains(text, "70000 is not a port") || list.Count(diag.Error) != 2 {
			t.Errorf("%s:\n%s", name, show(list, src))
		}
	}
}

// What was most likely meant is what the fix says.
func TestMeant(t *testing.T) {
	const around = "rule \"r\" {\n  action   = \"allow\"\n  to       = %\n  services = any\n}\ntarget \"generic\" \"x\" {}\n"
	for from, want := range map[string]string{
		`["192.0.2.*"]`: `"192.0.2.0/24"`, `["192.0.2.1-9"]`: `"192.0.2.1-192.0.2.9"`, `["192.0.2.1–192.0.2.9"]`: `"192.0.2.1-192.0.2.9"`,
		`["192.0.2.0/24, 10.0.0.0/8"]`: `"192.0.2.0/24", "10.0.0.0/8"`, `["192.0.2.0 255.255.255.0"]`: `"192.0.2.0/24"`,
		`["10.0/16"]`: `"10.0.0.0/16"`, `["010.0.0.1"]`: `"10.0.0.1"`, `["[2001:db8::1]"]`: `"2001:db8::1"`, `["192.0.2.1:443"]`: `"192.0.2.1"`,
		`"any"`: "write any, without quotes", `"set.media"`: "without quotes: set.media", `["192.0.2.0\\24"]`: `"192.0.2.0/24"`,
	} {
		src := strings.Replace(around, "%", from, 1)
		_, list := check(t, "test.hcl", src, nil)
		if list.Count(diag.Error) != 1 || !strings.Contains(list[0].Fix, want) {
			t.Errorf("%s:\n%s", from, show(list, src))
		}
	}
	for from, want := range map[string]string{
		`[3478-3481]`: `"3478-3481"`, `3478-3481`: `"3478-3481"`, `["3478:3481"]`: `"3478-3481"`, `["3478..3481"]`: `"3478-3481"`, `["3478–3481"]`: `"3478-3481"`,
		`["https"]`: "write 443", `["443/tcp"]`: "write 443", `["80,443"]`: "write 80, 443", `["*"]`: `"any"`, `["443-"]`: `"443-65535"`,
		`[8443-443]`: `"8443-443"`, `[0]`: "from 1 to 65535", `[65536]`: "from 1 to 65535", `[-1]`: "from 1 to 65535", `[1.5]`: "from 1 to 65535",
	} {
		src := "service \"s\" { udp = " + from + " }\n" + strings.Replace(strings.Replace(around, "%", "any", 1), "services = any", "services = [service.s]", 1)
		_, list := check(t, "test.hcl", src, nil)
		if list.Count(diag.Error) != 1 || !strings.Contains(list[0].Fix, want) {
			t.Errorf("%s:\n%s", from, show(list, src))
		}
	}
	for _, tt := range []struct{ src, detail, fix string }{
		{`feed "aws" {}`, "What AWS publishes", `kind = "text"`}, {`feed "x" { kind = "gcp" }`, "Google Cloud", `kind = "text"`},
		{`feed "office365" {}`, "The kinds are azure, ", `kind = "m365"`}, {`feed "cloudflare" {}`, "Cloudflare", `kind = "text"`},
		{`feed "lan" {}`, "The kinds are azure, ", `kind = "text"`}, {`feed "azur" {}`, "", `kind = "azure"`},
	} {
		_, list := check(t, "test.hcl", tt.src, nil)
		if list.Count(diag.Error) != 1 || !strings.Contains(list[0].Detail, tt.detail) || !strings.Contains(list[0].Fix, tt.fix) {
			t.Errorf("%s:\n%s", tt.src, show(list, tt.src))
		}
	}
}
