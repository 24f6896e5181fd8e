// Package networkmanager renders plans of routes as static routes in a connection
// profile of NetworkManager, in the keyfile format.
//
// What goes past a VPN is routes by way of a gateway in the profile of the uplink; what
// goes through it is routes in the VPN's profile, which then takes no default route.
// A profile is one file and includes no other. So the output is either the admin's own
// profile, byte for byte, with our groups behind it, or these groups alone, to be put
// there by hand: groups of one name are one group (GKeyFile).
//
// A route's key has a number, which NetworkManager only sorts by. Ours come from the
// prefix, far above what people write, so that a new route renumbers no other.
//
// Quirks, NetworkManager 1.42.4 (Debian 12), tried 2026-11-23:
//   - profiles that others than root can read are ignored: files are of mode 0600.
//   - a list as an argument of nmcli ends at 128 KiB, the longest argument of Linux.
//   - routes of a family whose method is disabled or ignore are never set, or the whole
//     profile is invalid (by version).
//   - a group [ipv4] or [ipv6] without a method makes the whole profile invalid, and one
//     that is not there does not.
package networkmanager

import (
	"fmt"
	"hash/crc32"
	"io/fs"
	"maps"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/renderers/routes"
	"sallyport/rules"
)

// Options are the target's options in a policy.
type Options struct {
	Gateway4 string `policy:"gateway4" doc:"bypass: the uplink's IPv4 router, as ip route shows it behind default via"`
	Gateway6 string `policy:"gateway6" doc:"bypass: the uplink's IPv6 router"`
	Profile  string `policy:"profile" doc:"your own .nmconnection file, of the uplink for bypass, of the VPN for include: the output is this file with the routes in it; absent: the routes alone"`
}

var info = renderers.Info{
	Name:    "networkmanager",
	Title:   "NetworkManager",
	Summary: "NetworkManager profiles: routes past a VPN by way of the uplink, or through it",
	Caps:    routes.Caps(),
	Load:    renderers.PerFamily,
	Limits: []renderers.Limit{
		{Name: "routes", Value: "no limit known; all of AzureCloud, 3,117 prefixes, in 0.5 s", Source: "measured, NetworkManager 1.42.4"},
		{Name: "profile", Value: "root's, of mode 0600", Source: "nm-settings-keyfile(5), NetworkManager 1.42"},
	},
	Warnings:  map[string]string{"other-connection": "the output is another connection than the profile that it is made from"},
	Extension: ".nmconnection",
}

// Kind is the target as policies name it.
func Kind() renderers.Kind { return renderers.Define(info, Options{}, build) }

type renderer struct {
	env      renderers.Env
	gateways map[ipranges.Family]netip.Addr
	profile  []byte // the admin's own, ending in a newline; nil where there is none
	from     string // its name
	keys     keys   // of the profile
}

func build(opt Options, env renderers.Env) (*renderers.Target, error) {
	r := &renderer{env: env, gateways: map[ipranges.Family]netip.Addr{}}
	var all renderers.Mistakes
	texts := map[ipranges.Family]string{ipranges.IPv4: opt.Gateway4, ipranges.IPv6: opt.Gateway6}
	for _, f := range rules.BothFamilies.List() {
		if texts[f] == "" {
			continue
		}
		g, why := gateway(texts[f], f)
		if why != "" {
			all.Option(gatewayOption(f), "write the router's address, as ip route shows it behind via",
				"%.60q %s", texts[f], why)
		}
		r.gateways[f] = g
	}
	all.Add(r.readProfile(opt.Profile))
	return &renderers.Target{Renderer: r, Caps: r.caps(), Claims: r.claims(), Advice: r.advice}, all.Err()
}

// readProfile takes the user's profile in, where the options name one.
func (r *renderer) readProfile(name string) error {
	if name == "" {
		return nil
	}
	if r.env.Read == nil {
		return &renderers.OptionError{Option: "profile", Cause: "no file can be read here", Fix: "leave the option out"}
	}
	data, err := r.env.Read(name)
	if err != nil {
		return &renderers.OptionError{Option: "profile", Cause: fmt.Sprintf("it cannot be read: %v", err),
			Fix: "name a copy of your .nmconnection file, relative to the policy"}
	}
	if len(data) > 0 && data[len(data)-1] != '\n' {
		data = append(slices.Clone(data), '\n')
	}
	r.profile, r.from = data, name
	if r.keys, err = readProfile(data); err != nil {
		return &renderers.OptionError{Option: "profile", Cause: err.Error(), Fix: "name your own .nmconnection file, without routes that sallyport wrote"}
	}
	return nil
}

