package renderers

import (
	"fmt"

	"sallyport/internal/ifname"
	"sallyport/rules"
)

// CheckNetfilter checks the options that Linux's packet filters share: the hook, and
// the interfaces that traffic comes from and leaves by. refused are the characters
// that the target's language gives a meaning of its own in an interface's name.
func CheckNetfilter(hook string, ingress, egress []string, refused string) error {
	var all Mistakes
	all.Add(checkHook(hook, ingress))
	for _, o := range []struct {
		option string
		names  []string
	}{{"ingress", ingress}, {"egress", egress}} {
		for i, name := range o.names {
			if cause, fix := ifname.Problem(name, true, refused); cause != "" {
				all.Option(fmt.Sprintf("%s.%d", o.option, i), fix,
					"%s", cause)
			}
		}
	}
	return all.Err()
}

// Fragment is what caps are for rules that an admin's own follow.
func Fragment(caps rules.Caps) rules.Caps {
	caps.Defaults = []rules.Verdict{rules.Continue}
	caps.NoDeny = "a fragment stands before your own rules, and a deny at its end would cut what those allow"
	return caps
}

func checkHook(hook string, ingress []string) error {
	switch hook {
	case "forward":
		if len(ingress) == 0 {
			return &OptionError{Option: "hook", Cause: "forward needs the interfaces that the traffic comes from",
				Fix: `add ingress = ["lan0"] with your inside interfaces`}
		}
	case "output":
		if len(ingress) > 0 {
			return &OptionError{Option: "ingress", Cause: "packets of the output hook come from no interface",
				Fix: "remove ingress, or use hook = \"forward\" on a gateway"}
		}
	case "input":
		return &OptionError{Option: "hook", Cause: "rules describe connections to the cloud, and input sees those from it; replies pass by connection state",
			Fix: `use hook = "output" on a host, "forward" on a gateway`}
	default:
		return &OptionError{Option: "hook", Cause: fmt.Sprintf("no hook %q", hook), Fix: "forward or output"}
	}
	return nil
}
