// Package nexthop is the options that say where routes of a Linux machine lead, and what
// follows from them for a target.
//
// A next hop is a device, and the gateway of each family on it. A device alone is for
// a link with one other end, such as a tunnel. Where one family has a gateway, the
// other needs one too, and has no hop without it.
//
// A list leads to one hop; or it has exceptions, which lead to a second one, the one
// that all other addresses go by (routes.Rows).
package nexthop

import (
	"fmt"
	"net/netip"
	"slices"

	"sallyport/internal/ifname"
	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/renderers/routes"
	"sallyport/rules"
)

// ToOptions are the options for the next hop of what is listed. A target's options embed
// them.
type ToOptions struct {
	Gateway4 string `policy:"gateway4" doc:"the next hop of IPv4 routes; bypass: your uplink's router, as ip route shows it behind default via"`
	Gateway6 string `policy:"gateway6" doc:"the next hop of IPv6 routes"`
	Device   string `policy:"device,required" doc:"the link that the routes leave by; alone, without gateways, for a link with one other end: a tunnel, PPP"`
}

// OtherOptions are the options for exceptions and their next hop. A target's options embed
// them.
type OtherOptions struct {
	Exceptions    bool   `policy:"exceptions" doc:"write the shortest list: large blocks, with exceptions by way of the other next hop"`
	OtherGateway4 string `policy:"other_gateway4" doc:"exceptions: the next hop of IPv4 that is not listed; bypass: the VPN's"`
	OtherGateway6 string `policy:"other_gateway6" doc:"exceptions: the next hop of IPv6 that is not listed"`
	OtherDevice   string `policy:"other_device" doc:"exceptions: the link that goes by; alone, without gateways, for a link with one other end"`
}

// Hop is where routes of one family lead. The zero value is no hop.
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

// Way is where the routes of one family lead.
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

// Words are what stands around the prefix of a route by way of h, in a target's language.
type Words func(h Hop) (before, after string)

func (words Words) row(h Hop) routes.Row {
	before, after := words(h)
	return routes.Row{Before: before, After: after}
}

// Rows are the lines of a list that goes this way.
func (w Way) Rows(words Words) routes.Rows {
	rows := routes.Rows{Row: words.row(w.To)}
	if w.Other != (Hop{}) {
		other := words.row(w.Other)
		rows.Other = &other
	}
	return rows
}

// Ways are the ways by family. A family without next hops has none.
type Ways struct {
	By         map[ipranges.Family]Way
	exceptions bool
}

// Parse makes ways of options. The error is renderers.Mistakes, of which none is a
// consequence of another.
func Parse(to ToOptions, other OtherOptions) (Ways, error) {
	var wrong renderers.Mistakes
	o := ToOptions{other.OtherGateway4, other.OtherGateway6, other.OtherDevice}
	if !other.Exceptions && o != (ToOptions{}) {
		wrong.Option("exceptions", "say exceptions = true, or leave the other next hop out",
			"the other next hop is that of exceptions, and there are none")
	}
	hops := to.hops("", &wrong)
	var others map[ipranges.Family]Hop
	if other.Exceptions {
		others = o.hops(prefixOther, &wrong)
	}
	ways := Ways{map[ipranges.Family]Way{}, other.Exceptions}
	for _, f := range rules.BothFamilies.List() {
		h, listed := hops[f]
		o, ok := others[f]
		if listed && ok && o == h && !wrong.Has(prefixOther+"device") {
			wrong.Option(prefixOther+"device", "name the next hop of all that is not on the list: of a bypass, the VPN's",
				"exceptions would go the way of the list, %s", h)
		}
		if listed && (ok || !other.Exceptions) {
			ways.By[f] = Way{h, o}
		}
	}
	return ways, wrong.Err()
}

const prefixOther = "other_"

