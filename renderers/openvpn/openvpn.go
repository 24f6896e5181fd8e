// Package openvpn renders plans of routes as a part of an OpenVPN configuration, for
// a client or for a server that pushes them to its clients.
//
// What goes past the tunnel is a route by way of net_gateway, the router that the
// client had before; what goes through it is a route without a gateway. One route a
// line, in address order.
//
// Quirks, OpenVPN 2.6.14 (Debian 12), tried in November 2026:
//   - IPv6 cannot be sent past the tunnel. A client refuses a pushed
//     "route-ipv6 P net_gateway_ipv6"; in its own file it warns, and then routes P
//     into the tunnel. So a bypass that holds IPv6 is refused.
//   - A prefix with host bits set is taken, and its route is missing. Prefixes here
//     come from sets, which have none.
//   - --show-ciphers --config F and the like take wrong masks: only a connection tells.
package openvpn

import (
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
	Side string `policy:"side" doc:"client: lines for a client's file; server: lines that a server pushes"`
}

const (
	client = "client"
	server = "server"
)

var info = renderers.Info{
	Name:    "openvpn",
	Title:   "OpenVPN",
	Summary: "OpenVPN: routes past the tunnel (IPv4) or through it, for a client or pushed by a server",
	Caps: rules.Caps{
		Families: rules.BothFamilies,
		Verdicts: []rules.Verdict{rules.Bypass, rules.Tunnel},
		Defaults: []rules.Verdict{rules.Tunnel, rules.Bypass},
		NoBypass: map[ipranges.Family]string{ipranges.IPv6: "OpenVPN 2.6 clients refuse a pushed net_gateway_ipv6, and take it into the tunnel from their own file"},
	},
	Load: renderers.Restart,
	Limits: []renderers.Limit{
		{Name: "routes", Value: "no limit; 7,400 pushed ones take 376 messages and 3.5 s", Source: "measured, OpenVPN 2.6.14"},
		{Name: "line", Value: "256 characters", Source: "OpenVPN 2.6.14, OPTION_LINE_SIZE"},
		{Name: "IPv6 past the tunnel", Value: "none", Source: "measured, OpenVPN 2.6.14: net_gateway_ipv6 is refused or routed into the tunnel"},
	},
	Extension: ".conf",
}

// Kind is the target as policies name it.
func Kind() renderers.Kind { return renderers.Define(info, Options{Side: client}, build) }

type renderer struct {
	side string
	env  renderers.Env
}

func build(opt Options, env renderers.Env) (renderers.Renderer, error) {
	if opt.Side != client && opt.Side != server {
		return nil, &renderers.OptionError{Option: "side", Cause: fmt.Sprintf("no side %q", opt.Side), Fix: "client or server"}
	}
	// The file's own line names it, and OpenVPN neither takes blanks and quotes there
	// nor a line of over 256 bytes.
	if base := path.Base(env.Path); len(base) > 150 || strings.ContainsAny(base, " \t\"'\\#;") {
		return nil, &renderers.OptionError{Option: "path", Cause: fmt.Sprintf("OpenVPN cannot be given a file called %.40q", base),
			Fix: "choose a short name without blanks, quotes and marks"}
	}
	return &renderer{opt.Side, env}, nil
}

// Render implements renderers.Renderer.
func (r *renderer) Render(p *rules.Plan) ([]renderers.File, error) {
	set, v, ok := p.Listed()
	if !ok {
		return nil, errors.New("the plan is no list of routes: give the target bypass or include")
	}
	header := renderers.RouteHeader(p)
	for i, l := range header {
		header[i] = l[:min(len(l), maxComment)]
	}
	data, err := renderers.Execute("openvpn", r.side+".conf.tmpl", r.env.Templates, map[string]any{
		"Header": header, "Bypass": v == rules.Bypass, "File": renderers.Clean(path.Base(r.env.Path)),
		"Routes": string(r.routes(set, v)),
	})
	if err != nil {
		return nil, err
	}
	return []renderers.File{{Path: r.env.Path, Mode: fs.FileMode(0o644), Data: data}}, nil
}

// maxComment keeps the header's lines, with their mark, below the 256 characters at
// which OpenVPN gives a file up, comment or not.
const maxComment = 240

// words around a route's network on a line of the side.
func (r *renderer) words(f ipranges.Family, v rules.Verdict) (before, after string) {
	before = "route "
	if f == ipranges.IPv6 {
		before = "route-ipv6 "
	}
	if v == rules.Bypass {
		after = " net_gateway"
	}
	if r.side == server {
		before, after = `push "`+before, after+`"`
	}
	return before, after
}

func (r *renderer) routes(set ipranges.Set, v rules.Verdict) []byte {
	dst := slices.Grow([]byte(nil), 64*(set.NumPrefixes(ipranges.IPv4)+set.NumPrefixes(ipranges.IPv6)))
	before, after := r.words(ipranges.IPv4, v)
	for p := range set.Prefixes(ipranges.IPv4) {
		dst = append(dst, before...)
		dst = p.Addr().AppendTo(dst)
		dst = append(dst, ' ')
		dst = netmask(p.Bits()).AppendTo(dst)
		dst = append(append(dst, after...), '\n')
	}
	before, after = r.words(ipranges.IPv6, v)
	return set.AppendPrefixes(dst, ipranges.IPv6, before, after+"\n")
}

// netmask is a prefix length the way OpenVPN wants it for IPv4: 255.252.0.0.
func netmask(bits int) netip.Addr {
	m := uint32(uint64(0xffffffff) << (32 - bits))
	return netip.AddrFrom4([4]byte{byte(m >> 24), byte(m >> 16), byte(m >> 8), byte(m)})
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
	var b ipranges.Builder
	for _, l := range lines {
		p, err := r.readRoute(l, v)
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

func (r *renderer) readRoute(line string, v rules.Verdict) (netip.Prefix, error) {
	for _, f := range rules.BothFamilies.List() {
		before, after := r.words(f, v)
		rest, ok := strings.CutPrefix(line, before)
		if !ok {
			continue
		}
		text, ok := strings.CutSuffix(rest, after)
		switch {
		case !ok:
			return netip.Prefix{}, fmt.Errorf("it does not end in %q", after)
		case f == ipranges.IPv4:
			return readMasked(text)
		case v == rules.Bypass:
			return netip.Prefix{}, errors.New("OpenVPN sends no IPv6 past the tunnel")
		}
		p, err := ipranges.ParsePrefix(text)
		if err == nil && p.Addr().Is4() {
			err = errors.New("an IPv4 prefix as IPv6 route")
		}
		return p, err
	}
	return netip.Prefix{}, errors.New("no line of ours")
}

// readMasked reads "52.112.0.0 255.252.0.0".
func readMasked(text string) (netip.Prefix, error) {
	network, mask, ok := strings.Cut(text, " ")
	if !ok {
		return netip.Prefix{}, errors.New("network and mask are not two words")
	}
	for bits := range 33 {
		if netmask(bits).String() == mask {
			return ipranges.ParsePrefix(fmt.Sprintf("%s/%d", network, bits))
		}
	}
	return netip.Prefix{}, fmt.Errorf("%s is no mask", mask)
}
