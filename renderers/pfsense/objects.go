package pfsense

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"sallyport/ipranges"
	"sallyport/rules"
)

// Types of aliases.
const (
	kindURLTable = "urltable"
	kindNetwork  = "network"
	kindHost     = "host"
	kindPort     = "port"
)

// alias is a named set of addresses, host names or ports.
type alias struct {
	label      string        // what it is: "set acs", "names signalling" or "ports media/udp"
	name, kind string        // the name from the label, with our prefix
	descr      string        // the label, after the owner
	set        ipranges.Set  // addresses of both families
	hosts      []string      // names, which pfSense resolves
	ports      []rules.Match // of one protocol
	url        string        // of a URL table
	rule       *rules.Rule   // that needs it first
}

// entries is how many lines the alias has.
func (a *alias) entries() int {
	switch a.kind {
	case kindPort:
		return len(a.ports)
	case kindHost:
		return len(a.hosts)
	}
	n := 0
	for _, f := range rules.BothFamilies.List() {
		n += a.set.NumPrefixes(f)
		if a.set.Only(f).Equal(ipranges.Full(f)) {
			n++
		}
	}
	return n
}

// addresses is the entries as config.xml holds them, with blanks between.
func (a *alias) addresses() string {
	switch a.kind {
	case kindHost:
		return strings.Join(a.hosts, " ")
	case kindPort:
		return portWords(a.ports)
	}
	return strings.TrimSuffix(string(appendPrefixes(nil, a.set, " ")), " ")
}

func portWords(ports []rules.Match) string {
	var list []string
	for _, m := range ports {
		if m.Lo == m.Hi {
			list = append(list, strconv.Itoa(int(m.Lo)))
		} else {
			list = append(list, fmt.Sprintf("%d:%d", m.Lo, m.Hi))
		}
	}
	return strings.Join(list, " ")
}

// filterRule is one rule of pfSense.
type filterRule struct {
	tracker  uint32
	action   string // pass, block or reject
	family   string // inet, inet6 or inet46
	protocol string // empty: any
	icmp     string // names of types; empty: any
	from, to string // aliases; empty: any
	port     string // an alias of ports; empty: any
	log      bool
	descr    string
	origin   *rules.Rule
	families rules.Families
	matches  rules.Matches
}

// objects is all that a plan needs on the firewall.
type objects struct {
	aliases []*alias
	rules   []*filterRule
	denied  map[string]bool // labels of the sets that some rule denies
}

func (r *renderer) objects(p *rules.Plan) (*objects, error) {
	o := &objects{denied: map[string]bool{}}
	for i := range p.Rules {
		if rule := &p.Rules[i]; rule.Verdict == rules.Deny {
			o.denied[setLabel(rule.From)], o.denied[setLabel(rule.To)] = true, true
		}
	}
	for i := range p.Rules {
		rule := &p.Rules[i]
		if err := r.addRule(o, rule, p.Families); err != nil {
			return nil, err
		}
	}
	for _, f := range o.rules {
		if err := checkDescription(f.descr); err != nil {
			return nil, f.origin.Refuse(fmt.Sprintf("its description %q %v", f.descr, err), "give target, rule and service shorter names")
		}
	}
	return o, nil
}

func (r *renderer) addRule(o *objects, rule *rules.Rule, plan rules.Families) error {
	var fams rules.Families
	for _, f := range plan.List() {
		if rule.From.Has(f) && rule.To.Has(f) {
			fams |= rules.Only(f)
		}
	}
	base := filterRule{action: actions[rule.ActionWord()], log: rule.Log, origin: rule}
	var err error
	if base.from, err = r.addressAlias(o, rule, rule.From); err != nil {
		return err
	}
	if rule.To.ByName() {
		base.to, err = r.hostAlias(o, rule)
	} else {
		base.to, err = r.addressAlias(o, rule, rule.To)
	}
	if err != nil {
		return err
	}
	pieces, cause := piecesOf(rule, fams)
	if cause != "" {
		return rule.Refuse(cause, "leave the service out of this target, or widen it to what pfSense knows")
	}
	if len(pieces) == 0 {
		return rule.Refuse("nothing is left that it could match", "give it addresses and services of one family, or leave it out of this target")
	}
	for _, pc := range pieces {
		if pc.deniesInVain(rule) {
			return rule.Refuse("pfSense passes ICMPv6 types 1, 2, 135 and 136 before all rules, so the denial would have no effect on them",
				"deny other ICMPv6 types only, or leave the rule out of this target")
		}
		f := base
		f.family, f.protocol, f.icmp, f.families, f.matches = familyWords[pc.families], pc.protocol, pc.icmp, pc.families, pc.matches
		f.descr = r.owner() + rule.Name + " " + pc.label
		if len(pc.ports) > 0 {
			a := &alias{label: "ports " + pc.label, kind: kindPort, ports: pc.ports, rule: rule}
			if f.port, err = r.add(o, a); err != nil {
				return err
			}
		}
		o.rules = append(o.rules, &f)
	}
	return nil
}

