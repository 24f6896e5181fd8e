package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"sallyport/verifier"
)

// A tlsPeer is who answered a TLS handshake.
type tlsPeer struct {
	chain   []string // subject and issuer of each certificate, the peer's own first
	issuer  string
	trouble string // why it is not provably the target; empty: it is
	doubt   string // what is worth a warning
	remedy  string
	sign    verifier.Sign
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
	case r.tls == nil && r.undecided:
		f.Summary = fmt.Sprintf("%s accepts a connection, and whether TLS comes about was not waited for long enough", f.Target())
		f.Remedy = "raise --timer handshake=TIME: the line, or this machine, is slow"
		return []verifier.Finding{f}
	case r.tls == nil:
		// A failure, whatever the cause: the handshake that is needed does not happen.
		f.Outcome = verifier.Fail
		f.Summary = fmt.Sprintf("%s accepts a connection, and then no TLS comes about", f.Target())
		f.Remedy = "look for a firewall or proxy that filters by server name, or see whether the port speaks TLS"
		if r.remedy != "" {
			f.Remedy = r.remedy
		}
		if r.noHello {
			f.Sign = verifier.SignNoHello
			f.Remedy += "; or whether long packets vanish on the way (MTU)"
		}
		return []verifier.Finding{f}
	}
	cert := t.finding(k, verifier.CheckCert)
	cert.Evidence, cert.Remedy = r.tls.chain, r.tls.remedy
	cert.Outcome = verifier.Pass
	cert.Summary = fmt.Sprintf("the certificate of %s is good, issued by %s", f.Host, r.tls.issuer)
	switch {
	case r.tls.trouble != "":
		cert.Outcome, cert.Sign = verifier.Fail, r.tls.sign
		cert.Summary = r.tls.trouble
		f.Summary = fmt.Sprintf("%s answers, but not provably as the target", f.Target())
		f.Remedy = r.tls.remedy
	case r.tls.doubt != "":
		cert.Outcome = verifier.Warn
		cert.Summary = r.tls.doubt
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
	began := time.Now()
	limited, cancel := context.WithTimeout(ctx, e.timers.Handshake)
	defer cancel()
	name := strings.TrimSuffix(t.probe.Host, ".")
	asked := false
	// judgeChain verifies the certificate after the handshake, so that a bad certificate
	// can be shown. Old versions of TLS are accepted for the same reason.
	c := tls.Client(conn, &tls.Config{ServerName: name, InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS10,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			asked = true
			return &tls.Certificate{}, nil
		}})
	if err := c.HandshakeContext(limited); err != nil {
		r.ruling = ruling{verdict: verifier.Inconclusive, why: handshakeTrouble(err)}
		// A handshake takes a few round trips. Where there was no time for them, or the run
		// ended, its absence shows nothing.
		r.undecided = ctx.Err() != nil || timedOut(err) && time.Since(began) < slowTrips*r.rtt
		r.noHello = timedOut(err) && !r.undecided
		if asked {
			r.why = "the target asks for a client certificate, and ends the handshake without one"
			r.remedy = "the way is open: give the clients the certificate that the target asks for"
		}
		r.evidence = append(r.evidence, r.why)
		return r
	}
	r.shook = time.Since(began)
	state := c.ConnectionState()
	r.tls = e.judgeChain(state.PeerCertificates, name, t.probe.IssuersFor())
	if state.Version < tls.VersionTLS12 && r.tls.trouble == "" {
		r.tls.trouble = fmt.Sprintf("the target speaks no newer TLS than %s, which clients refuse (RFC 8996)", tls.VersionName(state.Version))
		r.tls.remedy = "let whoever runs the target switch on TLS 1.2 or newer"
	}
	r.facts |= aProof
	r.verdict = conclude(r.facts)
	r.evidence = append(r.evidence, fmt.Sprintf("%s finished after %s, certificate issued by %s", tls.VersionName(state.Version), brief(r.shook), r.tls.issuer))
	if r.tls.trouble != "" {
		r.facts &^= aProof
		r.verdict = conclude(r.facts)
		r.evidence = append(r.evidence, r.tls.trouble)
	}
	if page {
		r.evidence = append(r.evidence, askPage(limited, c, name).describe())
	}
	return r
}

// slowTrips is how many round trips a handshake may take before its absence means
// anything: it needs up to four, and packets of some may be lost.
const slowTrips = 10

func timedOut(err error) bool {
	var timeout net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

// handshakeTrouble says what stopped a handshake.
func handshakeTrouble(err error) string {
	var alert tls.AlertError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &alert):
		return fmt.Sprintf("the peer ended the TLS handshake: %v", alert)
	case errors.As(err, &record):
		return "the peer speaks, but not TLS"
	case timedOut(err):
		return "silence after the TLS client hello"
	}
	if _, ok := asError(err); ok {
		return fmt.Sprintf("the TLS handshake was cut off: %v", err)
	}
	return fmt.Sprintf("the TLS handshake was cut off: %s", printable(err.Error()))
}
