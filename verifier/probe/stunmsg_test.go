package probe

import (
	"bytes"
	"net"
	"net/netip"
	"testing"

	"github.com/pion/stun/v3"
)

func TestRequests(t *testing.T) {
	t.Parallel()
	id := transaction{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
	// RFC 8489 section 5: type, length, cookie, id.
	want := append([]byte{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}, id[:]...)
	if got := bindingRequest(id); !bytes.Equal(got, want) {
		t.Errorf("binding % x", got)
	}
	want = append([]byte{0, 3, 0, 8, 0x21, 0x12, 0xa4, 0x42}, id[:]...)
	want = append(want, 0, 0x19, 0, 4, 17, 0, 0, 0)
	if got := allocateRequest(id); !bytes.Equal(got, want) {
		t.Errorf("allocate % x", got)
	}
}

func TestReadAnswer(t *testing.T) {
	t.Parallel()
	id := newTransaction()
	setter := stun.NewTransactionIDSetter(id)
	good := mustBuild(setter, stun.BindingSuccess, &stun.XORMappedAddress{IP: net.ParseIP("192.0.2.1"), Port: 4711})
	a, err := readAnswer(good)
	if err != nil || a.id != id || !a.success || a.mapped != netip.MustParseAddrPort("192.0.2.1:4711") {
		t.Errorf("%+v, %v", a, err)
	}
	v6 := mustBuild(setter, stun.BindingSuccess, &stun.XORMappedAddress{IP: net.ParseIP("2001:db8::1"), Port: 4711})
	if a, err := readAnswer(v6); err != nil || a.mapped != netip.MustParseAddrPort("[2001:db8::1]:4711") {
		t.Errorf("%+v, %v", a, err)
	}
	for name, b := range map[string][]byte{
		"our own request, sent back": bindingRequest(id),
		"an indication":              mustBuild(setter, stun.NewType(stun.MethodBinding, stun.ClassIndication)),
		"cut off":                    good[:len(good)-1],
		"something behind it":        append(bytes.Clone(good), 0),
		"a length of 3":              append(bytes.Clone(good[:2]), append([]byte{0, 3}, good[4:23]...)...),
		"no cookie":                  append(bytes.Clone(good[:4]), append([]byte{0, 0, 0, 0}, good[8:]...)...),
		"RTP":                        append([]byte{0x80}, good[1:]...),
		"empty":                      nil,
	} {
		if a, err := readAnswer(b); err == nil {
			t.Errorf("%s: %+v", name, a)
		}
	}
}

func FuzzReadAnswer(f *testing.F) {
	id := newTransaction()
	setter := stun.NewTransactionIDSetter(id)
	f.Add(mustBuild(setter, stun.BindingSuccess, &stun.XORMappedAddress{IP: net.ParseIP("2001:db8::1"), Port: 1}, stun.NewSoftware("x\x1b[2J")))
	f.Add(mustBuild(setter, stun.NewType(stun.MethodAllocate, stun.ClassErrorResponse), stun.CodeUnauthorized))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := readAnswer(b)
		if err != nil {
			return
		}
		if len(b) < 20 || [12]byte(b[8:20]) != a.id {
			t.Errorf("%+v of % x", a, b)
		}
		if bytes.ContainsRune([]byte(a.describe()), 0x1b) {
			t.Errorf("%q reaches the terminal", a.describe())
		}
	})
}
