package verifier

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// A Diagnosis says in one sentence what several findings have in common, with the
// evidence for it and the one thing to do first. It claims nothing that the findings do
// not.
type Diagnosis struct {
	Text     string `json:"text"` // a sentence without its full stop
	Evidence string `json:"evidence"`
	Do       string `json:"do"`
}

// maxDiagnoses is how many sentences a reader is given.
const maxDiagnoses = 3

// A Sign names the cause that a finding points to, for the diagnosis.
type Sign string

// The signs.
const (
	SignIntercepted Sign = "tls-intercepted" // TLS ends at a proxy
	SignOtherName   Sign = "other-name"      // the certificate is another host's
	SignPortal      Sign = "portal"          // HTTP leads to a login
	SignNoHello     Sign = "no-hello"        // a connection, and silence after the first long packet
)

// Diagnose returns what the findings of a run say together, at most three sentences,
// the most important first.
func Diagnose(findings []Finding, proxy string) []Diagnosis {
	d := diagnoser{all: findings, proxy: proxy}
	for _, f := range findings {
		if f.Check == CheckReach && f.Outcome != Unprobed {
			d.reach = append(d.reach, f)
		}
	}
	var list []Diagnosis
	for _, one := range []func() (Diagnosis, bool){d.noNetwork, d.noNames, d.portal, d.interception, d.answered, d.udp, d.ipv6, d.tunnel, d.byProxy, d.longPackets, d.lossy} {
		if x, ok := one(); ok && len(list) < maxDiagnoses {
			list = append(list, x)
		}
	}
	return list
}

type diagnoser struct {
	all, reach []Finding
	proxy      string
}

// of returns the findings on reachability that fit.
func (d *diagnoser) of(fits func(f *Finding) bool) []Finding {
	var list []Finding
	for i := range d.reach {
		if fits(&d.reach[i]) {
			list = append(list, d.reach[i])
		}
	}
	return list
}

func (d *diagnoser) signed(s Sign) []Finding {
	var list []Finding
	for _, f := range d.all {
		if f.Sign == s {
			list = append(list, f)
		}
	}
	return list
}

func reached(f *Finding) bool { return f.Verdict == Reachable }
func missed(f *Finding) bool {
	return f.Verdict != Reachable && (f.Outcome == Fail || f.Outcome == Undecided)
}

// hosts names the hosts of findings, a few of them.
func hosts(list []Finding) string {
	var names []string
	for _, f := range list {
		name := f.Host
		if name == "" {
			name = f.Address.String()
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) > 3 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:3], ", "), len(names)-3)
	}
	return strings.Join(names, ", ")
}

// ports counts findings in words.
func ports(list []Finding) string {
	if len(list) == 1 {
		return "one port"
	}
	return fmt.Sprintf("%d ports", len(list))
}

func (d *diagnoser) noNetwork() (Diagnosis, bool) {
	none := d.of(func(f *Finding) bool { return f.Verdict == NoRoute && !f.Offender.IsValid() })
	if len(d.reach) == 0 || len(none) != len(d.reach) {
		return Diagnosis{}, false
	}
	return Diagnosis{"this machine cannot send to any target: it has no route", fmt.Sprintf("%s, no packet could be sent", ports(none)),
		"bring up the network of this machine, and see its routes"}, true
}

func (d *diagnoser) noNames() (Diagnosis, bool) {
	var lost, known []Finding
	for _, f := range d.all {
		switch {
		case f.Check != CheckPrograms:
		case f.Outcome == Fail:
			lost = append(lost, f)
		default:
			known = append(known, f)
		}
	}
	if len(lost) == 0 || len(known) > 0 {
		return Diagnosis{}, false
	}
	return Diagnosis{"names do not resolve for programs of this machine", lost[0].Summary, "repair the name servers that this machine is given"}, true
}

func (d *diagnoser) portal() (Diagnosis, bool) {
	login, other := d.signed(SignPortal), d.signed(SignOtherName)
	if len(login) == 0 || len(other) == 0 {
		return Diagnosis{}, false
	}
	return Diagnosis{"a captive portal answers in the place of others: somebody has to log in first", login[0].Summary + "; " + other[0].Summary,
		"open a page in a browser and log in, then ask again"}, true
}

func (d *diagnoser) interception() (Diagnosis, bool) {
	list := d.signed(SignIntercepted)
	if len(list) == 0 {
		return Diagnosis{}, false
	}
	return Diagnosis{fmt.Sprintf("TLS to %s is intercepted, or ends at an authority that nobody knows: signalling and relays do not stand that", hosts(list)), list[0].Summary,
		"exempt these hosts from TLS inspection"}, true
}

func (d *diagnoser) answered() (Diagnosis, bool) {
	list := d.of(func(f *Finding) bool { return f.Verdict == Intercepted })
	if len(list) == 0 {
		return Diagnosis{}, false
	}
	return Diagnosis{fmt.Sprintf("something on the way answers for %s, which are not reached", hosts(list)), fmt.Sprintf("%s, such as %s", ports(list), list[0].Summary),
		remedy(&list[0])}, true
}

