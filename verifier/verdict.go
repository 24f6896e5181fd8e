package verifier

import "slices"

// A Verdict is what was seen of one target. The values are those of the JSON
// report and do not change.
type Verdict string

// The verdicts. "Offender" is whoever sent the ICMP error.
const (
	// Reachable: the target itself answered. For UDP only a valid answer with the
	// request's transaction id will do; for TCP a finished TLS handshake with a
	// certificate that fits, or such a STUN answer. A completed TCP connect is not enough,
	// because a transparent proxy completes it too.
	Reachable Verdict = "reachable"
	// Rejected: the offender answered that it does not let this pass. A router that has
	// no route says so with the same messages as a firewall.
	Rejected Verdict = "rejected"
	// Intercepted: something on the way answered in the target's name: packets that end
	// at a router before the target brought the same.
	Intercepted Verdict = "intercepted"
	// Closed: the target itself answered that nobody listens on the port.
	Closed Verdict = "closed"
	// Refused: a refusal whose sender is unknown. A TCP reset is one, since a
	// firewall resets in the target's name; so is any ICMP refusal on a system
	// that does not tell who sent it.
	Refused Verdict = "refused"
	// NoHost: the last router, after trying for a while, says that nobody has
	// the target's address.
	NoHost Verdict = "no-host"
	// DeniedLocally: this machine's own filter refused to send.
	DeniedLocally Verdict = "denied-locally"
	// NoRoute: this machine has no route to the target, or a loop ends at the offender.
	NoRoute Verdict = "no-route"
	// Silent: nothing came back, which tells neither a filter from a host that
	// is not there, nor either from a service that does not answer.
	Silent Verdict = "silent"
	// Filtered: silent, and packets get as far as hop K, while for a port that works a
	// router beyond K answers as well, tried in turn. Where beyond K only the target
	// itself answers for the working port, a target that is deaf on this one looks the
	// same: that stays Silent, with the hop as evidence.
	Filtered Verdict = "filtered"
	// Inconclusive: there is evidence, but it does not decide.
	Inconclusive Verdict = "inconclusive"
	// NotProbed: nothing was sent, and the summary says why.
	NotProbed Verdict = "not-probed"
)

// verdictWords are the verdicts for people.
var verdictWords = map[Verdict]string{
	Reachable: "reachable", Rejected: "rejected", Closed: "closed at the target",
	Intercepted: "answered on the way, in the target's name",
	Refused:     "refused, by the target or in its name", NoHost: "no host there",
	DeniedLocally: "denied locally", NoRoute: "no route", Silent: "silent",
	Filtered: "filtered", Inconclusive: "inconclusive", NotProbed: "not probed",
}

// Words is v for people, without offender and hop: see [Finding.Words].
func (v Verdict) Words() string {
	if w, ok := verdictWords[v]; ok {
		return w
	}
	return string(v)
}

// Firm reports whether v settles that the target could not be used from here.
func (v Verdict) Firm() bool {
	switch v {
	case Rejected, Intercepted, Closed, Refused, NoHost, DeniedLocally, NoRoute, Filtered:
		return true
	}
	return false
}

// An Outcome is what a finding means for the policy.
type Outcome string

// The outcomes, from best to worst for [Outcome.Worse].
const (
	Pass      Outcome = "pass"
	Unprobed  Outcome = "not-probed"   // nothing was tried: never counted as a pass
	Warn      Outcome = "warn"         // works, or matters little, but worth a look
	Undecided Outcome = "inconclusive" // exit code 3 unless something fails
	Fail      Outcome = "fail"         // exit code 1
)

// Outcomes are all outcomes, best first.
func Outcomes() []Outcome { return []Outcome{Pass, Unprobed, Warn, Undecided, Fail} }

// Worse reports whether o is worse than p. The empty outcome is better than all.
func (o Outcome) Worse(p Outcome) bool {
	return slices.Index(Outcomes(), o) > slices.Index(Outcomes(), p)
}

// A Kind is a kind of probe.
type Kind string

// The kinds of probe that a plan can ask for, and [Coverage], the kind of the
// findings about what no probe covers.
const (
	DNS      Kind = "dns"   // names: addresses, chains, several resolvers, hijacking
	TCP      Kind = "tcp"   // a connection, no more
	TLS      Kind = "tls"   // a connection and a handshake; chain, name, issuer
	HTTP     Kind = "http"  // an answer to HEAD / in the clear
	HTTPS    Kind = "https" // tls, and an answer to HEAD /
	STUN     Kind = "stun"  // STUN Binding and TURN Allocate, over UDP and TCP
	NAT      Kind = "nat"   // mapping across destinations; with Long, over time
	Path     Kind = "path"  // how far packets to a silent port get
	Route    Kind = "route" // which way every prefix leaves
	Media    Kind = "media" // paced trains to a reflector; package verifier/media
	Coverage Kind = "coverage"
)

// Kinds are the kinds that a plan may name.
func Kinds() []Kind {
	return []Kind{DNS, TCP, TLS, HTTP, HTTPS, STUN, NAT, Path, Route, Media}
}
