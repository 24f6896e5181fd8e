package probe

import (
	"bufio"
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/internal/testkit/need"
	"sallyport/internal/testkit/pace"
	"sallyport/verifier"
)

// authority signs certificates for tests.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	// chain is its own certificate, if another authority signed it.
	chain [][]byte
}

func newAuthority(tb testing.TB, organisation string) *authority {
	tb.Helper()
	key := newKey(tb)
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{Organization: []string{organisation}, CommonName: organisation + " Root"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		tb.Fatal(err)
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		tb.Fatal(err)
	}
	return &authority{cert: c, key: key}
}

func newKey(tb testing.TB) *ecdsa.PrivateKey {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func (a *authority) issue(tb testing.TB, name string, until time.Time) tls.Certificate {
	tb.Helper()
	key := newKey(tb)
	c := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: until, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, &key.PublicKey, a.key)
	if err != nil {
		tb.Fatal(err)
	}
	return tls.Certificate{Certificate: append([][]byte{der}, a.chain...), PrivateKey: key}
}

const signalling = "signal.lab.example"

// under makes an authority that a signs.
func (a *authority) under(tb testing.TB, until time.Time) *authority {
	tb.Helper()
	key := newKey(tb)
	c := &x509.Certificate{SerialNumber: big.NewInt(3), Subject: a.cert.Subject, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: until,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	c.Subject.CommonName += " Issuing"
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, &key.PublicKey, a.key)
	if err == nil {
		c, err = x509.ParseCertificate(der)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return &authority{cert: c, key: key, chain: [][]byte{der}}
}

// page200 answers HTTP over TLS.
func page200(cert tls.Certificate) func(net.Conn) { return withTLS(cert, func(*tls.Config) {}) }

func withTLS(cert tls.Certificate, change func(*tls.Config)) func(net.Conn) {
	return func(c net.Conn) {
		config := &tls.Config{Certificates: []tls.Certificate{cert}}
		change(config)
		s := tls.Server(c, config)
		if s.Handshake() != nil {
			return
		}
		plain200(s)
	}
}

func plain200(c net.Conn) {
	if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
		_, _ = c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
	}
}

