package verifier

import (
	"fmt"
	"net/netip"
	"strings"
)

// A Finding is one thing that was judged. The JSON names are part of the report's
// schema and do not change within [ReportFormat].
type Finding struct {
	Kind    Kind    `json:"kind"`
	Check   Check   `json:"check"` // what of it was judged
	Outcome Outcome `json:"outcome"`
	Verdict Verdict `json:"verdict,omitempty"` // for checks that judge reachability
	Summary string  `json:"summary"`           // one line for people, no full stop

	Probe    string     `json:"probe,omitempty"` // the probe's name in the plan
	Host     string     `json:"host,omitempty"`  // as the plan names it
	Address  netip.Addr `json:"address,omitzero"`
	Family   string     `json:"family,omitempty"`   // "ipv4" or "ipv6"; Finish derives it from the address
	Protocol string     `json:"protocol,omitempty"` // "udp" or "tcp"
	Port     uint16     `json:"port,omitzero"`
	Resolver string     `json:"resolver,omitempty"`
	Case     string     `json:"case,omitempty"` // tells findings of one check apart, such as "35s" of silence

	Offender netip.Addr `json:"offender,omitzero"` // who sent the ICMP error
	// Forbidden says that the error can only mean that somebody forbids it; a router
	// without a route sends others.
	Forbidden bool       `json:"forbidden,omitzero"`
	Hop       int        `json:"hop,omitzero"` // for Filtered: 0 is before the first hop
	HopAddr   netip.Addr `json:"hop_address,omitzero"`
	// NextHop is the next router on the way to a port that works: what stops the packets
	// is that router, or stands before it.
	NextHop netip.Addr `json:"next_hop_address,omitzero"`
	// Mapped is this machine's address and port as the target saw it.
	Mapped netip.AddrPort `json:"mapped,omitzero"`

	// Public are the addresses that targets see this machine under.
	Public []netip.Addr `json:"public,omitempty"`

	Sign     Sign     `json:"sign,omitempty"`     // what it is a case of, for the diagnosis
	Evidence []string `json:"evidence,omitempty"` // what was seen, in order
	Remedy   string   `json:"remedy,omitempty"`
	Rule     string   `json:"rule,omitempty"`
	Set      string   `json:"set,omitempty"`
	Place    Place    `json:"place,omitzero"`

	Metrics []Metric `json:"metrics,omitempty"`
	Series  []Series `json:"series,omitempty"`
}

// A Check is what a finding judges. The values do not change.
type Check string

// The checks of each kind.
const (
	CheckPrograms Check = "programs" // dns: the name has addresses for programs of this machine
	CheckResolve  Check = "resolve"  // dns: the name has addresses, at this resolver
	CheckRanges   Check = "ranges"   // dns: each address is in the rule's ranges
	CheckHijack   Check = "hijack"   // dns: a name that cannot exist has no address
	CheckAgree    Check = "agree"    // dns: resolvers agree
	CheckReach    Check = "reach"    // tcp, tls, http, https, stun: the target is reached
	CheckCert     Check = "cert"     // tls, https: chain, name, issuer
	CheckLoss     Check = "loss"     // stun: datagrams were lost on ports that answer
	CheckQuality  Check = "quality"  // stun: round trips to a relay, one exchange at a time
	CheckLink     Check = "link"     // path: this machine's interface, and the first router
	CheckMapping  Check = "mapping"  // nat: how destinations change the mapping
	CheckPublic   Check = "public"   // nat: one public address, or several
	CheckPersist  Check = "persist"  // nat: the mapping outlives an idle time
	CheckWay      Check = "way"      // route: which way prefixes leave
	CheckCounted  Check = "counted"  // route: packets counted on the tunnel's interface
	CheckEgress   Check = "egress"   // route: the mapped address is that of the ordinary way
	CheckTrain    Check = "train"    // media
	CheckCovered  Check = "covered"  // coverage: a probe stands for the rule
)

