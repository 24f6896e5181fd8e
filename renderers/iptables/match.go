package iptables

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"sallyport/ipranges"
	"sallyport/rules"
)

// match is one rule as read: what it matches, and where it sends that.
type match struct {
	from, to ipranges.Set
	points   rules.Matches
	all      bool
	limited  bool
	name     string // the policy's, from the comment

	chain   string
	goTo    bool
	log     bool
	verdict rules.Verdict
	reject  bool
}

func (rd *reader) match(line string) (*match, error) {
	words, err := fields(line)
	if err != nil {
		return nil, err
	}
	all := ipranges.Full(rd.fam.family)
	m := &match{from: all, to: all, all: true}
	done := false
	for len(words) > 0 {
		if done {
			return nil, errors.New("something stands behind the target")
		}
		var n int
		if words[0] == "-j" || words[0] == "-g" {
			n, err = rd.target(m, words)
			done = true
		} else {
			n, err = rd.term(m, words)
		}
		if err != nil {
			return nil, err
		}
		if n > len(words) {
			return nil, fmt.Errorf("%s lacks its value", words[0])
		}
		words = words[n:]
	}
	if !done {
		return nil, errors.New("a rule without a target")
	}
	if m.limited != m.log {
		return nil, errors.New("a limit belongs to logging, and to nothing else")
	}
	return m, nil
}

// term reads one match and returns how many words it took.
func (rd *reader) term(m *match, w []string) (int, error) {
	at := func(i int) string {
		if i < len(w) {
			return w[i]
		}
		return ""
	}
	switch {
	case w[0] == "-s" || w[0] == "-d":
		return 2, rd.address(m, w[0], at(1))
	case w[0] == "-p":
		return rd.protocol(m, w, at)
	case w[0] == "-m" && at(1) == "ah" && rd.fam.family == ipranges.IPv6:
		return 2, m.narrow(rules.Matches{rules.All(rules.AH)})
	case w[0] == "-m" && at(1) == "set" && at(2) == "--match-set":
		return 5, rd.member(m, at(3), at(4))
	case w[0] == "-m" && at(1) == "comment" && at(2) == "--comment":
		m.name = at(3)
		return 4, nil
	case w[0] == "-m" && at(1) == "limit" && at(2) == "--limit" && at(4) == "--limit-burst":
		m.limited = true
		return 6, nil
	}
	return 0, fmt.Errorf("unknown match %s %s", w[0], at(1))
}

func (rd *reader) address(m *match, side, text string) error {
	p, err := parsePrefix(text, rd.fam.family)
	if err != nil {
		return err
	}
	s, err := ipranges.FromPrefixes(p)
	if err != nil {
		return err
	}
	m.side(side == "-s", s)
	return nil
}

func (m *match) side(from bool, s ipranges.Set) {
	if from {
		m.from = m.from.Intersect(s)
	} else {
		m.to = m.to.Intersect(s)
	}
}

func (rd *reader) member(m *match, name, side string) error {
	s := rd.sets[name]
	switch {
	case s == nil || s.family != rd.fam.family:
		return fmt.Errorf("no %s set %s", rd.fam.family, name)
	case side != "src" && side != "dst":
		return fmt.Errorf("unknown side %q", side)
	}
	m.side(side == "src", s.build.Set())
	return nil
}

func (m *match) narrow(list rules.Matches) error {
	if !m.all {
		return errors.New("two matches on a protocol")
	}
	m.all, m.points = false, list
	return nil
}

// protocol reads "-p P" with the match on ports or types that may follow.
func (rd *reader) protocol(m *match, w []string, at func(int) string) (int, error) {
	p, ok := rules.ProtocolNamed(strings.Replace(at(1), "ipv6-icmp", "icmpv6", 1))
	switch {
	case !ok || p == 0:
		return 0, fmt.Errorf("unknown protocol %q", at(1))
	case p == rules.AH && rd.fam.family == ipranges.IPv6:
		return 0, errors.New("ip6tables never matches this")
	case p.IsICMP() && p != rd.fam.icmp:
		return 0, errors.New("the other family's ICMP")
	case at(2) != "-m":
		return 2, m.narrow(rules.Matches{rules.All(p)})
	}
	var list []rules.Match
	var err error
	switch option := at(4); {
	case p.HasPorts() && (at(3) == p.String() && option == "--dport" || at(3) == "multiport" && option == "--dports"):
		list, err = ports(p, at(5))
	case p == rules.ICMP && at(3) == "icmp" && option == "--icmp-type", p == rules.ICMPv6 && at(3) == "icmp6" && option == "--icmpv6-type":
		list, err = icmpType(p, at(5))
	default: // a match of something else follows
		return 2, m.narrow(rules.Matches{rules.All(p)})
	}
	if err != nil {
		return 0, err
	}
	return 6, m.narrow(rules.NewMatches(list...))
}

// ports reads "53,500:510".
func ports(p rules.Protocol, text string) ([]rules.Match, error) {
	var list []rules.Match
	for _, part := range strings.Split(text, ",") {
		first, last, isRange := strings.Cut(part, ":")
		if !isRange {
			last = first
		}
		lo, err1 := strconv.ParseUint(first, 10, 16)
		hi, err2 := strconv.ParseUint(last, 10, 16)
		if err1 != nil || err2 != nil || lo > hi {
			return nil, fmt.Errorf("%q is no port and no range", part)
		}
		list = append(list, rules.Ports(p, uint16(lo), uint16(hi)))
	}
	return list, nil
}

// icmpType reads "8" or "3/4". ICMP type 255 is every type, which we never write.
func icmpType(p rules.Protocol, text string) ([]rules.Match, error) {
	word, code, exact := strings.Cut(text, "/")
	t, err := strconv.ParseUint(word, 10, 8)
	if err != nil || t == 255 && p == rules.ICMP {
		return nil, fmt.Errorf("%q is no ICMP type", text)
	}
	if !exact {
		return []rules.Match{rules.ICMPType(p, uint8(t))}, nil
	}
	c, err := strconv.ParseUint(code, 10, 8)
	if err != nil {
		return nil, fmt.Errorf("%q is no ICMP type and code", text)
	}
	return []rules.Match{rules.ICMPCode(p, uint8(t), uint8(c))}, nil
}

func (rd *reader) target(m *match, w []string) (int, error) {
	if len(w) < 2 {
		return 0, errors.New("a target is missing")
	}
	m.goTo = w[0] == "-g"
	switch {
	case m.goTo || rd.r.names.ours(w[1]):
		m.chain = w[1]
		return 2, nil
	case w[1] == "ACCEPT":
		m.verdict = rules.Allow
		return 2, nil
	case w[1] == "DROP":
		m.verdict = rules.Deny
		return 2, nil
	case w[1] == "REJECT" && len(w) >= 4 && w[2] == "--reject-with" && w[3] == rd.fam.reject:
		m.verdict, m.reject = rules.Deny, true
		return 4, nil
	case w[1] == "LOG" && len(w) >= 4 && w[2] == "--log-prefix":
		m.log = true
		return 4, nil
	}
	return 0, fmt.Errorf("unknown target %q", w[1])
}
