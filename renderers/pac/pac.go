// Package pac renders plans of routes as a proxy auto-configuration file: the hosts whose
// addresses are on the list go past the proxy, or to it.
//
// The proxy stands where other targets have the VPN: bypass is a list of what browsers
// reach directly, include of what they reach by way of the proxy. It steers the web
// traffic of programs that use the file. Media of calls takes no heed of it.
//
// The list is sorted, and looked up by halving: isInNet for each of thousands of prefixes
// would take its time on every URL. The script is in the oldest JavaScript, which every
// engine takes; a list ends in an empty element, because old engines make one of a comma
// at the end.
//
// Quirks (MDN, "Proxy Auto-Configuration (PAC) file"; Chromium, net/docs/proxy.md and
// net/proxy_resolution/pac_file_fetcher_impl.cc; 2026-11-23):
//   - dnsResolve gives one IPv4 address, or nothing: so the list is of IPv4, and a host
//     that has IPv6 alone goes with the rest.
//   - it asks the browser's resolver, for every URL that no name decides.
//   - Chromium takes a file of up to 1 MiB, and leaves localhost and link-local
//     addresses out of every file's hands.
package pac

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"strconv"
	"strings"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// Options are the target's options in a policy.
type Options struct {
	Form     string      `policy:"form" doc:"file: a whole PAC file; function: one that tells whether a host is on the list, for a PAC file of yours"`
	Proxies  []string    `policy:"proxies" doc:"file: the proxies, in their order: PROXY host:port, or HTTPS, SOCKS, SOCKS4, SOCKS5"`
	Fallback bool        `policy:"fallback" doc:"file: go direct where no proxy answers"`
	Names    rules.Hosts `policy:"names" doc:"host names that go the same way as the addresses, names.NAME, without asking a resolver"`
	MaxBytes int         `policy:"max_bytes" doc:"how long a file your browsers take, of which 16 KiB are for all but the routes"`
}

// Forms.
const (
	formFile     = "file"
	formFunction = "function"
)

const (
	maxFile    = 1 << 20
	sizeSource = "Chromium, pac_file_fetcher_impl.cc, kDefaultMaxResponseBytes"
)

var info = renderers.Info{
	Name:    "pac",
	Title:   "PAC file",
	Summary: "proxy auto-configuration: hosts past the proxy or to it, by address and name; web traffic, never media",
	Caps: rules.Caps{
		Families:    rules.OnlyIPv4,
		Verdicts:    []rules.Verdict{rules.Bypass, rules.Tunnel},
		Defaults:    []rules.Verdict{rules.Tunnel, rules.Bypass},
		RouteLimits: routeLimits(maxFile),
		RouteBytes:  routeBytes,
	},
	Load: renderers.Restart,
	Limits: []renderers.Limit{
		{Name: "size of the file", Value: "1 MiB: about 50,000 routes", Source: sizeSource, Option: "max_bytes"},
		{Name: "IPv6", Value: "none", Source: "MDN, Proxy Auto-Configuration (PAC) file: dnsResolve"},
		{Name: "media over UDP", Value: "not steered", Source: "MDN, the same: web browser requests"},
	},
	Warnings:  map[string]string{"no-media": "a PAC file does not steer the media of calls"},
	Extension: ".pac",
}

// frame is room for the header, the names and the script itself.
const frame = 16 << 10

func routeLimits(file int) []rules.RouteLimit {
	return []rules.RouteLimit{{Max: file - frame, Bytes: true, Families: rules.OnlyIPv4, Device: "a PAC file of Chromium's, less 16 KiB for the rest,", Source: sizeSource, Option: "max_bytes"}}
}

// routeBytes is the length of a route's line.
func routeBytes(p netip.Prefix) int { return len(p.String()) + len("\"\",\n") }

// Kind is the target as policies name it.
func Kind() renderers.Kind {
	return renderers.Define(info, Options{Form: formFile, MaxBytes: maxFile}, build)
}

type renderer struct {
	opt Options
	env renderers.Env
}

func build(opt Options, env renderers.Env) (*renderers.Target, error) {
	var all renderers.Mistakes
	switch {
	case opt.Form != formFile && opt.Form != formFunction:
		all.Option("form", fmt.Sprintf("no form %.60q", opt.Form), "file or function")
	case opt.Form == formFunction && (len(opt.Proxies) > 0 || opt.Fallback):
		all.Option("form", "a function says nothing of proxies and fallback: your own file does", `remove these options, or use form = "file"`)
	case opt.Form == formFile && len(opt.Proxies) == 0:
		all.Option("proxies", "a PAC file without a proxy steers nothing",
			`add proxies = ["PROXY proxy.example.com:8080"], or use form = "function"`)
	}
	if opt.MaxBytes <= frame {
		all.Option("max_bytes", fmt.Sprintf("%d bytes leave no room for routes", opt.MaxBytes), fmt.Sprintf("say how many your browsers take, more than %d", frame))
	}
	for i, p := range opt.Proxies {
		if !isProxy(p) {
			all.Option(fmt.Sprintf("proxies.%d", i), fmt.Sprintf("%.80q is no proxy", p),
				`write the kind, the host and the port: "PROXY proxy.example.com:8080"; kinds are PROXY, HTTPS, SOCKS, SOCKS4 and SOCKS5`)
		}
	}
	r := &renderer{opt, env}
	if n := len(r.names()); n > frame/2 {
		all.Option("names", fmt.Sprintf("the names are %d bytes, and there is room for %d", n, frame/2), "list fewer, with a * for many")
	}
	return &renderers.Target{Renderer: r, Caps: r.caps(), Advice: r.advice}, all.Err()
}

