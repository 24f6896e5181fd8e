package faults

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/pion/stun/v3"
	"golang.org/x/net/dns/dnsmessage"

	"sallyport/internal/testkit/await"
	"sallyport/internal/testkit/lab"
)

// serve starts what answers in a world without faults.
func (w *world) serve() {
	// An ICMPv6 error comes from the target only where a link really has its address.
	var batch strings.Builder
	for _, a := range []netip.Addr{relay6, other6, signal6} {
		batch.WriteString("addr replace " + a.String() + "/128 dev lo nodad\n")
	}
	w.Server.MustExec(w.tb, batch.String(), "ip", "-batch", "-")
	for at, s := range w.dns {
		w.udp(at, func(b []byte, _ netip.AddrPort) []byte { return s.reply(b) })
	}
	if w.peers {
		return
	}
	for port := uint16(3478); port <= 3481; port++ {
		for _, a := range []netip.Addr{relay4, relay6, outside4} {
			w.udp(netip.AddrPortFrom(a, port), stunReply)
		}
	}
	for port := uint16(3478); port <= 3479; port++ {
		w.udp(netip.AddrPortFrom(other4, port), stunReply)
		w.udp(netip.AddrPortFrom(other6, port), stunReply)
	}
	for _, a := range []netip.Addr{relay4, relay6, outside4} {
		w.tcp(w.Server, netip.AddrPortFrom(a, 443).String(), turnTCP)
	}
	for _, a := range []netip.Addr{signal4, signal6} {
		w.tcp(w.Server, netip.AddrPortFrom(a, 443).String(), w.signal)
	}
	w.tcp(w.Server, netip.AddrPortFrom(portal4, 443).String(), pageBy(proxyCA(), time.Now().Add(time.Hour)))
}

// udp answers datagrams at an address of the server.
func (w *world) udp(at netip.AddrPort, reply func(b []byte, from netip.AddrPort) []byte) {
	w.tb.Helper()
	network := "udp4"
	if at.Addr().Is6() {
		network = "udp6"
	}
	w.serveUDP(w.Server, network, at.String(), reply)
}

// udpAt answers datagrams at an address of any host.
func (w *world) udpAt(h *lab.Host, at string, reply func(b []byte, from netip.AddrPort) []byte) {
	w.tb.Helper()
	network := "udp4"
	if strings.HasPrefix(at, "[") {
		network = "udp6"
	}
	w.serveUDP(h, network, at, reply)
}

func (w *world) serveUDP(h *lab.Host, network, at string, reply func(b []byte, from netip.AddrPort) []byte) {
	w.tb.Helper()
	c, err := h.ListenPacket(network, at)
	if err != nil {
		w.tb.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 1500)
		for {
			n, from, err := c.(*net.UDPConn).ReadFromUDPAddrPort(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				continue // an ICMP error of an earlier answer
			}
			if out := reply(buf[:n], from); out != nil {
				_, _ = c.(*net.UDPConn).WriteToUDPAddrPort(out, from) // a client that is gone needs no answer
			}
		}
	}()
	w.tb.Cleanup(func() {
		c.Close()
		<-done
	})
}

// tcp accepts on a host and hands each connection to serve.
func (w *world) tcp(h *lab.Host, address string, serve func(net.Conn)) {
	w.tb.Helper()
	l, err := h.Listen("tcp", address)
	if err != nil {
		w.tb.Fatal(err)
	}
	w.tb.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				continue
			}
			go func() {
				defer c.Close()
				_ = c.SetDeadline(await.Deadline())
				serve(c)
			}()
		}
	}()
}

// stunReply is what a relay says: success to Binding, 401 to Allocate.
func stunReply(b []byte, from netip.AddrPort) []byte {
	m := new(stun.Message)
	if stun.Decode(b, m) != nil || m.Type.Class != stun.ClassRequest {
		return nil
	}
	parts := []stun.Setter{stun.NewTransactionIDSetter(m.TransactionID), stun.BindingSuccess,
		&stun.XORMappedAddress{IP: from.Addr().Unmap().AsSlice(), Port: int(from.Port())}}
	if m.Type.Method == stun.MethodAllocate {
		parts = []stun.Setter{parts[0], stun.NewType(stun.MethodAllocate, stun.ClassErrorResponse), stun.CodeUnauthorized, stun.NewRealm("lab")}
	} else if m.Type.Method != stun.MethodBinding {
		return nil
	}
	out, err := stun.Build(parts...)
	if err != nil {
		return nil
	}
	return out.Raw
}

// turnTCP answers STUN and TURN over a stream.
func turnTCP(c net.Conn) {
	from, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return
	}
	for {
		head := make([]byte, 20)
		if _, err := io.ReadFull(c, head); err != nil {
			return
		}
		body := make([]byte, int(head[2])<<8|int(head[3]))
		if _, err := io.ReadFull(c, body); err != nil {
			return
		}
		out := stunReply(append(head, body...), from)
		if out == nil {
			return
		}
		if _, err := c.Write(out); err != nil {
			return
		}
	}
}

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(organisation string) *authority {
	key := newKey()
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{Organization: []string{organisation}, CommonName: organisation + " Root"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err == nil {
		c, err = x509.ParseCertificate(der)
	}
	if err != nil {
		panic(err) // constants and a random key
	}
	return &authority{c, key}
}

func newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

func (a *authority) issue(name string, until time.Time) (tls.Certificate, error) {
	key := newKey()
	c := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: until, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, &key.PublicKey, a.key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// pageBy answers HTTPS with a certificate for whatever name is asked for, as a server
// does, and as a proxy that intercepts does.
func pageBy(a *authority, until time.Time) func(net.Conn) {
	return func(c net.Conn) {
		s := tls.Server(c, &tls.Config{GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
			cert, err := a.issue(h.ServerName, until)
			return &cert, err
		}})
		if s.Handshake() != nil {
			return
		}
		if _, err := http.ReadRequest(bufio.NewReader(s)); err == nil {
			_, _ = s.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
		}
	}
}

// zone is what a name server knows.
type zone map[string][]netip.Addr

// A nameServer serves a zone.
type nameServer struct {
	zone zone
	code dnsmessage.RCode // of every answer, if not 0
	wild netip.Addr       // the address of every name that is not known
}

func (s *nameServer) reply(b []byte) []byte {
	var m dnsmessage.Message
	if m.Unpack(b) != nil || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	m.Response, m.Additionals, m.RCode = true, nil, s.code
	addrs, known := s.zone[strings.TrimSuffix(strings.ToLower(q.Name.String()), ".")]
	switch {
	case s.code != 0:
	case !known && !s.wild.IsValid():
		m.RCode = dnsmessage.RCodeNameError
	case !known:
		addrs = []netip.Addr{s.wild}
	}
	for _, a := range addrs {
		r := dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET}}
		switch {
		case m.RCode != 0:
			continue
		case a.Is4() && q.Type == dnsmessage.TypeA:
			r.Body = &dnsmessage.AResource{A: a.As4()}
		case a.Is6() && q.Type == dnsmessage.TypeAAAA:
			r.Body = &dnsmessage.AAAAResource{AAAA: a.As16()}
		default:
			continue
		}
		m.Answers = append(m.Answers, r)
	}
	out, err := m.Pack()
	if err != nil {
		return nil
	}
	return out
}
