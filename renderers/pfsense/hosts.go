package pfsense

import (
	"errors"
	"fmt"

	"sallyport/renderers"
	"sallyport/rules"
)

// hostAlias is the alias of the names that a rule goes to. pfSense resolves them anew
// every few minutes, A and AAAA, and pf matches what it has found.
func (r *renderer) hostAlias(o *objects, rule *rules.Rule) (string, error) {
	if rule.Verdict == rules.Deny {
		return "", rule.Refuse("pfSense would let pass what it has not resolved, or resolved otherwise than the client, so a rule that denies names denies less than it says",
			"deny names in a proxy or DNS filter, as with the target hostlist, or deny addresses")
	}
	for _, host := range rule.To.Patterns() {
		// Without a dot it could be the name of an alias (util.inc, is_hostname).
		if !renderers.IsHost(host) {
			return "", rule.Refuse(fmt.Sprintf("pfSense cannot resolve %.80q", host), "correct the name, or leave the rule out of this target")
		}
	}
	return r.add(o, &alias{label: "names " + rule.To.Name(), kind: kindHost, hosts: rule.To.Patterns(), rule: rule})
}

// checkHosts holds the entries of an alias of names to being that.
func checkHosts(list []string) error {
	for _, host := range list {
		if !renderers.IsHost(host) {
			return fmt.Errorf("%.80q is no host name", host)
		}
	}
	if len(list) == 0 {
		return errors.New("it holds no name")
	}
	return nil
}
