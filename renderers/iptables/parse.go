package iptables

import (
	"fmt"
	"net/netip"
	"strings"

	"sallyport/ipranges"
)

// The readers take what this package writes, and what iptables-save and ipset save
// print of it. They are strict: what they do not know is an error.

// parseRules reads the table filter of a restore file into the rules of each chain
// that is left in the end, as the text after "-A CHAIN ".
func parseRules(src string) (map[string][]string, error) {
	chains := map[string][]string{}
	began, ended := false, false
	number := 0
	for line := range strings.Lines(src) {
		number++
		line = strings.TrimRight(line, "\r\n")
		fail := func(why string) error { return fmt.Errorf("line %d: %q: %s", number, line, why) }
		switch {
		case line == "" || line[0] == '#':
			continue
		case line == "*filter" && !began:
			began = true
			continue
		case !began || ended:
			return nil, fail("it stands outside the table filter")
		case line == "COMMIT":
			ended = true
			continue
		}
		word, rest, _ := strings.Cut(line, " ")
		chain, rule, _ := strings.Cut(rest, " ")
		switch _, known := chains[chain]; {
		case strings.HasPrefix(word, ":"):
			if rest == "" {
				return nil, fail("no chain is declared like this")
			}
			chains[word[1:]] = nil // a chain that is there is flushed
		case word == "-A" && known:
			chains[chain] = append(chains[chain], rule)
		case word == "-X" && known && rule == "" && len(chains[chain]) == 0:
			delete(chains, chain)
		case word == "-A" || word == "-X":
			return nil, fail("the chain is not declared, or not empty")
		default:
			return nil, fail("unknown command")
		}
	}
	if !ended {
		return nil, fmt.Errorf("line %d: the table filter does not end in COMMIT", number)
	}
	return chains, nil
}

// fields splits a rule at its blanks, except in quotes, which it takes away.
func fields(rule string) ([]string, error) {
	var words []string
	for rule = strings.TrimLeft(rule, " "); rule != ""; rule = strings.TrimLeft(rule, " ") {
		if rule[0] != '"' {
			word, rest, _ := strings.Cut(rule, " ")
			words, rule = append(words, word), rest
			continue
		}
		end := strings.IndexByte(rule[1:], '"')
		if end < 0 {
			return nil, fmt.Errorf("a string does not end")
		}
		words, rule = append(words, rule[1:end+1]), rule[end+2:]
	}
	return words, nil
}

// parsedSet is a hash:net set as read.
type parsedSet struct {
	family ipranges.Family
	build  ipranges.Builder
	size   int
}

// parseSets carries out the commands of an ipset restore file.
func parseSets(src string) (map[string]*parsedSet, error) {
	sets := map[string]*parsedSet{}
	number := 0
	for line := range strings.Lines(src) {
		number++
		words := strings.Fields(line)
		if len(words) == 0 || words[0][0] == '#' {
			continue
		}
		if err := setCommand(sets, words); err != nil {
			return nil, fmt.Errorf("line %d: %q: %w", number, strings.TrimSpace(line), err)
		}
	}
	return sets, nil
}

func setCommand(sets map[string]*parsedSet, words []string) error {
	if len(words) < 2 {
		return fmt.Errorf("unknown command")
	}
	name := words[1]
	s := sets[name]
	if words[0] == "create" {
		family, err := setFamily(words)
		if err != nil {
			return err
		}
		if s != nil && s.family != family {
			return fmt.Errorf("set %s is one of %s", name, s.family)
		}
		if s == nil {
			sets[name] = &parsedSet{family: family}
		}
		return nil
	}
	if s == nil {
		return fmt.Errorf("set %s is not created", name)
	}
	switch {
	case words[0] == "flush" && len(words) == 2:
		*s = parsedSet{family: s.family}
	case words[0] == "destroy" && len(words) == 2:
		delete(sets, name)
	case words[0] == "add" && len(words) == 3:
		return s.add(words[2])
	case words[0] == "swap" && len(words) == 3:
		other := sets[words[2]]
		if other == nil || other.family != s.family {
			return fmt.Errorf("no set %s of the same family", words[2])
		}
		sets[name], sets[words[2]] = other, s
	default:
		return fmt.Errorf("unknown command")
	}
	return nil
}

func setFamily(words []string) (ipranges.Family, error) {
	if len(words) < 5 || words[2] != "hash:net" || words[3] != "family" {
		return 0, fmt.Errorf("unknown type")
	}
	switch words[4] {
	case "inet":
		return ipranges.IPv4, nil
	case "inet6":
		return ipranges.IPv6, nil
	}
	return 0, fmt.Errorf("unknown family %s", words[4])
}

// add takes a prefix, or an address, as ipset save writes single ones. Members of
// a hash:net set do not nest in what we write, and a set holds no more than its
// limit.
func (s *parsedSet) add(member string) error {
	if s.size++; s.size > maxElements {
		return fmt.Errorf("the set is full")
	}
	p, err := parsePrefix(member, s.family)
	if err != nil {
		return err
	}
	return s.build.AddPrefix(p)
}

func parsePrefix(s string, f ipranges.Family) (netip.Prefix, error) {
	if !strings.Contains(s, "/") {
		s += map[ipranges.Family]string{ipranges.IPv4: "/32", ipranges.IPv6: "/128"}[f]
	}
	p, err := ipranges.ParsePrefix(s)
	if err == nil && ipranges.FamilyOf(p.Addr()) != f {
		err = fmt.Errorf("%s is no %s prefix", s, f)
	}
	return p, err
}
