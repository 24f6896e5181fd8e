// Package iptables renders plans for iptables and ip6tables, with or without ipset.
//
// A file per family holds our chains for the table filter, loaded with
// iptables-restore --noflush: one transaction that leaves every other chain as it
// is. The admin's chain jumps to our first one. Addresses are hash:net sets
// that a third file fills and swaps in, or, without ipset, a shallow trie of chains.
// A script loads the files, and afterwards deletes what nothing names any more;
// another removes everything. They take turns, and a load repairs what a killed one left,
// so that any sequence of them ends in one whole version. Rules are written as iptables-save
// writes them, so that the reader of our own output reads the running rules too.
//
// Sets cannot change in one transaction with each other, nor with the rules: filled
// under the rules in force, new sets would meet old rules, or the old of other sets.
// So the script gives a family the new rules over copies of the new sets first, in one
// transaction, then fills the sets themselves, which nothing names meanwhile, and
// puts the rules back on them: every packet meets all of the old version or all of
// the new one. Names that carry a hash of the content would do this in one step, but
// a changed prefix would then change each rule that names its set.
//
// Quirks, iptables 1.8.9 and ipset 7.17 (Debian 12), both back-ends, Linux 6.18,
// tried 2026-11:
//   - with --noflush, declaring one of our chains (":NAME - [0:0]") makes it or
//     flushes it; a chain that is to go is declared and then deleted with -X. The
//     whole file is refused where something still refers to that chain.
//   - -p 0 is every protocol, and --icmp-type 255 every ICMP type: both are refused
//     here. --icmpv6-type 255 is what it says.
//   - ip6tables -p ah never matches in the legacy back-end, with a warning only: -m
//     ah does in both.
//   - there are no ranges of ICMP types or codes: each has its line.
//   - hash:net,port stores every port of a range: ports are matched by the rule.
//   - hash:net takes no /0: the whole space is two halves.
//   - ipset create -exist fails where maxelem differs: it is fixed.
//   - nf_tables refuses more than 16 chains in a row, at load, not with --test.
package iptables

import (
	"fmt"
	"strings"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// Options are the target's options in a policy.
type Options struct {
	Placement   string   `policy:"placement" doc:"fragment: chains that your chain jumps to; standalone: the load script puts the jump first"`
	Sets        string   `policy:"sets" doc:"ipset: addresses in ipset sets; chains: without ipset, in a trie of chains"`
	Hook        string   `policy:"hook,required" doc:"forward on a gateway, output on a host"`
	Ingress     []string `policy:"ingress" doc:"forward: the interfaces that traffic comes from; a trailing * matches several"`
	Egress      []string `policy:"egress" doc:"the interfaces that traffic leaves by; absent: any"`
	Established bool     `policy:"established" doc:"fragment: accept established and related here too, for a chain that does not do so before the jump"`
}

// Values of the options.
const (
	fragment   = "fragment"
	standalone = "standalone"

	ipset = "ipset"
	trie  = "chains"
)

var info = renderers.Info{
	Name:    "iptables",
	Title:   "iptables",
	Summary: "Linux iptables and ip6tables: chains that yours jump to, with ipset sets or a trie of chains",
	Caps: rules.Caps{
		Families: rules.BothFamilies,
		Verdicts: []rules.Verdict{rules.Allow, rules.Deny},
		Defaults: []rules.Verdict{rules.Continue, rules.Deny},
		Sources:  true, Ports: true, ICMP: true, Protocols: true, Reject: true, Log: true,
		Unmatched: map[ipranges.Family]map[rules.Protocol]string{ipranges.IPv6: rules.ExtensionHeaders()},
	},
	Load:       renderers.PerFamily,
	Placements: []string{fragment, standalone},
	Limits: []renderers.Limit{
		{Name: "name of a chain", Value: "28 characters; longer ones are cut and end in a hash", Source: "Linux, XT_EXTENSION_MAXNAMELEN 29 with the final zero"},
		{Name: "name of a set", Value: "31 characters; longer ones are cut and hold a hash", Source: "Linux, IPSET_MAXNAMELEN 32 with the final zero"},
		{Name: "prefixes of a set", Value: "1,048,576 with sets = \"ipset\"", Source: "the maxelem that every set is made with"},
		{Name: "one load of iptables-nft, in a container without rights of its host's network", Value: "212,992 bytes: some 400 prefixes with sets = \"chains\"; no limit with \"ipset\"", Source: "Linux, net.core.wmem_default; measured, iptables 1.8.9", Option: "sets"},
		{Name: "chains in a row", Value: "16; ours take 14 at most", Source: "Linux, NFT_JUMP_STACK_SIZE; iptables-nft"},
	},
	Extension: ".rules",
	Local:     true,
}

// Kind is the target as policies name it.
func Kind() renderers.Kind {
	return renderers.Define(info, Options{Placement: fragment, Sets: ipset}, build)
}

type renderer struct {
	opt   Options
	env   renderers.Env
	names names
	paths paths
}

func build(opt Options, env renderers.Env) (*renderers.Target, error) {
	r := &renderer{opt: opt, env: env, names: namesOf(env.Name), paths: pathsOf(env.Path)}
	var all renderers.Mistakes
	for _, check := range []func() error{r.checkWords, r.checkHook} {
		all.Add(check())
	}
	return &renderers.Target{Renderer: r, Caps: r.caps(), Local: r.local()}, all.Err()
}

func (r *renderer) checkWords() error {
	var all renderers.Mistakes
	if r.opt.Placement != fragment && r.opt.Placement != standalone {
		all.Option("placement", "fragment or standalone",
			"no placement %q", r.opt.Placement)
	}
	if r.opt.Sets != ipset && r.opt.Sets != trie {
		all.Option("sets", "ipset, or chains where there is no ipset",
			"no kind of sets %q", r.opt.Sets)
	}
	return all.Err()
}

// checkHook refuses in interface names what iptables or a shell reads as something
// else, a plus sign above all, which is iptables' wildcard.
func (r *renderer) checkHook() error {
	return renderers.CheckNetfilter(r.opt.Hook, r.opt.Ingress, r.opt.Egress, "'+`$#")
}

// caps is what the options leave of the kind's capabilities.
func (r *renderer) caps() rules.Caps {
	caps := info.Caps
	if r.opt.Sets == ipset {
		caps.MaxElements = maxElements
	}
	if r.opt.Placement == fragment {
		return renderers.Fragment(caps)
	}
	return caps
}

// hook is the chain of the table filter that jumps to ours.
func (r *renderer) hook() string { return strings.ToUpper(r.opt.Hook) }

// mark is the jump that a standalone load puts in, with a comment by which it is known as
// ours: one of the admin's has none.
func (r *renderer) mark() string {
	return fmt.Sprintf("-m comment --comment %s -j %[1]s", r.names.main)
}

// jump is the command for the admin's jump: it makes sure that the chain of the hook
// jumps to ours, once.
func (r *renderer) jump(program string) string {
	return fmt.Sprintf("%s -w -C %s -j %s 2>/dev/null || %[1]s -w -I %[2]s -j %[3]s", program, r.hook(), r.names.main)
}
