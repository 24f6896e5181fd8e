package iptables

import (
	"fmt"
	"strings"

	"sallyport/renderers"
)

// local is how the rule set is seen on this machine. The load script takes away what the
// files that it loads do not name.
func (r *renderer) local() *renderers.Local {
	l := &renderers.Local{}
	for _, d := range dialects {
		l.State = append(l.State, renderers.Reader{Args: []string{d.program + "-save", "-t", "filter"},
			Keep: func(output string) []string { return r.keepRules(d.program, output) }})
	}
	if r.opt.Sets == ipset {
		l.State = append(l.State, renderers.Reader{Args: []string{"ipset", "save"}, Keep: r.keepSets})
	}
	return l
}

// keepRules picks the rules of our chains, in order, and those that lead to ours.
func (r *renderer) keepRules(program, output string) []string {
	var list []string
	for line := range strings.Lines(output) {
		words := strings.Fields(line)
		switch {
		case len(words) > 1 && words[0][0] == ':' && r.names.ours(words[0][1:]):
			list = append(list, fmt.Sprintf("%s: chain %s", program, words[0][1:]))
		case len(words) > 1 && words[0] == "-A" && r.names.ours(words[1]):
			list = append(list, program+": "+strings.Join(words, " "))
		case len(words) > 1 && words[0] == "-A" && r.leadsHere(words):
			list = append(list, renderers.Leads+program+": "+strings.Join(words, " "))
		}
	}
	return list
}

// leadsHere reports whether a rule jumps to a chain of ours.
func (r *renderer) leadsHere(words []string) bool {
	for i, w := range words[:len(words)-1] {
		if (w == "-j" || w == "-g") && r.names.ours(words[i+1]) {
			return true
		}
	}
	return false
}

// keepSets picks our sets. What follows the family in the line that creates one are sizes of
// its table, which grow and shrink by themselves (ipset 7.17, 2026-12).
func (r *renderer) keepSets(output string) []string {
	var list []string
	for _, line := range renderers.KeepSorted(output, func(line string) bool {
		words := strings.Fields(line)
		return len(words) > 2 && (words[0] == "create" || words[0] == "add") && r.names.ours(words[1])
	}) {
		words := strings.Fields(line)
		if words[0] == "create" {
			line = "create " + words[1] + " " + words[2]
			if len(words) > 4 && words[3] == "family" {
				line += " family " + words[4]
			}
		}
		list = append(list, "ipset: "+line)
	}
	return list
}
