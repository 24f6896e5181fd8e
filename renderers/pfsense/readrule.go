package pfsense

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"sallyport/rules"
)

// rule reads one of our rules from its element.
func (rd *reader) rule(n *node) (rules.Rule, error) {
	label, ours := strings.CutPrefix(n.value("descr"), rd.r.owner())
	name, _, _ := strings.Cut(label, " ")
	out := rules.Rule{Name: name, Verdict: rules.Deny, Log: n.has("log"), From: rules.Any(), To: rules.Any()}
	tracker := n.value("tracker")
	_, err := strconv.ParseUint(tracker, 10, 32)
	switch {
	case !ours:
		return out, errors.New("its description is not ours")
	case err != nil || rd.trackers[tracker]:
		return out, fmt.Errorf("tracker %q is no number, or there twice", tracker)
	case n.value("interface") != rd.r.opt.Interface:
		return out, errors.New("it is on another interface")
	case !n.has("statetype") || !treatmentOf(n).equal(rd.r.treatment(n.value("type"))):
		return out, fmt.Errorf("it has %s, and the options say %s", treatmentOf(n), rd.r.treatment(n.value("type")))
	}
	rd.trackers[tracker] = true
	switch n.value("type") {
	case "pass":
		out.Verdict = rules.Allow
	case "reject":
		out.Reject = true
	case "block":
	default:
		return out, fmt.Errorf("unknown type %q", n.value("type"))
	}
	fams := rules.BothFamilies
	switch n.value("ipprotocol") {
	case "inet":
		fams = rules.OnlyIPv4
	case "inet6":
		fams = rules.OnlyIPv6
	case "inet46":
	default:
		return out, fmt.Errorf("unknown family %q", n.value("ipprotocol"))
	}
	if out.From, err = rd.side(n.child("source"), fams); err != nil {
		return out, err
	}
	if out.To, err = rd.destination(n.child("destination"), fams); err != nil {
		return out, err
	}
	for _, side := range []string{"source", "destination"} {
		if name := n.child(side).value("address"); out.Verdict == rules.Deny && rd.tables[name] {
			return out, fmt.Errorf("it denies what is in %s, which pfSense has to fetch first", name)
		}
	}
	service, err := rd.service(n, fams)
	out.Services = []rules.Service{service}
	return out, err
}

func (rd *reader) side(n *node, fams rules.Families) (rules.Addresses, error) {
	name := n.value("address")
	switch {
	case n == nil || n.has("any") == (name != ""):
		return rules.Any(), errors.New("a side is neither any nor an alias")
	case name == "" && fams == rules.BothFamilies:
		return rules.Any(), nil
	}
	set := everywhere().set
	if name != "" {
		var ok bool
		if set, ok = rd.sets[name]; !ok {
			return rules.Any(), fmt.Errorf("no alias %s of addresses", name)
		}
		rd.used[name] = true
	}
	if fams != rules.BothFamilies {
		set = set.Only(fams.List()[0])
	}
	return rules.In(fmt.Sprintf("%s_%d", name, fams), set), nil
}

func (rd *reader) service(n *node, fams rules.Families) (rules.Service, error) {
	word, port := n.value("protocol"), n.child("destination").value("port")
	if (n.has("icmptype") && word != "icmp") || (port != "" && word != "tcp" && word != "udp") || n.has("protocol") == (word == "") {
		return rules.Service{}, fmt.Errorf("protocol %q does not go with its ports or types", word)
	}
	switch {
	case word == "":
		return rules.AnyService(), nil
	case word == "icmp":
		return readICMP(n, fams)
	}
	for proto, w := range protocolWords {
		if w != word {
			continue
		}
		if port == "" {
			if n.child("destination").has("port") {
				return rules.Service{}, errors.New("an empty port")
			}
			return rules.NewService(word, rules.All(proto)), nil
		}
		ports, ok := rd.ports[port]
		if !ok {
			return rules.Service{}, fmt.Errorf("no alias %s of ports", port)
		}
		rd.used[port] = true
		var list []rules.Match
		for _, m := range ports {
			list = append(list, rules.Ports(proto, m.Lo, m.Hi))
		}
		return rules.NewService(port, list...), nil
	}
	return rules.Service{}, fmt.Errorf("unknown protocol %q", word)
}

func readICMP(n *node, fams rules.Families) (rules.Service, error) {
	proto, names := rules.ICMP, icmpWords
	switch fams {
	case rules.OnlyIPv6:
		proto, names = rules.ICMPv6, icmp6Words
	case rules.BothFamilies:
		return rules.Service{}, errors.New("ICMP for both families at once")
	}
	if !n.has("icmptype") {
		return rules.NewService("icmp", rules.All(proto)), nil
	}
	var list []rules.Match
	for _, w := range strings.Split(n.value("icmptype"), ",") {
		found := false
		for t, name := range names {
			if name == w {
				list, found = append(list, rules.ICMPType(proto, t)), true
			}
		}
		if !found {
			return rules.Service{}, fmt.Errorf("unknown ICMP type %q", w)
		}
	}
	return rules.NewService("icmp", list...), nil
}
