package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"sallyport/verifier"
)

// A tlsPeer is who answered a TLS handshake.
type tlsPeer struct {
	chain   []string // subject and issuer of each certificate, the peer's own first
	issuer  string
	trouble string // why it is not the target, or not provably; empty: it is
	remedy  string
}

// probeTLS finishes a handshake, which a transparent proxy cannot do in the target's
// name unless this machine trusts the proxy.
func probeTLS(ctx context.Context, e *env, t target) []verifier.Finding {
	r := e.ports.get(t.tlsKey(verifier.TLS), func() reached { return e.askTLS(ctx, t, false) })
	return e.finishTLS(t, verifier.TLS, r)
}

// probeHTTPS is probeTLS and an HTTP request.
func probeHTTPS(ctx context.Context, e *env, t target) []verifier.Finding {
	r := e.ports.get(t.tlsKey(verifier.HTTPS), func() reached { return e.askTLS(ctx, t, true) })
	return e.finishTLS(t, verifier.HTTPS, r)
}

// tlsKey is what a handshake depends on: the name asked for, and the issuers expected.
func (t target) tlsKey(k verifier.Kind) portKey {
	return portKey{k, t.probe.Host + " " + strings.Join(t.probe.IssuersFor(), ","), "tcp", t.dest()}
}

func (e *env) finishTLS(t target, k verifier.Kind, r reached) []verifier.Finding {
	f := e.finish(t, k, r)
	connected := r.rtt > 0
	switch {
	case !connected:
		return []verifier.Finding{f}
	case r.tls == nil:
		// A fact, whoever is to blame: the handshake that is needed does not happen.
		f.Outcome = verifier.Fail
		f.Summary = fmt.Sprintf("%s accepts a connection, and then no TLS comes about", f.Target())
		f.Remedy = "look for a firewall or proxy that filters by server name, or see whether the port speaks TLS"
		return []verifier.Finding{f}
	}
	cert := t.finding(k, verifier.CheckCert)
	cert.Evidence, cert.Remedy = r.tls.chain, r.tls.remedy
	cert.Outcome = verifier.Pass
	cert.Summary = fmt.Sprintf("the certificate of %s is good, issued by %s", f.Host, r.tls.issuer)
	if r.tls.trouble != "" {
		cert.Outcome = verifier.Fail
		cert.Summary = r.tls.trouble
		f.Summary = fmt.Sprintf("%s answers, but not provably as the target", f.Target())
		f.Remedy = r.tls.remedy
	}
	return []verifier.Finding{f, cert}
}

// askTLS connects, shakes hands and looks at the certificate; then it may ask for a page.
func (e *env) askTLS(ctx context.Context, t target, page bool) reached {
	conn, r := e.connect(ctx, t.dest())
	if conn == nil {
		return r
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, e.timers.Handshake)
	defer cancel()
	name := strings.TrimSuffix(t.probe.Host, ".")
	// The certificate is judged by judgeChain: the handshake must finish first, so
	// that a bad one can be shown.
	c := tls.Client(conn, &tls.Config{ServerName: name, InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	if err := c.HandshakeContext(ctx); err != nil {
		r.ruling = ruling{verdict: verifier.Inconclusive, why: handshakeTrouble(err)}
		r.evidence = append(r.evidence, r.why)
		return r
	}
	state := c.ConnectionState()
	r.tls = judgeChain(state.PeerCertificates, name, e.opt.Roots, t.probe.IssuersFor())
	r.verdict = verifier.Reachable
	r.evidence = append(r.evidence, fmt.Sprintf("%s finished, certificate issued by %s", tls.VersionName(state.Version), r.tls.issuer))
	if r.tls.trouble != "" {
		r.verdict = verifier.Inconclusive
		r.evidence = append(r.evidence, r.tls.trouble)
	}
	if page {
		r.evidence = append(r.evidence, askPage(ctx, c, name).describe())
	}
	return r
}

// handshakeTrouble says what stopped a handshake.
func handshakeTrouble(err error) string {
	var alert tls.AlertError
	var record tls.RecordHeaderError
	var timeout net.Error
	switch {
	case errors.As(err, &alert):
		return fmt.Sprintf("the peer ended the TLS handshake: %v", alert)
	case errors.As(err, &record):
		return "the peer speaks, but not TLS"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "silence after the TLS client hello"
	}
	if _, ok := asError(err); ok {
		return fmt.Sprintf("the TLS handshake was cut off: %v", err)
	}
	return fmt.Sprintf("the TLS handshake was cut off: %s", printable(err.Error()))
}

// judgeChain says whether a chain proves the target. Interception shows in one of two
// ways: by an issuer that this machine does not trust or, where it was made to trust
// the proxy, by an issuer that is not one of the expected.
func judgeChain(certs []*x509.Certificate, name string, roots *x509.CertPool, issuers []string) *tlsPeer {
	p := &tlsPeer{issuer: "nobody"}
	if len(certs) == 0 {
		p.trouble = "the peer shows no certificate"
		return p
	}
	leaf, between := certs[0], x509.NewCertPool()
	for i, c := range certs {
		p.chain = append(p.chain, printable(fmt.Sprintf("%s, issued by %s, until %s", c.Subject, c.Issuer, c.NotAfter.UTC().Format(time.DateOnly))))
		if i > 0 {
			between.AddCert(c)
		}
	}
	p.issuer = printable(leaf.Issuer.String())
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between})
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		p.trouble = fmt.Sprintf("the certificate is good from %s to %s only", leaf.NotBefore.UTC().Format(time.DateTime), leaf.NotAfter.UTC().Format(time.DateTime))
		p.remedy = "see whether this machine's clock is right; else whoever runs the target must renew the certificate"
	case err != nil:
		p.trouble = fmt.Sprintf("this machine does not trust the issuer, %s: TLS is intercepted, or the target has a private authority", p.issuer)
		p.remedy = "exempt this host from TLS inspection"
	case leaf.VerifyHostname(name) != nil:
		p.trouble = fmt.Sprintf("the certificate is for %s, not for %s", printable(namesOf(leaf)), name)
		p.remedy = "find out who answers in the target's place: a proxy, a captive portal, or a wrong DNS answer"
	case !issuedBy(leaf, issuers):
		p.trouble = fmt.Sprintf("issued by %s, not by %s: TLS is intercepted by a proxy that this machine trusts", p.issuer, strings.Join(issuers, " or "))
		p.remedy = "exempt this host from TLS inspection; if the issuer is right, name it in the probe"
	}
	return p
}

// issuedBy reports whether the issuer's organisation or common name is among those
// expected; without any, all are.
func issuedBy(c *x509.Certificate, issuers []string) bool {
	have := append(slices.Clone(c.Issuer.Organization), c.Issuer.CommonName)
	return len(issuers) == 0 || slices.ContainsFunc(issuers, func(want string) bool {
		return slices.ContainsFunc(have, func(h string) bool { return strings.EqualFold(h, want) })
	})
}

func namesOf(c *x509.Certificate) string {
	names := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		return "nobody"
	}
	return strings.Join(names, ", ")
}