// isProxy accepts a building block of MDN's return value format, with its port.
func isProxy(s string) bool {
	kind, at, _ := strings.Cut(s, " ")
	switch kind {
	case "PROXY", "HTTPS", "SOCKS", "SOCKS4", "SOCKS5":
	default:
		return false
	}
	colon := strings.LastIndexByte(at, ':')
	if colon < 0 {
		return false
	}
	host, port := at[:colon], at[colon+1:]
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || port[0] == '0' {
		return false
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		a, err := netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		return err == nil && a.Is6() && a.Zone() == "" && strings.HasSuffix(inner, "]")
	}
	for _, label := range strings.Split(host, ".") {
		if label == "" || len(host) > 253 || strings.Trim(label, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return true
}

// caps is what the options leave of what the kind can express.
func (r *renderer) caps() rules.Caps {
	caps := info.Caps
	caps.RouteLimits = routeLimits(r.opt.MaxBytes)
	return caps
}

// advice is what the admin should know. Whoever makes a PAC file for calls should know.
func (r *renderer) advice(*rules.Plan) []*renderers.OptionError {
	return []*renderers.OptionError{{ID: "no-media", Cause: "a PAC file steers the web traffic of browsers, never the media of calls",
		Fix: "give the VPN's own target the same list; see docs/targets/pac.md"}}
}

// Render implements renderers.Renderer.
func (r *renderer) Render(p *rules.Plan) ([]renderers.File, error) {
	list, err := renderers.Routes(p)
	if err != nil {
		return nil, err
	}
	set, v := list.Set, list.Way
	body, err := r.body(set, v)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	for _, l := range renderers.RouteHeader(p) {
		b.WriteString("// " + l + "\n")
	}
	b.Write(body)
	return []renderers.File{{Path: r.env.Path, Mode: fs.FileMode(0o644), Data: b.Bytes(),
		On: "a web server", Hand: "serve {} where the clients look for their proxy configuration"}}, nil
}

// names are the elements of the list of names.
func (r *renderer) names() string {
	var b strings.Builder
	for _, n := range r.opt.Names.Patterns {
		b.WriteString(strconv.Quote(n) + ",\n")
	}
	return b.String()
}

// body is the file without its header. Nobody overrides it: what another script does,
// nothing could read back.
func (r *renderer) body(set ipranges.Set, v rules.Verdict) ([]byte, error) {
	rest := strings.Join(r.opt.Proxies, "; ")
	if r.opt.Fallback {
		rest += "; DIRECT"
	}
	listed := "DIRECT"
	if v == rules.Tunnel {
		listed, rest = rest, listed
	}
	if r.opt.Form == formFunction && v == rules.Tunnel {
		listed = "PROXY ..."
	}
	return renderers.Execute("pac", "file.pac.tmpl", nil, map[string]any{
		"Whole": r.opt.Form == formFile, "Function": "sallyport_" + r.env.Name, "Listed": listed, "Rest": rest,
		"Routes": string(set.AppendPrefixes(nil, ipranges.IPv4, `"`, "\",\n")), "Names": r.names(),
	})
}

// ReadBack implements renderers.Renderer. It reads the list, and holds the rest to the
// script that would be written for it.
func (r *renderer) ReadBack(files []renderers.File) (*rules.Plan, error) {
	return renderers.ReadFile(files, r.env.Path, r.read)
}

func (r *renderer) read(data []byte) (*rules.Plan, error) {
	header, body, ok := strings.Cut(string(data), "\n\n")
	if !ok {
		return nil, errors.New("no blank line ends its header")
	}
	comments, lines := renderers.Uncomment([]byte(header), "//")
	if len(lines) > 0 {
		return nil, fmt.Errorf("%.80q stands in its header", lines[0])
	}
	v, fams, err := renderers.ReadRouteHeader(comments)
	if err != nil {
		return nil, err
	}
	if fams != rules.OnlyIPv4 {
		return nil, fmt.Errorf("its header speaks of %s, and a PAC file knows IPv4 alone", fams)
	}
	_, rest, _ := strings.Cut(body, "\n  function routes() { return [\n")
	list, _, ok := strings.Cut(rest, "\n\"\"]; }\n")
	if !ok {
		return nil, errors.New("there is no list of routes")
	}
	var b ipranges.Builder
	for line := range strings.SplitSeq(list, "\n") {
		p, err := ipranges.ParsePrefix(strings.TrimSuffix(strings.TrimPrefix(line, `"`), `",`))
		if err == nil && !p.Addr().Is4() {
			err = fmt.Errorf("%s is not of IPv4", p)
		}
		if err == nil {
			err = b.AddPrefix(p)
		}
		if err != nil {
			return nil, fmt.Errorf("%.80q: %w", line, err)
		}
	}
	want, err := r.body(b.Set(), v)
	if err != nil {
		return nil, err
	}
	if "\n"+body != string(want) {
		return nil, errors.New("it is not the script that sallyport writes for these routes")
	}
	return rules.RoutePlan(r.env.Name, rules.OnlyIPv4, v, b.Set()), nil
}
