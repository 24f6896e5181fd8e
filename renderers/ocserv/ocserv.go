// Package ocserv renders plans of routes as lines of ocserv's configuration, which
// tells clients at connecting what enters their tunnel.
//
// What goes past the tunnel is "no-route", beside "route = default"; what goes through
// it is "route", without a default. The lines serve as a file for users or groups, or
// in ocserv.conf itself. Clients are openconnect, Cisco Secure Client and the like.
//
// Quirks, ocserv 1.1.6 with openconnect 9.01 and vpnc-scripts 20220510 (Debian 12),
// tried in November 2026:
//   - Both families can be excluded: X-CSTP-Split-Exclude and X-CSTP-Split-Exclude-IP6.
//   - In the file of a user or group, route and no-route each replace those of
//     ocserv.conf: a list of no-route alone would leave its routes, and no default.
//     "route = default" takes out every other route of the same file.
//   - Where a tunnel has addresses of a family and no included route of it, vpnc-script
//     takes the family's default route: so an include has to have both, or leave one
//     out on purpose.
//   - openconnect hands all options to its script in one variable, CISCO_CSTP_OPTIONS,
//     and Linux takes at most 131,072 bytes in one (execve(2), MAX_ARG_STRLEN). Past it
//     the script does not run, and the tunnel is up without any route.
//   - A line of several thousand characters makes ocserv drop the whole file of a user,
//     comment or not.
package ocserv

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strings"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// Options are the target's options in a policy.
type Options struct {
	MaxBytes int `policy:"max_bytes" doc:"how many bytes of routes the clients take, as the protocol writes them; more, where none of them is openconnect on Linux"`
}

// defaultMaxBytes leaves 3,072 of the 131,072 bytes to all other options.
const defaultMaxBytes = 128000

const limitSource = "Linux, execve(2), MAX_ARG_STRLEN 131,072; measured with openconnect 9.01: 2,800 IPv4 routes"

var info = renderers.Info{
	Name:    "ocserv",
	Title:   "ocserv",
	Summary: "ocserv: routes past the tunnel or through it, for openconnect and Cisco's clients",
	Caps: rules.Caps{
		Families:   rules.BothFamilies,
		Verdicts:   []rules.Verdict{rules.Bypass, rules.Tunnel},
		Defaults:   []rules.Verdict{rules.Tunnel, rules.Bypass},
		RouteBytes: routeBytes,
	},
	Load: renderers.Restart,
	Limits: []renderers.Limit{
		{Name: "bytes of routes", Value: "128,000; about 2,800 IPv4 routes", Source: limitSource, Option: "max_bytes"},
		{Name: "routes, for Cisco's clients", Value: "see the client's own", Source: "Cisco Secure Client: 2,500 of a family, fewer in old mobile versions"},
		{Name: "line", Value: "400 characters in what is written here", Source: "measured, ocserv 1.1.6: 500 are taken, 5,000 are not"},
	},
	Extension: ".conf",
}

// Kind is the target as policies name it.
func Kind() renderers.Kind { return renderers.Define(info, Options{MaxBytes: defaultMaxBytes}, build) }

type renderer struct {
	opt Options
	env renderers.Env
}

func build(opt Options, env renderers.Env) (*renderers.Target, error) {
	if opt.MaxBytes < 0 {
		return nil, &renderers.OptionError{Option: "max_bytes", Cause: fmt.Sprintf("%d bytes hold no route", opt.MaxBytes),
			Fix: "use a number above 0"}
	}
	r := &renderer{opt, env}
	return &renderers.Target{Renderer: r, Caps: r.caps()}, nil
}

// routeBytes is what openconnect's variable holds for a route past the tunnel, which
// is as long as one through it.
func routeBytes(p netip.Prefix) int {
	if p.Addr().Is4() {
		return len("X-CSTP-Split-Exclude=/\n") + len(p.Addr().String()) + len(netmask(p.Bits()).String())
	}
	return len("X-CSTP-Split-Exclude-IP6=\n") + len(p.String())
}

// netmask is a prefix length the way clients are told it for IPv4: 255.252.0.0.
func netmask(bits int) netip.Addr {
	m := uint32(uint64(0xffffffff) << (32 - bits))
	return netip.AddrFrom4([4]byte{byte(m >> 24), byte(m >> 16), byte(m >> 8), byte(m)})
}

// caps has the limit that the options set.
func (r *renderer) caps() rules.Caps {
	caps, most := info.Caps, r.opt.MaxBytes
	if most == 0 {
		most = defaultMaxBytes
	}
	caps.RouteLimits = []rules.RouteLimit{{Max: most, Families: rules.BothFamilies, Bytes: true, Shared: true,
		Device: "openconnect on Linux", Source: limitSource, Option: "max_bytes"}}
	return caps
}

