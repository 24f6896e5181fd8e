package ipranges

import (
	"bytes"
	"encoding/binary"
	"testing"
)

func TestBinaryForm(t *testing.T) {
	for _, c := range []struct {
		set  Set
		want string
	}{
		{Set{}, "\x01\x08\x00\x00"},
		{MustParse("1.2.3.0/24"), "\x01\x08\x01\x00\x01\x02\x03\x00\x01\x02\x03\xff"},
		{MustParse("2603:1030::/48"), "\x01\x08\x00\x01\x26\x03\x10\x30\x00\x00\x00\x00\x26\x03\x10\x30\x00\x00\xff\xff"},
		{MustParse("::1"), "\x01\x10\x00\x01" + "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" +
			"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"},
	} {
		got, err := c.set.MarshalBinary()
		if err != nil || string(got) != c.want {
			t.Errorf("%v is % x, %v; want % x", c.set, got, err, c.want)
		}
		back := MustParse("9.9.9.9")
		if err := back.UnmarshalBinary(got); err != nil || !back.Equal(c.set) {
			t.Errorf("%v reads back as %v, %v", c.set, back, err)
		}
	}
}

// TestBinaryDamaged: every cut and every changed byte of a form is refused or
// is the form of another set, and a refusal leaves the set as it was.
func TestBinaryDamaged(t *testing.T) {
	for _, set := range []Set{
		MustParse("10.0.0.0/8", "1.2.3.4-1.2.3.9", "2603:1030::/48", "::1-::9"),
		MustParse("10.0.0.0/8", "2603:1030::/48", "2a01::/32"),
	} {
		data, _ := set.MarshalBinary()
		for i := range data {
			checkDecode(t, data[:i])
			for bit := range 8 {
				data[i] ^= 1 << bit
				checkDecode(t, data)
				data[i] ^= 1 << bit
			}
		}
		checkDecode(t, append(data, 0))
	}
	huge := binary.AppendUvarint([]byte{binaryVersion, 8}, 1<<61) // times 8 is 0 in 64 bits
	checkDecode(t, append(huge, 0))
	checkDecode(t, append([]byte{binaryVersion, 8, 0x80, 0x00}, 0)) // a count in more bytes than it needs
}

func checkDecode(t *testing.T, data []byte) {
	t.Helper()
	before := MustParse("9.9.9.9", "9::9")
	s := before
	others := []Set{{}, before, MustParse("1.2.3.4", "1.2.3.6-1.2.3.255", "10.0.0.0/8", "255.255.255.255", "::2-::8", "2a01::/17"), MustParse("0.0.0.0/0", "::/0")}
	var may []bool
	for _, o := range others {
		may = append(may, MayOverlap(data, o)) // of other data it must only end
	}
	if err := s.UnmarshalBinary(data); err != nil {
		if !s.Equal(before) {
			t.Fatalf("% x is refused but changed the set", data)
		}
		return
	}
	checkInvariant(t, s)
	if again, _ := s.MarshalBinary(); !bytes.Equal(again, data) {
		t.Fatalf("% x and % x are both the form of %v", data, again, s)
	}
	for i, o := range others {
		if may[i] != s.Overlaps(o) {
			t.Fatalf("MayOverlap is %v for %v and %v", may[i], s, o)
		}
	}
}

// TestBinaryStrict: bytes that look like a set but are not the form of one.
func TestBinaryStrict(t *testing.T) {
	for name, data := range map[string]string{
		"empty":          "",
		"other version":  "\x02\x08\x00\x00",
		"other width":    "\x01\x09\x00\x00",
		"wide for none":  "\x01\x10\x00\x00",
		"wide for a /64": "\x01\x10\x00\x01" + "\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" + "\x20\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff",
		"touching":       "\x01\x08\x02\x00\x01\x02\x03\x04\x01\x02\x03\x05\x01\x02\x03\x06\x01\x02\x03\x07",
		"overlapping":    "\x01\x08\x02\x00\x01\x02\x03\x04\x01\x02\x03\x07\x01\x02\x03\x06\x01\x02\x03\x08",
		"descending":     "\x01\x08\x02\x00\x09\x02\x03\x04\x09\x02\x03\x07\x01\x02\x03\x06\x01\x02\x03\x08",
		"backwards":      "\x01\x08\x01\x00\x01\x02\x03\x05\x01\x02\x03\x04",
		"after the last": "\x01\x08\x02\x00\x01\x02\x03\x04\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x01",
		"long count":     "\x01\x08\x80\x00\x00",
		"rest":           "\x01\x08\x00\x00\x00",
	} {
		if err := new(Set).UnmarshalBinary([]byte(data)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func FuzzUnmarshalBinary(f *testing.F) {
	for _, set := range []Set{{}, MustParse("1.2.3.0/24", "5.0.0.0/8"), MustParse("::/0"), MustParse("::1", "1::/16", "0.0.0.0/0")} {
		data, _ := set.MarshalBinary()
		f.Add(data)
	}
	f.Fuzz(checkDecode)
}

func TestBinaryMemory(t *testing.T) {
	// Counts that promise far more than there is are refused before memory is taken.
	data := binary.AppendUvarint([]byte{binaryVersion, 16}, 1<<40)
	data = append(binary.AppendUvarint(data, 1<<40), make([]byte, 64)...)
	var s Set
	if n := testing.AllocsPerRun(10, func() { _ = s.UnmarshalBinary(data) }); n != 0 {
		t.Errorf("refusing takes %v allocations", n)
	}
}