// TestTLS: only a finished handshake with the right certificate is reachable.
func TestTLS(t *testing.T) {
	t.Parallel()
	microsoft, proxy, stranger := newAuthority(t, "Good Corporation"), newAuthority(t, "Proxy Inc"), newAuthority(t, "Stranger")
	mimic, public := newAuthority(t, "Microsoft Corporation"), newAuthority(t, "DigiCert Inc")
	shipped := x509.NewCertPool()
	shipped.AddCert(public.cert)
	soon := time.Now().Add(time.Hour)
	roots := x509.NewCertPool()
	roots.AddCert(microsoft.cert)
	roots.AddCert(proxy.cert) // this machine trusts it
	roots.AddCert(mimic.cert)
	for name, c := range map[string]struct {
		serve   func(net.Conn)
		rules   string
		proxied bool   // by the firewall
		issuers string // "none": the probe names none
		verdict verifier.Verdict
		outcome verifier.Outcome
		cert    verifier.Outcome // "" when none was seen
	}{
		"good":                           {serve: page200(microsoft.issue(t, signalling, soon)), verdict: verifier.Reachable, outcome: verifier.Pass, cert: verifier.Pass},
		"untrusted":                      {serve: page200(stranger.issue(t, signalling, soon)), verdict: verifier.Inconclusive, outcome: verifier.Undecided, cert: verifier.Fail},
		"intercepted":                    {serve: page200(proxy.issue(t, signalling, soon)), verdict: verifier.Inconclusive, outcome: verifier.Undecided, cert: verifier.Fail},
		"another name":                   {serve: page200(microsoft.issue(t, "other.example", soon)), verdict: verifier.Inconclusive, outcome: verifier.Undecided, cert: verifier.Fail},
		"expired":                        {serve: page200(microsoft.issue(t, signalling, time.Now().Add(-time.Hour))), verdict: verifier.Inconclusive, outcome: verifier.Undecided, cert: verifier.Fail},
		"a public authority":             {serve: page200(public.issue(t, signalling, soon)), issuers: "DigiCert Inc", verdict: verifier.Reachable, outcome: verifier.Pass, cert: verifier.Warn}, // the machine does not know it
		"a public authority, none named": {serve: page200(public.issue(t, signalling, soon)), issuers: "none", verdict: verifier.Reachable, outcome: verifier.Pass, cert: verifier.Warn},
		"a borrowed name":                {serve: page200(mimic.issue(t, signalling, soon)), issuers: "Microsoft Corporation", verdict: verifier.Inconclusive, outcome: verifier.Undecided, cert: verifier.Fail},
		"trusted here, none named":       {serve: page200(microsoft.issue(t, signalling, soon)), issuers: "none", verdict: verifier.Inconclusive, outcome: verifier.Undecided, cert: verifier.Fail},
		"an authority that expired":      {serve: page200(microsoft.under(t, time.Now().Add(-time.Hour)).issue(t, signalling, soon)), verdict: verifier.Inconclusive, outcome: verifier.Undecided, cert: verifier.Fail},
		"an authority between":           {serve: page200(microsoft.under(t, soon).issue(t, signalling, soon)), verdict: verifier.Reachable, outcome: verifier.Pass, cert: verifier.Pass},
		"old TLS": {serve: withTLS(microsoft.issue(t, signalling, soon), func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }),
			verdict: verifier.Inconclusive, outcome: verifier.Undecided, cert: verifier.Fail},
		"a client certificate": {serve: withTLS(microsoft.issue(t, signalling, soon), func(c *tls.Config) { c.ClientAuth, c.MaxVersion = tls.RequireAnyClientCert, tls.VersionTLS12 }),
			verdict: verifier.Inconclusive, outcome: verifier.Fail},
		"slow": {serve: func(c net.Conn) {
			time.Sleep(time.Second)
			page200(microsoft.issue(t, signalling, soon))(c)
		}, verdict: verifier.Reachable, outcome: verifier.Pass, cert: verifier.Pass},
		"no TLS":             {serve: plain200, verdict: verifier.Inconclusive, outcome: verifier.Fail},
		"closes at once":     {serve: func(net.Conn) {}, verdict: verifier.Inconclusive, outcome: verifier.Fail},
		"accepts, is silent": {serve: func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, verdict: verifier.Inconclusive, outcome: verifier.Fail},
		"transparent proxy":  {serve: func(c net.Conn) { _, _ = c.Read(make([]byte, 600)) }, proxied: true, verdict: verifier.Inconclusive, outcome: verifier.Fail},
		"transparent TLS":    {serve: page200(stranger.issue(t, signalling, soon)), proxied: true, verdict: verifier.Inconclusive, outcome: verifier.Undecided, cert: verifier.Fail},
		"tcp reset":          {serve: plain200, rules: "tcp dport 443 reject with tcp reset", verdict: verifier.Refused, outcome: verifier.Fail},
		"drop":               {serve: plain200, rules: "tcp dport 443 drop", verdict: verifier.Silent, outcome: verifier.Undecided},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pace.Run(t, func(t testing.TB, s pace.Scale) {
				n := newNetwork(t)
				n.nameServer(resolver4, nameServer{zone: zone{signalling + ".": {relay4.String()}}})
				if c.proxied {
					n.Firewall.MustExec(t, "table ip t { chain c { type nat hook prerouting priority -100;\ntcp dport 443 redirect to :8443\n}\n}\n", "nft", "-f", "-")
					serveTCP(t, n.Firewall, "0.0.0.0:8443", c.serve)
				} else {
					serveTCP(t, n.Server, net.JoinHostPort(relay4.String(), "443"), c.serve)
				}
				n.filter(n.Firewall, "forward", c.rules)
				p := plan([]string{"tcp/443"}, signalling)
				p.Probes[0].Issuers = []string{cmp.Or(c.issuers, "good corporation")}
				if c.issuers == "none" {
					p.Probes[0].Issuers = nil
				}
				timers := labTimers(s)
				timers.Handshake = s.Times(3 * time.Second)
				r := n.run(p, Options{Roots: roots, Public: shipped, Timers: timers})
				f := reach(t, r, relay4, "tcp", 443)
				if f.Kind != verifier.HTTPS || f.Verdict != c.verdict || f.Outcome != c.outcome {
					t.Errorf("%s %s %s, want %s %s: %q", f.Kind, f.Verdict, f.Outcome, c.verdict, c.outcome, f.Evidence)
				}
				var cert verifier.Outcome
				for _, f := range r.Findings {
					if f.Check == verifier.CheckCert {
						cert = f.Outcome
						if len(f.Evidence) == 0 || f.Outcome == verifier.Fail && f.Remedy == "" {
							t.Errorf("%+v", f)
						}
					}
				}
				if cert != c.cert {
					t.Errorf("certificate %q, want %q", cert, c.cert)
				}
			})
		})
	}
}