// maxComment is well below the length of line at which ocserv gives a file up.
const maxComment = 400

// Render implements renderers.Renderer.
func (r *renderer) Render(p *rules.Plan) ([]renderers.File, error) {
	list, err := renderers.Routes(p)
	if err != nil {
		return nil, err
	}
	set, v := list.Set, list.Way
	if v == rules.Tunnel {
		for _, f := range p.Families.List() {
			if !set.Has(f) {
				return nil, list.Refuse(fmt.Sprintf("it has no %s, and where the server gives out %[1]s addresses clients would send all %[1]s through the tunnel", f),
					"say in the target which families you mean, such as families = [\"ipv4\"], and give out no addresses of the other; or list some of both")
			}
		}
	}
	header := renderers.RouteHeader(p)
	for i, l := range header {
		header[i] = l[:min(len(l), maxComment)]
	}
	data, err := renderers.Execute("ocserv", "routes.conf.tmpl", r.env.Templates, map[string]any{
		"Header": header, "Bypass": v == rules.Bypass, "Routes": string(routes(set, v)),
	})
	if err != nil {
		return nil, err
	}
	return []renderers.File{{Path: r.env.Path, Mode: fs.FileMode(0o644), Data: data, Use: "occtl reload",
		On: "the VPN server with ocserv", Hand: "once, in ocserv.conf: default-user-config = {}"}}, nil
}

// Lines of the configuration.
const (
	defaultRoute = "route = default"
	past         = "no-route = "
	through      = "route = "
)

func keyOf(v rules.Verdict) string {
	if v == rules.Bypass {
		return past
	}
	return through
}

func routes(set ipranges.Set, v rules.Verdict) []byte {
	dst := slices.Grow([]byte(nil), 40*(set.NumPrefixes(ipranges.IPv4)+set.NumPrefixes(ipranges.IPv6)))
	if v == rules.Bypass {
		dst = append(dst, defaultRoute+"\n"...)
	}
	for p := range set.Prefixes(ipranges.IPv4) {
		dst = append(dst, keyOf(v)...)
		dst = p.Addr().AppendTo(dst)
		dst = append(dst, '/')
		dst = netmask(p.Bits()).AppendTo(dst)
		dst = append(dst, '\n')
	}
	return set.AppendPrefixes(dst, ipranges.IPv6, keyOf(v), "\n")
}

// ReadBack implements renderers.Renderer.
func (r *renderer) ReadBack(files []renderers.File) (*rules.Plan, error) {
	f, err := renderers.FileAt(files, r.env.Path)
	if err != nil {
		return nil, err
	}
	comments, lines := renderers.Uncomment(f.Data, "#")
	v, fams, err := renderers.ReadRouteHeader(comments)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Path, err)
	}
	if v == rules.Bypass {
		if len(lines) == 0 || lines[0] != defaultRoute {
			return nil, fmt.Errorf("%s: the first line is not %q", f.Path, defaultRoute)
		}
		lines = lines[1:]
	}
	var b ipranges.Builder
	for _, l := range lines {
		p, err := readRoute(l, v)
		if err == nil && !fams.Has(ipranges.FamilyOf(p.Addr())) {
			err = fmt.Errorf("the header speaks of %s only", fams)
		}
		if err == nil {
			err = b.AddPrefix(p)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %q: %w", f.Path, l, err)
		}
	}
	if b.Set().IsEmpty() {
		return nil, fmt.Errorf("%s: there is no route", f.Path)
	}
	return rules.RoutePlan(r.env.Name, fams, v, b.Set()), nil
}

// readRoute reads "no-route = 52.112.0.0/255.252.0.0" and the like.
func readRoute(line string, v rules.Verdict) (netip.Prefix, error) {
	text, ok := strings.CutPrefix(line, keyOf(v))
	if !ok {
		return netip.Prefix{}, errors.New("no line of ours")
	}
	if network, mask, _ := strings.Cut(text, "/"); strings.Contains(mask, ".") {
		for bits := range 33 {
			if netmask(bits).String() == mask {
				return ipranges.ParsePrefix(fmt.Sprintf("%s/%d", network, bits))
			}
		}
		return netip.Prefix{}, fmt.Errorf("%s is no mask", mask)
	}
	p, err := ipranges.ParsePrefix(text)
	if err == nil && p.Addr().Is4() {
		err = errors.New("an IPv4 prefix without a mask")
	}
	return p, err
}
