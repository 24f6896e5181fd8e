// Package vpnslice renders plans of routes as a script for openconnect or vpnc that
// runs vpn-slice with a list of prefixes.
//
// What goes through the tunnel is a prefix, and what goes past it %prefix, beside the
// halves of the address space that take the rest in. The prefixes are arguments of
// their own. As the usual --script 'vpn-slice ...' all of them would be one argument,
// and Linux takes at most 131,072 bytes in one (execve(2), MAX_ARG_STRLEN).
//
// Quirks, vpn-slice 0.16.1, from its source (github.com/dlenski/vpn-slice,
// vpn_slice/__main__.py and linux.py, read 2026-11-23):
//   - It takes no default route from the VPN: what no argument names stays outside. The
//     halves are used in place of 0.0.0.0/0, which would replace the default route.
//   - A prefix to leave alone gets the route that "ip route get" finds before the tunnel
//     has any. Without one vpn-slice ends there, and the tunnel has no routes at all; so
//     the script looks first whether there is one. iproute2 6.1 warns of the length of
//     each such prefix, "only /32 (or none) is supported", and answers all the same.
//   - It ends before any route at an IPv6 address that the system does not take: IPv6 is
//     off, or the MTU is below 1280 (github.com/dlenski/vpn-slice, issues 38, 148 and 154,
//     2020 to 2024). So the script hides the VPN's IPv6 from it there.
//   - It never takes these routes away, so the script does, on Linux.
package vpnslice

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path"
	"slices"
	"strings"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// Options are the target's options in a policy.
type Options struct {
	MaxBytes int `policy:"max_bytes" doc:"how many bytes of arguments the client's system takes"`
}

// defaultMaxBytes is what macOS takes, the least of the systems that vpn-slice runs
// on, less 248,576 bytes for the environment.
const defaultMaxBytes = 800000

const limitSource = "macOS, execve(2), ARG_MAX 1,048,576 with the environment; Linux takes 2,097,152, measured on Linux 6.18"

var info = renderers.Info{
	Name:    "vpnslice",
	Title:   "vpn-slice",
	Summary: "vpn-slice: a script for openconnect with routes past the tunnel or through it",
	Caps: rules.Caps{
		Families:   rules.BothFamilies,
		Verdicts:   []rules.Verdict{rules.Bypass, rules.Tunnel},
		Defaults:   []rules.Verdict{rules.Tunnel, rules.Bypass},
		RouteBytes: routeBytes,
	},
	Load: renderers.Restart,
	Limits: []renderers.Limit{
		{Name: "bytes of arguments", Value: "800,000; about 30,000 IPv4 routes", Source: limitSource, Option: "max_bytes"},
	},
	Extension: ".sh",
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

// routeBytes is an argument with its mark, the zero behind it, and its pointer.
func routeBytes(p netip.Prefix) int { return len("%") + len(p.String()) + 1 + 8 }

// caps has the limit that the options set.
func (r *renderer) caps() rules.Caps {
	caps, most := info.Caps, r.opt.MaxBytes
	if most == 0 {
		most = defaultMaxBytes
	}
	caps.RouteLimits = []rules.RouteLimit{{Max: most, Families: rules.BothFamilies, Bytes: true, Shared: true,
		Device: "the client's system", Source: limitSource, Option: "max_bytes"}}
	return caps
}

// list is the prefixes of one family, a line each.
type list struct {
	Number   int
	Prefixes string
}

// Render implements renderers.Renderer.
func (r *renderer) Render(p *rules.Plan) ([]renderers.File, error) {
	routes, err := renderers.Routes(p)
	if err != nil {
		return nil, err
	}
	set, v := routes.Set, routes.Way
	mark := ""
	if v == rules.Bypass {
		mark = "%"
	}
	var lists []list
	for _, f := range rules.BothFamilies.List() {
		if set.Has(f) {
			room := slices.Grow([]byte(nil), 24*set.NumPrefixes(f))
			lists = append(lists, list{int(f), string(set.AppendPrefixes(room, f, mark, "\n"))})
		}
	}
	data, err := renderers.Execute("vpnslice", "script.sh.tmpl", r.env.Templates, map[string]any{
		"Header": renderers.RouteHeader(p), "File": renderers.Clean(path.Base(r.env.Path)), "Name": r.env.Name, "Bypass": v == rules.Bypass,
		"IPv4": p.Families.Has(ipranges.IPv4), "IPv6": p.Families.Has(ipranges.IPv6),
		"First4": first(set, ipranges.IPv4), "First6": first(set, ipranges.IPv6), "Lists": lists,
	})
	if err != nil {
		return nil, err
	}
	return []renderers.File{{Path: r.env.Path, Mode: fs.FileMode(0o755), Data: data,
		On: "the client", Use: "openconnect --script {} SERVER"}}, nil
}

// first is the first address of a family, or "".
func first(set ipranges.Set, f ipranges.Family) string {
	for p := range set.Prefixes(f) {
		return p.Addr().String()
	}
	return ""
}

// ReadBack implements renderers.Renderer. The script has to be, below its header,
// exactly the one for the prefixes that are read from it.
func (r *renderer) ReadBack(files []renderers.File) (*rules.Plan, error) {
	f, err := renderers.FileAt(files, r.env.Path)
	if err != nil {
		return nil, err
	}
	header, body, _ := bytes.Cut(f.Data, []byte("\n\n"))
	comments, other := renderers.Uncomment(header, "#")
	if len(other) > 0 {
		return nil, fmt.Errorf("%s: %q in the header", f.Path, other[0])
	}
	v, fams, err := renderers.ReadRouteHeader(comments)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Path, err)
	}
	set, err := prefixes(body, v)
	if err == nil && set.IsEmpty() {
		err = errors.New("there is no route")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Path, err)
	}
	p := rules.RoutePlan(r.env.Name, fams, v, set)
	again, err := r.Render(p)
	if err != nil {
		return nil, err
	}
	if _, want, _ := bytes.Cut(again[0].Data, []byte("\n\n")); !bytes.Equal(body, want) {
		return nil, fmt.Errorf("%s: it is not the script for the %d prefixes that are listed in it", f.Path,
			set.NumPrefixes(ipranges.IPv4)+set.NumPrefixes(ipranges.IPv6))
	}
	return p, nil
}

// prefixes are the lines of a script that are a prefix alone.
func prefixes(body []byte, v rules.Verdict) (ipranges.Set, error) {
	var b ipranges.Builder
	for line := range strings.Lines(string(body)) {
		text, marked := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "%")
		if strings.ContainsAny(text, " \t$") || !strings.Contains(text, "/") || marked != (v == rules.Bypass) {
			continue // what should be one and is not is missed when the script is compared
		}
		p, err := ipranges.ParsePrefix(text)
		if err == nil {
			err = b.AddPrefix(p)
		}
		if err != nil {
			return ipranges.Set{}, fmt.Errorf("%q: %w", line, err)
		}
	}
	return b.Set(), nil
}
