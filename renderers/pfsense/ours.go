package pfsense

import (
	"strconv"
	"strings"

	"sallyport/renderers"
)

// ours tells what an earlier merge made from what only has a description like it, such
// as a copy that somebody made of one of our rules. A merge deletes the first, and must
// not touch the second.
type ours struct {
	owner, prefix string
	trackers      map[string]bool // of the rules that are ours
	names         map[string]bool // that these rules use
}

// rule refuses a rule that no merge has made: one whose tracker does not come from its
// description. pfSense numbers its own rules, and copies too, by the clock.
func (o *ours) rule(n *node) error {
	descr, tracker := n.Value("descr"), n.Value("tracker")
	number, err := strconv.ParseUint(tracker, 10, 32)
	if err != nil || !tracks(descr, uint32(number)) || o.trackers[tracker] {
		return renderers.Wrong("config", "give it a description of your own if it is to stay, or delete it, and download the configuration anew",
			"the rule of %s with the tracker %q is described as %q, and is not the one that was merged: a merge would delete it",
			renderers.Clean(tabOf(n)), renderers.Clean(tracker), renderers.Clean(descr))
	}
	o.trackers[tracker] = true
	for _, name := range []string{n.Child("source").Value("address"), n.Child("destination").Value("address"), n.Child("destination").Value("port")} {
		o.names[name] = true
	}
	return nil
}

// alias refuses an alias that no merge has made: one that is not called what its
// description says, with the prefix of the options, or with another one if our rules
// use it.
func (o *ours) alias(n *node) error {
	name := n.Value("name")
	stem := stemOf(strings.TrimPrefix(n.Value("descr"), o.owner))
	if stem != "" && name == shorten(o.prefix+stem) {
		return nil
	}
	for i := range min(len(name), maxPrefix) + 1 {
		if stem != "" && o.names[name] && name == shorten(name[:i]+stem) {
			return nil
		}
	}
	return renderers.Wrong("config", "give it a description of your own if it is to stay, or delete it, and download the configuration anew",
		"the alias %s is described as %q, and is not the one that was merged: a merge would delete it",
		renderers.Clean(name), renderers.Clean(n.Value("descr")))
}