func gatewayOption(f ipranges.Family) string { return fmt.Sprintf("gateway%d", f) }

// gateway reads a router's address of a family, or says why it is none.
func gateway(text string, f ipranges.Family) (g netip.Addr, why string) {
	g, err := netip.ParseAddr(text)
	switch {
	case err != nil:
		return g, "is no address"
	case ipranges.FamilyOf(g) != f || g.Is4In6():
		return g, fmt.Sprintf("is no %s address", f)
	case g.Zone() != "":
		return g, "has a zone, and the profile knows its device"
	case g.IsUnspecified() || g.IsMulticast() || g.IsLoopback():
		return g, "is no router"
	}
	return g, ""
}

// caps says which family has no gateway, and how long a route's line is.
func (r *renderer) caps() rules.Caps {
	caps := info.Caps
	caps.RouteBytes = r.routeBytes
	if len(r.gateways) == 0 {
		return caps // enough for include; a bypass is refused when it is rendered
	}
	caps.NoBypass = map[ipranges.Family]string{}
	for _, f := range rules.BothFamilies.List() {
		if !r.gateways[f].IsValid() {
			caps.NoBypass[f] = fmt.Sprintf("the option %s names no router", gatewayOption(f))
		}
	}
	return caps
}

// routeBytes counts the line of a prefix, its end included. Options with gateways are
// for a bypass, and those without for an include, whose routes have none.
func (r *renderer) routeBytes(p netip.Prefix) int {
	var text [64]byte
	n := len("route=\n") + len(ipranges.AppendPrefix(text[:0], p)) + len(strconv.FormatUint(firstNumber+numberOf(text[:0], p), 10))
	if g, ok := r.gateways[ipranges.FamilyOf(p.Addr())]; ok {
		n += len(",") + len(g.String())
	}
	return n
}

// claims: one profile comes out once for each target that
// takes it, and NetworkManager has one profile of a UUID.
func (r *renderer) claims() []renderers.Claim {
	if r.profile == nil {
		return nil
	}
	thing := "the profile of UUID " + renderers.Clean(r.keys.last("connection", "uuid"))
	if !r.keys.has("connection", "uuid") {
		thing = "the profile called " + renderers.Clean(path.Base(r.env.Path))
	}
	return []renderers.Claim{{Thing: thing, Option: "profile", MayDiffer: true,
		Cost: "the profile that is loaded last has its own routes and not those of the other", Fix: "where both are for one machine, put both lists into one target"}}
}

// Render implements renderers.Renderer.
func (r *renderer) Render(p *rules.Plan) ([]renderers.File, error) {
	list, err := renderers.Routes(p)
	if err != nil {
		return nil, err
	}
	set, v := list.Set, list.Way
	if err := r.refuse(list); err != nil {
		return nil, err
	}
	data, err := renderers.Execute("networkmanager", "routes.nmconnection.tmpl", r.env.Templates, map[string]any{
		"Header": renderers.RouteHeader(p), "Bypass": v == rules.Bypass, "Whole": r.profile != nil, "Apply": r.applyWords(v), "Groups": string(r.groups(set, p.Families, v)),
	})
	if err != nil {
		return nil, err
	}
	f := renderers.File{Path: r.env.Path, Mode: fs.FileMode(0o600), Data: append(slices.Clip(r.profile), data...),
		On: "the Linux machine with NetworkManager"}
	if r.profile == nil {
		f.Hand = "append {} to a copy of the profile, then: nmcli connection reload && " + r.apply(v)
	} else {
		f.Use = "install -m 600 {} /etc/NetworkManager/system-connections/ && nmcli connection reload && " + r.apply(v)
	}
	return []renderers.File{f}, nil
}

// apply is the command by which a device takes the new routes. An uplink that the
// profile names takes them while it is up.
func (r *renderer) apply(v rules.Verdict) string {
	if device := r.keys.last("connection", "interface-name"); v == rules.Bypass && device != "" {
		return "nmcli device reapply " + renderers.ShellWord(device)
	}
	return "nmcli connection up " + r.known()
}