// A Place is where the policy says something. The zero value is nowhere.
type Place struct {
	File   string `json:"file"`
	Line   int    `json:"line"` // from 1
	Column int    `json:"column,omitzero"`
}

func (p Place) String() string {
	if p == (Place{}) {
		return ""
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// FamilyOf is the word for a's family.
func FamilyOf(a netip.Addr) string {
	if a.Unmap().Is4() {
		return "ipv4"
	}
	return "ipv6"
}

// Target is what the finding is about, for people: host, address, protocol and port,
// as far as it has them.
func (f *Finding) Target() string {
	var parts []string
	if f.Host != "" && f.Host != f.Address.String() {
		parts = append(parts, f.Host)
	}
	if f.Address.IsValid() {
		parts = append(parts, f.Address.String())
	}
	if f.Protocol != "" {
		parts = append(parts, fmt.Sprintf("%s/%d", f.Protocol, f.Port))
	}
	if f.Resolver != "" {
		parts = append(parts, "at "+f.Resolver)
	}
	if len(parts) == 0 {
		return f.Rule
	}
	return strings.Join(parts, " ")
}

// Words is the verdict with who and where: "rejected by 10.0.0.1", "filtered after
// hop 3, 192.0.2.1".
func (f *Finding) Words() string {
	switch {
	case f.Verdict == Filtered && f.Hop == 0 && f.NextHop.IsValid():
		return fmt.Sprintf("filtered at the first hop, %s, or before it", f.NextHop)
	case f.Verdict == Filtered && f.Hop == 0:
		return "filtered at the first hop, or before it"
	case f.Verdict == Rejected && f.NextHop.IsValid() && f.Hop == 0:
		return fmt.Sprintf("rejected in the target's name at the first hop, %s", f.NextHop)
	case f.Verdict == Rejected && f.NextHop.IsValid():
		return fmt.Sprintf("rejected in the target's name between hop %d, %s, and the next, %s", f.Hop, f.HopAddr, f.NextHop)
	case f.Verdict == Intercepted && f.Hop == 0 && f.NextHop.IsValid():
		return fmt.Sprintf("answered in the target's name at the first hop, %s", f.NextHop)
	case f.Verdict == Intercepted && f.NextHop.IsValid():
		return fmt.Sprintf("answered in the target's name between hop %d, %s, and the next, %s", f.Hop, f.HopAddr, f.NextHop)
	case f.Verdict == Silent && f.Hop > 0 && f.HopAddr.IsValid():
		return fmt.Sprintf("silent, last heard at hop %d, %s", f.Hop, f.HopAddr)
	case f.Verdict == Filtered && f.HopAddr.IsValid():
		return fmt.Sprintf("filtered after hop %d, %s", f.Hop, f.HopAddr)
	case f.Verdict == Filtered:
		return fmt.Sprintf("filtered after hop %d", f.Hop)
	case f.Offender.IsValid() && f.Verdict == Rejected:
		return fmt.Sprintf("rejected by %s", f.Offender)
	case f.Offender.IsValid() && (f.Verdict == NoHost || f.Verdict == NoRoute):
		return fmt.Sprintf("%s, says %s", f.Verdict.Words(), f.Offender)
	}
	return f.Verdict.Words()
}

// Key identifies what a finding is about across runs. A name that moves to another
// address stays the same thing, so addresses count only where there is no name.
// Several findings of one report may share a key, one for each address of a family.
func (f *Finding) Key() string {
	who := f.Host
	if who == "" && f.Address.IsValid() {
		who = f.Address.String()
	}
	return strings.Join([]string{string(f.Kind), string(f.Check), f.Probe, f.Rule, who, f.Family, f.Protocol,
		fmt.Sprint(f.Port), f.Resolver, f.Case}, "|")
}

// Note adds a line of evidence.
func (f *Finding) Note(format string, args ...any) {
	f.Evidence = append(f.Evidence, fmt.Sprintf(format, args...))
}