// TestHTTPNeverProves: an answer in the clear may be a proxy's.
func TestHTTPNeverProves(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		serve   func(net.Conn)
		outcome verifier.Outcome
	}{
		"an answer": {plain200, verifier.Warn},
		"a portal": {func(c net.Conn) {
			_, _ = c.Write([]byte("HTTP/1.1 511 Network Authentication Required\r\n\r\n"))
		}, verifier.Fail},
		"rubbish": {func(c net.Conn) { _, _ = c.Write([]byte("\x1b[2J\n\n")) }, verifier.Undecided},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pace.Run(t, func(t testing.TB, s pace.Scale) {
				n := newNetwork(t)
				serveTCP(t, n.Server, net.JoinHostPort(relay4.String(), "80"), c.serve)
				r := n.run(plan([]string{"tcp/80"}, relay4.String()), Options{})
				f := reach(t, r, relay4, "tcp", 80)
				if f.Kind != verifier.HTTP || f.Verdict != verifier.Inconclusive || f.Outcome != c.outcome {
					t.Errorf("%s %s %s, want %s: %q", f.Kind, f.Verdict, f.Outcome, c.outcome, f.Evidence)
				}
				if strings.ContainsRune(strings.Join(f.Evidence, ""), 0x1b) {
					t.Errorf("%q reaches the terminal", f.Evidence)
				}
			})
		})
	}
}

func TestTCPAloneNeverProves(t *testing.T) {
	t.Parallel()
	pace.Run(t, func(t testing.TB, s pace.Scale) {
		n := newNetwork(t)
		serveTCP(t, n.Server, net.JoinHostPort(relay4.String(), "5061"), func(c net.Conn) { _, _ = c.Read(make([]byte, 1)) })
		f := reach(t, n.run(plan([]string{"tcp/5061"}, relay4.String()), Options{}), relay4, "tcp", 5061)
		if f.Kind != verifier.TCP || f.Verdict != verifier.Inconclusive || f.Outcome != verifier.Warn {
			t.Errorf("%s %s %s: %q", f.Kind, f.Verdict, f.Outcome, f.Evidence)
		}
	})
}

// TestOpenSSL is a TLS server that is not Go's.
func TestOpenSSL(t *testing.T) {
	t.Parallel()
	openssl := need.Program(t, "openssl")
	pace.Run(t, func(t testing.TB, s pace.Scale) {
		n := newNetwork(t)
		n.nameServer(resolver4, nameServer{zone: zone{signalling + ".": {relay4.String()}}})
		good := newAuthority(t, "Good Corporation")
		cert := good.issue(t, signalling, time.Now().Add(time.Hour))
		key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "server.pem")
		pems := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...)
		if err := os.WriteFile(file, pems, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := n.Server.Start(exec.Command(openssl, "s_server", "-accept", net.JoinHostPort(relay4.String(), "443"), "-cert", file, "-key", file, "-www", "-quiet")); err != nil {
			t.Fatal(err)
		}
		n.accepts(netip.AddrPortFrom(relay4, 443))
		roots := x509.NewCertPool()
		roots.AddCert(good.cert)
		p := plan([]string{"tcp/443"}, signalling)
		p.Probes[0].Issuers = []string{"Good Corporation"}
		r := n.run(p, Options{Roots: roots})
		if f := reach(t, r, relay4, "tcp", 443); f.Verdict != verifier.Reachable || f.Outcome != verifier.Pass {
			t.Errorf("%s: %q", f.Verdict, f.Evidence)
		}
	})
}
