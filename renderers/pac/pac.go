// Package pac renders plans of routes as a proxy auto-configuration file: the hosts whose
// addresses are on the list go past the proxy, or to it.
//
// The proxy stands where other targets have the VPN: bypass is a list of what browsers
// reach directly, include of what they reach by way of the proxy. It steers the web
// traffic of programs that use the file. Media of calls does not use it.
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
//   - Chromium takes a file of up to 1 MiB, and never asks a file about localhost and
//     link-local addresses.
package pac

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/renderers/routes"
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
		RouteBytes:  row.Bytes,
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

// Kind is the target as policies name it.
func Kind() renderers.Kind {
	return renderers.Define(info, Options{Form: formFile, MaxBytes: maxFile}, build)
}

func build(opt Options, env renderers.Env) (*renderers.Target, error) {
	var all renderers.Mistakes
	switch {
	case opt.Form != formFile && opt.Form != formFunction:
		all.Option("form", "file or function",
			"no form %.60q", opt.Form)
	case opt.Form == formFunction && (len(opt.Proxies) > 0 || opt.Fallback):
		all.Option("form", `remove these options, or use form = "file"`,
			"a function says nothing of proxies and fallback: your own file does")
	case opt.Form == formFile && len(opt.Proxies) == 0:
		all.Option("proxies", `add proxies = ["PROXY proxy.example.com:8080"], or use form = "function"`,
			"a PAC file without a proxy steers nothing")
	}
	if opt.MaxBytes <= frame {
		all.Option("max_bytes", fmt.Sprintf("say how many your browsers take, more than %d", frame),
			"%d bytes leave no room for routes", opt.MaxBytes)
	}
	for i, p := range opt.Proxies {
		if !isProxy(p) {
			all.Option(fmt.Sprintf("proxies.%d", i), `write the kind, the host and the port: "PROXY proxy.example.com:8080"; kinds are PROXY, HTTPS, SOCKS, SOCKS4 and SOCKS5`,
				"%.80q is no proxy", p)
		}
	}
	if n := len(opt.names()); n > frame/2 {
		all.Option("names", "list fewer, with a * for many",
			"the names are %d bytes, and there is room for %d", n, frame/2)
	}
	caps := info.Caps
	caps.RouteLimits = routeLimits(opt.MaxBytes)
	return &renderers.Target{Caps: caps, Advice: advice, Renderer: &routes.File{
		Env: env, Form: form(opt, env.Name),
		Load: renderers.File{Mode: routes.Plain, On: "a web server", Hand: "serve {} where the clients look for their proxy configuration"},
	}}, all.Err()
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

// advice: whoever makes a PAC file for calls should know what it does not steer.
func advice(*rules.Plan) []*renderers.OptionError {
	return []*renderers.OptionError{{ID: "no-media", Cause: "a PAC file steers the web traffic of browsers, never the media of calls",
		Fix: "give the VPN's own target the same list; see docs/targets/pac.md"}}
}

// names are the elements of the list of names.
func (opt Options) names() string {
	var b strings.Builder
	for _, n := range opt.Names.Patterns {
		b.WriteString(strconv.Quote(n) + ",\n")
	}
	return b.String()
}

// row is a route as an element of the list.
var row = routes.Row{Before: `"`, After: `",`}

// form is a header and a script, which nobody overrides: what another script does, nothing
// could read back.
func form(opt Options, target string) routes.Form {
	return routes.Form{
		Mark: "//", Script: true,
		Check: func(list rules.RouteList) error {
			if list.Families != rules.OnlyIPv4 {
				return fmt.Errorf("it is of %s, and a PAC file knows IPv4 alone", list.Families)
			}
			return nil
		},
		Rows: func(ipranges.Family, rules.Verdict) routes.Rows { return routes.Rows{Row: row} },
		Body: func(list rules.RouteList, rows []byte) ([]byte, error) {
			rest := strings.Join(opt.Proxies, "; ")
			if opt.Fallback {
				rest += "; DIRECT"
			}
			listed := "DIRECT"
			if list.Way == rules.Tunnel {
				listed, rest = rest, listed
			}
			if opt.Form == formFunction && list.Way == rules.Tunnel {
				listed = "PROXY ..."
			}
			return renderers.Execute(info.Name, "file.pac.tmpl", nil, map[string]any{
				"Whole": opt.Form == formFile, "Function": "sallyport_" + target, "Listed": listed, "Rest": rest,
				"Routes": string(rows), "Names": opt.names(),
			})
		},
	}
}