var actions = map[string]string{"allow": "pass", "deny": "block", "reject": "reject"}

var familyWords = map[rules.Families]string{rules.OnlyIPv4: "inet", rules.OnlyIPv6: "inet6", rules.BothFamilies: "inet46"}

func (r *renderer) addressAlias(o *objects, rule *rules.Rule, side rules.Addresses) (string, error) {
	if side.IsAny() {
		return "", nil
	}
	if side.IsEmpty() {
		return "", rule.Refuse(side.Name()+" holds no address", "leave the rule out")
	}
	return r.add(o, &alias{label: setLabel(side), kind: kindNetwork, set: side.Set(), rule: rule})
}

func setLabel(side rules.Addresses) string { return "set " + side.Name() }

// stemOf is the name of the alias with the label, without a prefix; empty for what is
// no label. A set can have the same name as a list of names, so that the latter's alias
// has an ending of its own: pf keeps what a table held before where an alias of names
// takes its place.
func stemOf(label string) string {
	kind, name, _ := strings.Cut(label, " ")
	switch kind {
	case "set":
		return name
	case "names":
		return name + "_names"
	case "ports":
		return strings.Replace(name, "/", "_", 1)
	}
	return ""
}

// add names and describes a by its label and keeps it, unless it is there already.
func (r *renderer) add(o *objects, a *alias) (string, error) {
	a.name, a.descr = shorten(r.opt.Prefix+stemOf(a.label)), r.owner()+a.label
	for _, have := range o.aliases {
		if have.name == a.name {
			if have.descr != a.descr {
				return "", a.rule.Refuse(fmt.Sprintf("two aliases would be called %s", a.name), "rename the set or the service")
			}
			return a.name, nil
		}
	}
	if err := checkName(a.name); err != nil {
		return "", a.rule.Refuse(fmt.Sprintf("the alias name %s %v", a.name, err), "choose another prefix, or rename the set")
	}
	// A rule whose table has not been fetched is left out, and what it denies would pass
	// by a rule behind it: these addresses are part of the configuration.
	if a.kind == kindNetwork && r.fetched() && !o.denied[a.label] {
		a.kind, a.url = kindURLTable, r.tableURL(a.name)
	}
	o.aliases = append(o.aliases, a)
	return a.name, nil
}

// tableURL is where pfSense fetches the addresses of an alias.
func (r *renderer) tableURL(alias string) string {
	return strings.TrimSuffix(r.opt.URL, "/") + "/" + path.Base(r.setPath(alias))
}

const (
	maxName   = 31
	maxPrefix = 16
)

// shorten keeps names within pfSense's limit. What is cut off counts in a hash of
// the whole name, so that a name never depends on what else is in the plan.
func shorten(name string) string {
	if len(name) <= maxName {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return fmt.Sprintf("%s_%x", strings.TrimRight(name[:maxName-9], "_"), sum[:4])
}

// Trackers of our rules: above the times that pfSense uses until 2033, below 2^31.
const firstTracker, trackerRoom = 2_000_000_000, 147_483_647

// ownTracker is where the search for the tracker of a rule with the description begins,
// less firstTracker.
func ownTracker(descr string) uint32 {
	sum := sha256.Sum256([]byte(descr))
	return binary.BigEndian.Uint32(sum[:]) % trackerRoom
}

// track numbers the rules by their descriptions, so that a number stays with its rule.
// Trackers in taken belong to others.
func (o *objects) track(taken map[uint32]bool) {
	used := map[uint32]bool{}
	for _, f := range o.rules {
		n := ownTracker(f.descr)
		for taken[firstTracker+n] || used[firstTracker+n] {
			n = (n + 1) % trackerRoom
		}
		f.tracker = firstTracker + n
		used[f.tracker] = true
	}
}

// tracks reports whether track can have given n to a rule with the description, past
// some others that had the first numbers.
func tracks(descr string, n uint32) bool {
	const others = 1000
	if n < firstTracker || n-firstTracker >= trackerRoom {
		return false
	}
	return (n-firstTracker+trackerRoom-ownTracker(descr))%trackerRoom <= others
}

// named finds an alias.
func (o *objects) named(name string) *alias {
	if i := slices.IndexFunc(o.aliases, func(a *alias) bool { return a.name == name }); i >= 0 {
		return o.aliases[i]
	}
	return nil
}
