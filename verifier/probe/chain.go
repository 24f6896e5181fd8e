package probe

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/x509roots/fallback/bundle"

	"sallyport/verifier"
)

// publicRoots are the authorities that browsers ship, without those that this machine
// trusts in addition.
var publicRoots = sync.OnceValue(func() *x509.CertPool {
	pool := x509.NewCertPool()
	for r := range bundle.Roots() {
		c, err := x509.ParseCertificate(r.Certificate)
		if err != nil {
			continue // this version of Go does not read the root
		}
		if r.Constraint != nil {
			pool.AddCertWithConstraint(c, r.Constraint)
			continue
		}
		pool.AddCert(c)
	}
	return pool
})

// publicNames are the organisations and common names of public authorities: those of
// the roots, and of well-known authorities below them that have other names.
var publicNames = sync.OnceValue(func() map[string]bool {
	names := map[string]bool{}
	add := func(list ...string) {
		for _, n := range list {
			if n != "" {
				names[strings.ToLower(n)] = true
			}
		}
	}
	for r := range bundle.Roots() {
		if c, err := x509.ParseCertificate(r.Certificate); err == nil {
			add(append(c.Subject.Organization, c.Subject.CommonName)...)
		}
	}
	add("Let's Encrypt", "Google Trust Services", "Microsoft Corporation", "DigiCert Inc", "DigiCert, Inc.", "Cloudflare, Inc.", "ZeroSSL", "ZeroSSL GmbH",
		"Sectigo Limited", "GEANT Vereniging", "Apple Inc.", "Amazon", "GoDaddy.com, Inc.", "Entrust Limited", "GlobalSign nv-sa")
	return names
})

// judgeChain says whether a chain proves the target. Interception shows in one of two
// ways: by an issuer that this machine does not trust or, where it was made to trust
// the proxy, by an authority that browsers do not ship. Only the policy can say that a
// private authority is no proxy, by naming it; a private authority that has the name of
// a public one is not accepted.
func (e *env) judgeChain(certs []*x509.Certificate, name string, issuers []string) *tlsPeer {
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
	_, own := leaf.Verify(x509.VerifyOptions{Roots: e.opt.Roots, Intermediates: between})
	_, public := leaf.Verify(x509.VerifyOptions{Roots: e.public(), Intermediates: between})
	named := issuedBy(leaf, issuers)
	switch {
	case own != nil && public != nil:
		p.unverified(own, leaf, len(certs))
	case leaf.VerifyHostname(name) != nil:
		p.sign = verifier.SignOtherName
		p.trouble = fmt.Sprintf("the certificate is for %s, not for %s", printable(namesOf(leaf)), name)
		p.remedy = "find out who answers in the target's place: a proxy, a captive portal, or a wrong DNS answer"
	case !named:
		p.sign = verifier.SignIntercepted
		p.trouble = fmt.Sprintf("issued by %s, not by %s: TLS is intercepted by a proxy that this machine trusts", p.issuer, strings.Join(issuers, " or "))
		p.remedy = "exempt this host from TLS inspection; if the issuer is right, name it in the probe"
	case public == nil && own != nil:
		p.doubt = fmt.Sprintf("the certificate is good for browsers, and this machine's own store does not know its authority: %s", printable(own.Error()))
		p.remedy = "bring the authorities that this machine trusts up to date"
	case public == nil:
	case len(issuers) == 0:
		p.sign = verifier.SignIntercepted
		p.trouble = fmt.Sprintf("issued by %s, which this machine trusts and browsers do not ship: TLS is intercepted by a proxy, or the target has a private authority", p.issuer)
		p.remedy = "exempt this host from TLS inspection; if the authority is your own, name it in the probe (issuers)"
	case calledPublic(leaf, issuers):
		p.sign = verifier.SignIntercepted
		p.trouble = fmt.Sprintf("issued by %s, which calls itself as a public authority and is none: TLS is intercepted by a proxy that this machine trusts", p.issuer)
		p.remedy = "exempt this host from TLS inspection"
	default:
		p.chain = append(p.chain, "the authority is a private one, which this machine trusts and the policy names")
	}
	return p
}

// unverified says why a certificate is not verified.
func (p *tlsPeer) unverified(err error, leaf *x509.Certificate, shown int) {
	var invalid x509.CertificateInvalidError
	if !errors.As(err, &invalid) {
		p.sign = verifier.SignIntercepted
		p.trouble = fmt.Sprintf("this machine does not trust the issuer, %s: TLS is intercepted, or the target has a private authority", p.issuer)
		if shown == 1 && leaf.Issuer.String() != leaf.Subject.String() {
			p.trouble += ", or it does not send the certificates between its own and an authority's"
		}
		p.remedy = "exempt this host from TLS inspection"
		return
	}
	of := invalid.Cert
	if of == nil {
		of = leaf
	}
	authority := !of.Equal(leaf)
	p.remedy = "whoever runs the target must renew its certificate"
	if authority {
		p.remedy = "whoever runs the target must have its certificate issued by an authority that is still good"
	}
	switch {
	case invalid.Reason == x509.Expired && authority:
		p.trouble = fmt.Sprintf("the issuing authority, %s, has expired: it was good until %s", printable(of.Subject.String()), of.NotAfter.UTC().Format(time.DateTime))
		if time.Now().Before(of.NotBefore) {
			p.trouble = fmt.Sprintf("the issuing authority, %s, is not good before %s", printable(of.Subject.String()), of.NotBefore.UTC().Format(time.DateTime))
		}
		p.remedy = "see whether this machine's clock is right; else " + p.remedy
	case invalid.Reason == x509.Expired:
		p.trouble = fmt.Sprintf("the certificate is good from %s to %s only", of.NotBefore.UTC().Format(time.DateTime), of.NotAfter.UTC().Format(time.DateTime))
		p.remedy = "see whether this machine's clock is right; else " + p.remedy
	case invalid.Reason == x509.IncompatibleUsage:
		p.trouble = "the certificate is not for servers"
		p.remedy = "whoever runs the target must have it issued for servers (extended key usage serverAuth)"
	default:
		p.trouble = "the certificate does not hold: " + printable(err.Error())
	}
}

func (e *env) public() *x509.CertPool {
	if e.opt.Public != nil {
		return e.opt.Public
	}
	return publicRoots()
}

// issuedBy reports whether the issuer's organisation or common name is among the
// expected ones. Without any, every issuer is expected.
func issuedBy(c *x509.Certificate, issuers []string) bool {
	return len(issuers) == 0 || slices.ContainsFunc(issuers, func(want string) bool { return isIssuer(c, want) })
}

func isIssuer(c *x509.Certificate, name string) bool {
	have := append(slices.Clone(c.Issuer.Organization), c.Issuer.CommonName)
	return slices.ContainsFunc(have, func(h string) bool { return strings.EqualFold(h, name) })
}

// calledPublic reports whether the expected name that the issuer has is a public
// authority's.
func calledPublic(c *x509.Certificate, issuers []string) bool {
	return slices.ContainsFunc(issuers, func(want string) bool { return publicNames()[strings.ToLower(want)] && isIssuer(c, want) })
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