// hops are the next hops of the families that have one. What is wrong is added to all,
// once for each option.
func (o ToOptions) hops(prefix string, all *renderers.Mistakes) map[ipranges.Family]Hop {
	found := map[ipranges.Family]Hop{}
	for _, f := range rules.BothFamilies.List() {
		h, text := Hop{Device: o.Device}, map[ipranges.Family]string{ipranges.IPv4: o.Gateway4, ipranges.IPv6: o.Gateway6}[f]
		good := true
		wrong := func(option, cause, fix string) {
			if good = false; !all.Has(prefix + option) {
				all.Option(prefix+option, fix,
					"%s", cause)
			}
		}
		switch a, err := netip.ParseAddr(text); {
		case text == "" && o.Gateway4+o.Gateway6 != "":
			continue // a gateway of one family says that the link needs one of the other
		case text == "":
		case err != nil:
			wrong(gatewayOf(f), fmt.Sprintf("%.60q is no address", text), "write the gateway's address, not its name")
		default:
			h.Gateway = a
		}
		h.check(f, wrong)
		if good {
			found[f] = h
		}
	}
	return found
}

func gatewayOf(f ipranges.Family) string { return fmt.Sprintf("gateway%d", f) }

// check tells wrong what is not valid in h for routes of family f.
func (h Hop) check(f ipranges.Family, wrong func(option, cause, fix string)) {
	if h.Device == "" {
		wrong("device", "there is no device", "name the link that the routes leave by, as ip link shows it")
	} else if cause, fix := ifname.Problem(h.Device, false, refused); cause != "" {
		wrong("device", cause, fix)
	}
	g, name := h.Gateway, gatewayOf(f)
	switch {
	case g == netip.Addr{}:
	case ipranges.FamilyOf(g) != f || g.Is4In6():
		wrong(name, fmt.Sprintf("%s is no %s address", g, f), "name a gateway of that family")
	case g.Zone() != "":
		wrong(name, fmt.Sprintf("%s has a zone", g), "write the address alone, and the interface in device")
	case g.IsUnspecified() || g.IsMulticast() || g.IsLoopback():
		wrong(name, fmt.Sprintf("%s is no gateway", g), "name the gateway that ip route shows behind via")
	}
}

// refused are the bytes of interface names that ip, a routing daemon or a shell would read
// as something else: all but letters, digits and "._+=-".
const refused = "!\"#$%&'()<>?[]^`|~"

// Form is a list of routes by way of w: the rows of each family, between the words that a
// target's language has for it. It refuses a list with a family that has no way.
func (w Ways) Form(mark string, words func(ipranges.Family) Words) routes.Form {
	return routes.Form{Mark: mark, Check: w.refuse,
		Rows: func(f ipranges.Family, _ rules.Verdict) routes.Rows { return w.By[f].Rows(words(f)) }}
}

// refuse is the error for a list with addresses of a family that has no way.
func (w Ways) refuse(list rules.RouteList) error {
	for _, f := range list.Families.List() {
		if _, ok := w.By[f]; !ok && list.Set.Has(f) {
			return list.Refuse(w.missing(f),
				"name it, leave out the gateway of the other family if the device is a tunnel, or say which families you mean")
		}
	}
	return nil
}

// Families are those that have a way.
func (w Ways) Families() []ipranges.Family {
	return slices.DeleteFunc(rules.BothFamilies.List(), func(f ipranges.Family) bool { return w.By[f] == Way{} })
}

// missing says why a family has no way.
func (w Ways) missing(f ipranges.Family) string {
	if w.exceptions {
		return fmt.Sprintf("the options %s and %s%[1]s do not both name a next hop", gatewayOf(f), prefixOther)
	}
	return fmt.Sprintf("the option %s names no next hop", gatewayOf(f))
}

// Caps is what a target can express whose lists are x: no bypass of a family that has no
// way.
func (w Ways) Caps(x routes.Form) rules.Caps {
	caps := routes.Caps()
	caps.RouteBytes = x.RouteBytes(rules.Bypass)
	caps.NoBypass = map[ipranges.Family]string{}
	for _, f := range rules.BothFamilies.List() {
		if _, ok := w.By[f]; !ok {
			caps.NoBypass[f] = w.missing(f)
		}
	}
	return caps
}

// Hops says for a comment where the routes of a list lead, a line for each family in it.
func (w Ways) Hops(list rules.RouteList) []string {
	var lines []string
	for _, f := range rules.BothFamilies.List() {
		if list.Set.Has(f) {
			lines = append(lines, fmt.Sprintf("%s routes by way of %s.", f, w.By[f]))
		}
	}
	return lines
}