// udp is about media: whether datagrams pass anywhere, and what is left.
func (d *diagnoser) udp() (Diagnosis, bool) {
	udp := d.of(func(f *Finding) bool { return f.Protocol == "udp" && f.Family == "ipv4" })
	family := "ipv4"
	if len(udp) == 0 {
		udp, family = d.of(func(f *Finding) bool { return f.Protocol == "udp" }), "ipv6"
	}
	if len(udp) < 2 || slices.ContainsFunc(udp, func(f Finding) bool { return !missed(&f) }) {
		return Diagnosis{}, false
	}
	where, at := placeOfAll(udp), ""
	if where.IsValid() {
		at = fmt.Sprintf(" at or behind %s", where)
	}
	tcp := d.of(func(f *Finding) bool { return f.Protocol == "tcp" && f.Family == family && f.Kind == STUN })
	works := slices.DeleteFunc(slices.Clone(tcp), func(f Finding) bool { return !reached(&f) })
	x := Diagnosis{Evidence: fmt.Sprintf("UDP: none of %s answers; TCP: %s of %d", ports(udp), ports(works), len(tcp)), Do: remedy(&udp[0])}
	switch {
	case len(works) > 0:
		x.Text = fmt.Sprintf("UDP passes to no relay%s; TCP 443 works: calls will work with lower quality", at)
	case len(tcp) > 0:
		x.Text = fmt.Sprintf("neither UDP nor TCP reaches a relay%s: no call will work", at)
		x.Evidence = fmt.Sprintf("none of %s answers", ports(append(udp, tcp...)))
	default:
		x.Text = fmt.Sprintf("UDP passes to no relay%s", at)
		x.Evidence = fmt.Sprintf("none of %s answers", ports(udp))
	}
	if x.Do == "" {
		x.Do = "let UDP to the relays pass, and its answers"
	}
	return x, true
}

// placeOfAll is the router or host at which all findings locate the fault; zero if they
// name none, or different ones.
func placeOfAll(list []Finding) netip.Addr {
	at := func(f *Finding) netip.Addr {
		switch {
		case f.Offender.IsValid():
			return f.Offender
		case f.HopAddr.IsValid():
			return f.HopAddr
		}
		return f.NextHop
	}
	for i := range list {
		if at(&list[i]) != at(&list[0]) {
			return netip.Addr{}
		}
	}
	return at(&list[0])
}

func (d *diagnoser) ipv6() (Diagnosis, bool) {
	six := d.of(func(f *Finding) bool { return f.Family == "ipv6" })
	four := d.of(func(f *Finding) bool { return f.Family == "ipv4" && reached(f) })
	sent := slices.ContainsFunc(six, func(f Finding) bool { return f.Verdict != NoRoute })
	if len(six) < 2 || len(four) == 0 || !sent || slices.ContainsFunc(six, func(f Finding) bool { return !missed(&f) }) {
		return Diagnosis{}, false
	}
	return Diagnosis{"IPv6 is broken: names resolve, and nothing passes; IPv4 works", fmt.Sprintf("IPv6: none of %s answers; IPv4: %s", ports(six), ports(four)),
		"repair the IPv6 of this network, or stop offering it: programs that try it first are slow"}, true
}

func (d *diagnoser) tunnel() (Diagnosis, bool) {
	for _, f := range d.all {
		if (f.Check == CheckWay || f.Check == CheckCounted) && f.Outcome == Fail && f.Verdict != NoRoute {
			return Diagnosis{"the VPN does not carry what it should, or carries media that should go beside it", f.Summary, f.Remedy}, true
		}
	}
	return Diagnosis{}, false
}

func (d *diagnoser) byProxy() (Diagnosis, bool) {
	tcp := d.of(func(f *Finding) bool { return f.Protocol == "tcp" && missed(f) })
	if d.proxy == "" || len(tcp) == 0 {
		return Diagnosis{}, false
	}
	return Diagnosis{fmt.Sprintf("a proxy is set, %s: programs that use it may reach over TCP what is not reached directly; media do not", d.proxy),
		fmt.Sprintf("not reached directly: %s of TCP", ports(tcp)), "ask by the proxy (curl -x), or let the hosts be reached directly"}, true
}

func (d *diagnoser) longPackets() (Diagnosis, bool) {
	list := d.signed(SignNoHello)
	if len(list) == 0 {
		return Diagnosis{}, false
	}
	return Diagnosis{fmt.Sprintf("connections to %s are accepted, and silent after the first long packet: long packets may vanish on the way (MTU), or a filter looks at server names", hosts(list)),
		list[0].Summary, "lower the MTU of the interface, or of the tunnel, to 1280 for a try, and let ICMP \"packet too big\" pass"}, true
}

func (d *diagnoser) lossy() (Diagnosis, bool) {
	for _, f := range d.all {
		if f.Check == CheckLoss && f.Outcome == Undecided {
			return Diagnosis{"the line loses packets: calls will be bad", f.Summary, f.Remedy}, true
		}
	}
	return Diagnosis{}, false
}
