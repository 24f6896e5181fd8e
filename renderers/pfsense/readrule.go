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
	to := n.Child("destination")
	f := &filterRule{action: n.Value("type"), family: n.Value("ipprotocol"), protocol: n.Value("protocol"), icmp: n.Value("icmptype"),
		from: n.Child("source").Value("address"), to: to.Value("address"), port: to.Value("port"), log: n.Has("log"), descr: n.Value("descr")}
	label, ours := strings.CutPrefix(f.descr, rd.r.owner())
	name, _, _ := strings.Cut(label, " ")
	out := rules.Rule{Name: name, Verdict: rules.Deny, Log: f.log, Reject: f.action == "reject"}
	if f.action == "pass" {
		out.Verdict = rules.Allow
	}
	tracker, err := strconv.ParseUint(n.Value("tracker"), 10, 32)
	f.tracker = uint32(tracker)
	for fams, word := range familyWords {
		if word == f.family {
			f.families = fams
		}
	}
	switch {
	case !ours:
		return out, errors.New("its description is not ours")
	case err != nil || rd.trackers[f.tracker]:
		return out, fmt.Errorf("tracker %q is no number, or there twice", n.Value("tracker"))
	case f.action != "pass" && f.action != "block" && f.action != "reject":
		return out, fmt.Errorf("unknown type %q", f.action)
	case f.families == 0:
		return out, fmt.Errorf("unknown family %q", f.family)
	}
	rd.trackers[f.tracker] = true
	if err := rd.written(n, func(e *elements) { e.rule(rd.r, f) }); err != nil {
		return out, err
	}
	for _, side := range []string{f.from, f.to} {
		if a := rd.aliases[side]; out.Verdict == rules.Deny && a != nil && a.kind == kindURLTable {
			return out, fmt.Errorf("it denies what is in %s, which pfSense has to fetch first", side)
		}
	}
	if out.From, err = rd.side(f.from, f.families); err != nil {
		return out, err
	}
	if a := rd.aliases[f.to]; a != nil && a.kind == kindHost {
		rd.used[f.to] = true
		out.To = rules.Named(f.to, a.hosts)
	} else if out.To, err = rd.side(f.to, f.families); err != nil {
		return out, err
	}
	service, err := rd.service(f)
	out.Services = []rules.Service{service}
	return out, err
}

func (rd *reader) side(name string, fams rules.Families) (rules.Addresses, error) {
	set := everywhere().set
	switch a := rd.aliases[name]; {
	case name == "" && fams == rules.BothFamilies:
		return rules.Any(), nil
	case name == "":
	case a == nil || a.kind == kindPort || a.kind == kindHost:
		return rules.Any(), fmt.Errorf("no alias %s of addresses", name)
	default:
		set, rd.used[name] = a.set, true
	}
	if fams != rules.BothFamilies {
		set = set.Only(fams.List()[0])
	}
	return rules.In(fmt.Sprintf("%s_%d", name, fams), set), nil
}

func (rd *reader) service(f *filterRule) (rules.Service, error) {
	if f.icmp != "" && f.protocol != "icmp" || f.port != "" && f.protocol != "tcp" && f.protocol != "udp" {
		return rules.Service{}, fmt.Errorf("protocol %q does not go with its ports or types", f.protocol)
	}
	switch f.protocol {
	case "":
		return rules.AnyService(), nil
	case "icmp":
		return readICMP(f)
	}
	for proto, w := range protocolWords {
		if w != f.protocol {
			continue
		}
		if f.port == "" {
			return rules.NewService(w, rules.All(proto)), nil
		}
		a := rd.aliases[f.port]
		if a == nil || a.kind != kindPort {
			return rules.Service{}, fmt.Errorf("no alias %s of ports", f.port)
		}
		rd.used[f.port] = true
		var list []rules.Match
		for _, m := range a.ports {
			list = append(list, rules.Ports(proto, m.Lo, m.Hi))
		}
		return rules.NewService(f.port, list...), nil
	}
	return rules.Service{}, fmt.Errorf("unknown protocol %q", f.protocol)
}

func readICMP(f *filterRule) (rules.Service, error) {
	proto, names := rules.ICMP, icmpWords
	switch f.families {
	case rules.OnlyIPv6:
		proto, names = rules.ICMPv6, icmp6Words
	case rules.BothFamilies:
		return rules.Service{}, errors.New("ICMP for both families at once")
	}
	if f.icmp == "" {
		return rules.NewService("icmp", rules.All(proto)), nil
	}
	var list []rules.Match
	for _, w := range strings.Split(f.icmp, ",") {
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
