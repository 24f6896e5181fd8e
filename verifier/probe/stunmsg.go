package probe

import (
	"errors"
	"net/netip"

	"github.com/pion/stun/v3"
)

// Package pion/stun builds and decodes messages. Its client is not used, because its
// timers are not those of RFC 8489.

// transaction is a STUN transaction id.
type transaction = [stun.TransactionIDSize]byte

// maxSTUN bounds a message: one datagram on Ethernet, and on TCP likewise.
const maxSTUN = 1500

// transportUDP is the protocol number in REQUESTED-TRANSPORT (RFC 8656 section 18.7).
var transportUDP = []byte{17, 0, 0, 0}

// bindingRequest is a Binding without attributes, 20 bytes.
func bindingRequest(id transaction) []byte {
	return mustBuild(stun.NewTransactionIDSetter(id), stun.BindingRequest)
}

// allocateRequest is an Allocate without credentials. A TURN server answers it with an
// error that says which credentials it wants (RFC 8656 section 7.2).
func allocateRequest(id transaction) []byte {
	return mustBuild(stun.NewTransactionIDSetter(id), stun.NewType(stun.MethodAllocate, stun.ClassRequest),
		stun.RawAttribute{Type: stun.AttrRequestedTransport, Length: 4, Value: transportUDP})
}

// releaseRequest gives an allocation back at once: a Refresh with a lifetime of 0.
func releaseRequest(id transaction) []byte {
	return mustBuild(stun.NewTransactionIDSetter(id), stun.NewType(stun.MethodRefresh, stun.ClassRequest),
		stun.RawAttribute{Type: stun.AttrLifetime, Length: 4, Value: make([]byte, 4)})
}

// mustBuild builds a request. All parts but the id are constants.
func mustBuild(parts ...stun.Setter) []byte {
	m, err := stun.Build(parts...)
	if err != nil {
		panic("probe: a constant STUN message does not build: " + err.Error())
	}
	return m.Raw
}

// An answer is a STUN server's answer to a request.
type answer struct {
	id        transaction
	method    stun.Method
	success   bool
	code      int            // of an error answer; 0: it has none
	mapped    netip.AddrPort // XOR-MAPPED-ADDRESS or MAPPED-ADDRESS; may be missing
	allocated bool           // the server allocated a relay
	software  string
}

var errNoAnswer = errors.New("not an answer of STUN")

// readAnswer decodes a datagram strictly: the cookie, a length that fits exactly, an
// answer's class. The caller compares id and method with what it asked.
func readAnswer(b []byte) (answer, error) {
	m := new(stun.Message)
	// The length is checked here because the library accepts bytes after a message.
	if len(b) < 20 || len(b) > maxSTUN || b[0]&0xc0 != 0 || 20+int(b[2])<<8+int(b[3]) != len(b) || b[3]&3 != 0 {
		return answer{}, errNoAnswer
	}
	if err := stun.Decode(b, m); err != nil {
		return answer{}, errNoAnswer
	}
	if m.Type.Class != stun.ClassSuccessResponse && m.Type.Class != stun.ClassErrorResponse {
		return answer{}, errNoAnswer
	}
	a := answer{id: m.TransactionID, method: m.Type.Method, success: m.Type.Class == stun.ClassSuccessResponse}
	var code stun.ErrorCodeAttribute
	if code.GetFrom(m) == nil {
		a.code = int(code.Code)
	}
	a.mapped = mappedOf(m)
	a.allocated = a.success && a.method == stun.MethodAllocate
	var software stun.Software
	if software.GetFrom(m) == nil {
		a.software = printable(string(software))
	}
	return a, nil
}

// mappedOf is the address of this machine as the server saw it: XOR-MAPPED-ADDRESS, or
// in answers of old servers MAPPED-ADDRESS, which some NATs rewrite.
func mappedOf(m *stun.Message) netip.AddrPort {
	var x stun.XORMappedAddress
	if x.GetFrom(m) == nil {
		if a, ok := netip.AddrFromSlice(x.IP); ok {
			return netip.AddrPortFrom(a.Unmap(), uint16(x.Port))
		}
	}
	var plain stun.MappedAddress
	if plain.GetFrom(m) == nil {
		if a, ok := netip.AddrFromSlice(plain.IP); ok {
			return netip.AddrPortFrom(a.Unmap(), uint16(plain.Port))
		}
	}
	return netip.AddrPort{}
}