// refuse says what the options and the profile do not allow.
func (r *renderer) refuse(list rules.RouteList) error {
	set, v, e := list.Set, list.Way, list.Refuse("", "")
	kind := r.keys.kind()
	switch {
	case v == rules.Bypass && len(r.gateways) == 0:
		return &renderers.OptionError{Option: "gateway4", Cause: "routes past a VPN need the uplink's router", Fix: "name gateway4 and gateway6"}
	case v == rules.Tunnel && len(r.gateways) > 0:
		e.Cause, e.Fix = "gateways are of the uplink, and this is a list of what goes through the VPN", "remove gateway4 and gateway6, or use bypass"
		return e
	case v == rules.Bypass && (kind == "vpn" || kind == "wireguard"):
		e.Cause, e.Fix = fmt.Sprintf("the profile is of type %s, and routes past a VPN belong to the uplink", kind), "name the profile of the uplink"
		return e
	case v == rules.Tunnel && kind == "wireguard":
		e.Cause, e.Fix = "NetworkManager takes the routes of a WireGuard profile from its allowed-ips", "use a target of kind wireguard"
		return e
	}
	for _, f := range list.Families.List() {
		method := r.keys.last(group(f), "method")
		if set.Has(f) && (method == "disabled" || method == "ignore") {
			e.Cause = fmt.Sprintf("the profile has method=%s for %s, and no routes of it are set", method, f)
			e.Fix = "say in families which the target is of, or change the profile"
			return e
		}
		for _, key := range slices.Sorted(maps.Keys(r.keys[group(f)])) {
			if isOurNumber(key) {
				e.Cause = fmt.Sprintf("the profile has the key %s, and numbers from %d on are ours", key, firstNumber)
				e.Fix = "give that route of yours a small number"
				return e
			}
		}
	}
	return nil
}

// isOurNumber reports whether a key is a route of a number that is ours, or its options:
// route7 and route7_options, but not route-metric.
func isOurNumber(key string) bool {
	text, ok := strings.CutPrefix(strings.TrimSuffix(key, "_options"), "route")
	if !ok || text == "" || strings.Trim(text, "0123456789") != "" {
		return false
	}
	n, err := strconv.ParseUint(text, 10, 32)
	return err != nil || n >= firstNumber
}

// applyWords is apply for a comment.
func (r *renderer) applyWords(v rules.Verdict) string {
	switch {
	case r.profile != nil:
		return renderers.Clean(r.apply(v))
	case v == rules.Bypass:
		return "nmcli device reapply DEVICE"
	}
	return "nmcli connection up ID"
}

func group(f ipranges.Family) string { return fmt.Sprintf("ipv%d", f) }

// groups is the part of the profile that is ours. What goes through the VPN is that
// and no default route, in each of the plan's families.
func (r *renderer) groups(set ipranges.Set, fams rules.Families, v rules.Verdict) []byte {
	var dst []byte
	for _, f := range fams.List() {
		if v == rules.Bypass && !set.Has(f) {
			continue
		}
		dst = fmt.Appendf(dst, "[%s]\n%s", group(f), r.missing(f))
		after := "\n"
		if v == rules.Tunnel {
			dst = append(dst, "never-default=true\n"...)
		} else {
			after = "," + r.gateways[f].String() + "\n"
		}
		for p, n := range numbers(set, f) {
			dst = append(strconv.AppendUint(append(dst, "route"...), n, 10), '=')
			dst = append(ipranges.AppendPrefix(dst, p), after...)
		}
	}
	return dst
}

// Numbers of our routes: a key's number is below 2^31, and people begin at 1.
const (
	firstNumber = 1_000_000
	manyNumbers = 2_000_000_000
)

// numberOf is a prefix's number before others have taken it; text is room to work in.
func numberOf(text []byte, p netip.Prefix) uint64 {
	return uint64(crc32.ChecksumIEEE(ipranges.AppendPrefix(text, p))) % manyNumbers
}

// numbers yields the prefixes of a family with the numbers of their keys. Two that
// come out equal are told apart in address order.
func numbers(set ipranges.Set, f ipranges.Family) func(func(netip.Prefix, uint64) bool) {
	return func(yield func(netip.Prefix, uint64) bool) {
		taken := make(map[uint64]bool, set.NumPrefixes(f))
		text := make([]byte, 0, 64)
		for p := range set.Prefixes(f) {
			n := numberOf(text[:0], p)
			for taken[n] {
				n = (n + 1) % manyNumbers
			}
			taken[n] = true
			if !yield(p, firstNumber+n) {
				return
			}
		}
	}
}
