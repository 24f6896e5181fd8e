// Package nexthop checks the options that say where routes of a Linux machine lead,
// and writes and reads lists of routes by way of them.
//
// A next hop is a device, and the gateway of each family on it. A device alone is for
// a link with one other end, such as a tunnel. Where one family has a gateway, the
// other needs one too, and has no hop without it.
//
// A list leads to one hop; or it has exceptions, which lead to a second one, the one
// that all other addresses go by. Then it is the shortest of all lists that say the
// same (cover.TwoHop), in which the longest prefix that holds an address decides.
package nexthop

import (
	"fmt"
	"net/netip"

	"sallyport/internal/ifname"
	"sallyport/ipranges"
)

// Hop is where routes of one family lead. The zero value is not valid: use Check.
type Hop struct {
	Gateway netip.Addr // the zero Addr: the device alone
	Device  string     // the link that the routes leave by
}

func (h Hop) String() string {
	if h.Gateway.IsValid() {
		return h.Gateway.String() + " on " + h.Device
	}
	return h.Device
}

// Options are what a target's options say of one way.
type Options struct{ Gateway4, Gateway6, Device string }

func (o Options) gateway(f ipranges.Family) string {
	if f == ipranges.IPv4 {
		return o.Gateway4
	}
	return o.Gateway6
}

// A Mistake is a field whose value is not valid.
type Mistake struct{ Field, Cause, Fix string }

func (m *Mistake) Error() string { return m.Field + ": " + m.Cause }

// Mistakes are all that is wrong, each once; none is a consequence of another.
type Mistakes []*Mistake

func (m *Mistakes) add(field, cause, fix string) {
	for _, have := range *m {
		if have.Field == field {
			return
		}
	}
	*m = append(*m, &Mistake{field, cause, fix})
}

// Way is where the routes of one family lead. The zero value is not valid: make it
// with Parse, or Check its hops.
type Way struct {
	To    Hop // what is listed
	Other Hop // exceptions; the zero Hop: there are none
}

func (w Way) String() string {
	if w.Other == (Hop{}) {
		return w.To.String()
	}
	return fmt.Sprintf("%s, with exceptions by way of %s", w.To, w.Other)
}

// Ways are the ways by family. A family without routes has none.
type Ways map[ipranges.Family]Way

// Parse makes ways of options, which are called gateway4, gateway6 and device, and
// with exceptions of those called other_gateway4 and so on, too.
func Parse(to, other Options, exceptions bool) (Ways, Mistakes) {
	var wrong Mistakes
	if !exceptions && other != (Options{}) {
		wrong.add("exceptions", "the other next hop is that of exceptions, and there are none",
			"say exceptions = true, or leave the other next hop out")
	}
	hops := to.hops("", &wrong)
	var others map[ipranges.Family]Hop
	if exceptions {
		others = other.hops(prefixOther, &wrong)
	}
	ways := Ways{}
	for _, f := range []ipranges.Family{ipranges.IPv4, ipranges.IPv6} {
		h, listed := hops[f]
		o, ok := others[f]
		if listed && ok && o == h {
			wrong.add(prefixOther+"device", fmt.Sprintf("exceptions would go the way of the list, %s", h),
				"name the next hop of all that is not on the list: of a bypass, the VPN's")
		}
		if listed && (ok || !exceptions) {
			ways[f] = Way{h, o}
		}
	}
	if len(wrong) > 0 {
		return nil, wrong
	}
	return ways, nil
}

const prefixOther = "other_"

// hops are the next hops of the families that have one. What is wrong is added to all.
func (o Options) hops(prefix string, all *Mistakes) map[ipranges.Family]Hop {
	found := map[ipranges.Family]Hop{}
	for _, f := range []ipranges.Family{ipranges.IPv4, ipranges.IPv6} {
		h, text := Hop{Device: o.Device}, o.gateway(f)
		switch a, err := netip.ParseAddr(text); {
		case text == "" && o.Gateway4+o.Gateway6 != "":
			continue // a gateway of one family says that the link needs one of the other
		case text == "":
		case err != nil:
			all.add(prefix+gatewayOf(f), fmt.Sprintf("%.60q is no address", text), "write the gateway's address, not its name")
		default:
			h.Gateway = a
		}
		wrong := h.Check(f)
		for _, m := range wrong {
			all.add(prefix+m.Field, m.Cause, m.Fix)
		}
		if len(wrong) == 0 {
			found[f] = h
		}
	}
	return found
}

// Missing says why a family has no way.
func Missing(f ipranges.Family, exceptions bool) string {
	if exceptions {
		return fmt.Sprintf("the options %s and %s%[1]s do not both name a next hop", gatewayOf(f), prefixOther)
	}
	return fmt.Sprintf("the option %s names no next hop", gatewayOf(f))
}

func gatewayOf(f ipranges.Family) string { return fmt.Sprintf("gateway%d", f) }

// Check returns what is wrong with h for routes of family f, or nil.
func (h Hop) Check(f ipranges.Family) Mistakes {
	var all Mistakes
	if h.Device == "" {
		all.add("device", "there is no device", "name the link that the routes leave by, as ip link shows it")
	} else if cause, fix := ifname.Problem(h.Device, false, refused); cause != "" {
		all.add("device", cause, fix)
	}
	g, name := h.Gateway, gatewayOf(f)
	switch {
	case g == netip.Addr{}:
	case ipranges.FamilyOf(g) != f || g.Is4In6():
		all.add(name, fmt.Sprintf("%s is no %s address", g, f), "name a gateway of that family")
	case g.Zone() != "":
		all.add(name, fmt.Sprintf("%s has a zone", g), "write the address alone, and the interface in device")
	case g.IsUnspecified() || g.IsMulticast() || g.IsLoopback():
		all.add(name, fmt.Sprintf("%s is no gateway", g), "name the gateway that ip route shows behind via")
	}
	return all
}

// refused are the bytes of interface names that ip, a routing daemon or a shell would read
// as something else: all but letters, digits and "._+=-".
const refused = "!\"#$%&'()<>?[]^`|~"
