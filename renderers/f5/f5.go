// Package f5 renders plans of routes as the address spaces of a network access resource
// of F5 BIG-IP Access Policy Manager: the subnets that its Edge Clients keep out of the
// tunnel, or send through it.
//
// It is a script for the shell of a BIG-IP. One tmsh command replaces the lists of both
// families at once, so what was withdrawn is gone; an access profile that is named then
// takes them into use. One route a line, in address order. The shell runs it once it has
// read all of it: a script that is cut on its way changes nothing.
//
// Quirks, with where they are documented (2026-11-23; nothing was tried on a device):
//   - the form of the command, the lists as words of a shell, and generation-action to
//     apply an access policy are those of F5's own script for Office 365 (f5regan,
//     o365-apm-split-tunnel, 2020). Its README says that the client on macOS takes no
//     names and, then, no IPv6 to exclude, and that its Always Connected Mode can block
//     what is excluded.
//   - with more than the clients take, "Edge Client cannot establish a tunnel connection":
//     20 KB a property on Windows, 64 KB all on macOS and Linux (BIG-IP APM 17.1,
//     "Creating a custom address space"). How they count is not said: see routeBytes.
//   - an include needs split-tunneling; "none" empties a list (F5's Ansible collection,
//     bigip_apm_network_access; tmsh reference, apm resource network-access).
package f5

import (
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/renderers/routes"
	"sallyport/rules"
)

// Options are the target's options in a policy.
type Options struct {
	Resource      string      `policy:"resource,required" doc:"the network access resource: laptops, or /Common/laptops"`
	Profiles      []string    `policy:"profiles" doc:"access profiles that take the lists into use at once; absent: Apply Access Policy is yours to press"`
	Domains       rules.Hosts `policy:"domains" doc:"bypass: host names that go past the tunnel, names.NAME; not on macOS"`
	MaxBytes      int         `policy:"max_bytes" doc:"how many bytes of routes of a family the Edge Client on Windows takes"`
	MaxTotalBytes int         `policy:"max_total_bytes" doc:"how many bytes of routes the Edge Client on macOS and Linux takes in all"`
}

const (
	maxBytes      = 20 << 10
	maxTotalBytes = 64 << 10
	limitSource   = "BIG-IP APM 17.1, Creating a custom address space"
)

var info = renderers.Info{
	Name:    "f5",
	Title:   "F5 BIG-IP APM",
	Summary: "F5 BIG-IP APM network access for Edge Clients: subnets past the tunnel or through it, as a script of tmsh commands",
	Caps: rules.Caps{
		Families:    rules.BothFamilies,
		Verdicts:    []rules.Verdict{rules.Bypass, rules.Tunnel},
		Defaults:    []rules.Verdict{rules.Tunnel, rules.Bypass},
		RouteLimits: routeLimits(maxBytes, maxTotalBytes),
		RouteBytes:  routeBytes,
	},
	Load: renderers.Transaction,
	Limits: []renderers.Limit{
		{Name: "routes of a family, Windows", Value: "20 KB: about 400 routes", Source: limitSource, Option: "max_bytes"},
		{Name: "routes in all, macOS and Linux", Value: "64 KB: about 1,290 routes", Source: limitSource, Option: "max_total_bytes"},
		{Name: "IPv6 past the tunnel, macOS", Value: "not in 2020", Source: "F5, README of o365-apm-split-tunnel"},
		{Name: "name of a resource or profile", Value: "letters, digits, underscores, dashes and periods", Source: "BIG-IP APM 16.1, Address space settings"},
	},
	Extension: ".sh",
}

func routeLimits(each, all int) []rules.RouteLimit {
	return []rules.RouteLimit{
		{Max: each, Families: rules.BothFamilies, Bytes: true, Device: "the Edge Client on Windows", Source: limitSource, Option: "max_bytes"},
		{Max: all, Families: rules.BothFamilies, Bytes: true, Shared: true, Device: "the Edge Client on macOS and Linux", Source: limitSource, Option: "max_total_bytes"},
	}
}

// routeBytes is what a route is taken to cost a client. F5 says how many bytes it takes,
// and not in what form; about 1,290 IPv4 prefixes are known to be 64 KB, which is 36
// bytes around a prefix of 15 characters.
func routeBytes(p netip.Prefix) int { return around + len(p.String()) }

const around = 36

// Kind is the target as policies name it.
func Kind() renderers.Kind {
	return renderers.Define(info, Options{MaxBytes: maxBytes, MaxTotalBytes: maxTotalBytes}, build)
}

func build(opt Options, env renderers.Env) (*renderers.Target, error) {
	var all renderers.Mistakes
	if why := badName(opt.Resource); why != "" {
		all.Option("resource", "write it as Access > Connectivity / VPN > Network Access Lists does, with its partition or without",
			"%.80q %s", opt.Resource, why)
	}
	for i, p := range opt.Profiles {
		if why := badName(p); why != "" {
			all.Option(fmt.Sprintf("profiles.%d", i), "write it as Access > Profiles / Policies does",
				"%.80q %s", p, why)
		}
	}
	names := 0
	for _, d := range opt.Domains.Patterns {
		if !renderers.IsHostPattern(d) {
			return nil, &renderers.OptionError{Option: "domains", Cause: fmt.Sprintf("%.80q is no host name", d), Fix: "write it in letters, digits, dots and dashes"}
		}
		names += around + len(d)
	}
	for _, n := range []struct {
		option string
		value  int
	}{{"max_bytes", opt.MaxBytes}, {"max_total_bytes", opt.MaxTotalBytes - names}} {
		if n.value < 1 {
			all.Option(n.option, "say how many your clients take",
				"%d bytes are left for routes", n.value)
		}
	}
	if names > opt.MaxBytes && opt.MaxBytes > 0 {
		all.Option("domains", "list fewer names; or say max_bytes = N where your clients take more",
			"the names are %d bytes, and the Edge Client on Windows takes %d (%s)", names, opt.MaxBytes, limitSource)
	}
	caps := info.Caps
	caps.RouteLimits = routeLimits(opt.MaxBytes, opt.MaxTotalBytes-names)
	f := form(opt, env)
	return &renderers.Target{Caps: caps, Renderer: &routes.File{
		Env: env, Form: f, Before: func(list rules.RouteList) error { return leftBehind(env, f, list) },
		Load: renderers.File{Mode: routes.Runs, Use: "ssh root@BIG-IP sh -s < {}", On: "a machine that reaches the BIG-IP by ssh"},
	}}, all.Err()
}

// reserved are words that name no object (BIG-IP APM, Network Access Resource Properties).
var reserved = []string{"all", "delete", "disable", "enable", "help", "list", "none", "show"}

const maxName = 255

// badName says what is wrong with the name of an object, or "".
func badName(name string) string {
	last := name
	if parts := strings.Split(name, "/"); parts[0] == "" && len(parts) > 2 { // /Common/name, /Common/folder/name
		last = parts[len(parts)-1]
		for _, p := range parts[1 : len(parts)-1] {
			if !isWord(p) {
				return "has a partition or folder that cannot be"
			}
		}
	}
	switch {
	case len(name) > maxName:
		return "is too long"
	case !isWord(last):
		return "is no name: letters, digits, underscores, dashes and periods, beginning with a letter or an underscore"
	case slices.Contains(reserved, last):
		return "is a word of tmsh"
	}
	return ""
}

func isWord(s string) bool {
	return renderers.IsName(s, len(s), "_-.") && !strings.ContainsRune("0123456789-.", rune(s[0]))
}

// property is the list of a family, by where its addresses go.
func property(f ipranges.Family, v rules.Verdict) string {
	name := "address-space-exclude-subnet"
	if v == rules.Tunnel {
		name = "address-space-include-subnet"
	}
	if f == ipranges.IPv6 {
		name = "ipv6-" + name
	}
	return name
}

const namesProperty = "address-space-exclude-dns-name"

// row is a route in a list, in the words that F5's own script has.
var row = routes.Row{Before: "{subnet ", After: " }"}

// form is a script that nobody overrides: what another script does, nothing could read
// back. Rows of a family stand in a variable of their own.
func form(opt Options, env renderers.Env) routes.Form {
	variables := map[ipranges.Family]string{ipranges.IPv4: "four", ipranges.IPv6: "six"}
	return routes.Form{
		Mark: "#", Script: true, First: routes.Shell,
		Rows: func(ipranges.Family, rules.Verdict) routes.Rows { return routes.Rows{Row: row} },
		Around: func(list rules.RouteList, f ipranges.Family) (before, after []string) {
			if !list.Families.Has(f) {
				return nil, nil
			}
			return []string{variables[f] + "='"}, []string{"'"}
		},
		Check: func(list rules.RouteList) error {
			if len(opt.Domains.Patterns) > 0 && list.Way == rules.Tunnel {
				return &rules.RuleError{Option: "domains", Cause: "an include has no names: a DNS address space is about where names resolve",
					Fix: "remove domains, and set the DNS address space of the resource yourself"}
			}
			return nil
		},
		Body: func(list rules.RouteList, rows []byte) ([]byte, error) {
			lists := strings.TrimSuffix(string(rows), "\n")
			var properties, none []string
			if list.Way == rules.Tunnel {
				properties = []string{"split-tunneling true"}
			}
			for _, f := range list.Families.List() {
				value := "none"
				if list.Set.Has(f) {
					value = "{ $" + variables[f] + " }"
				}
				properties = append(properties, property(f, list.Way)+" "+value)
				none = append(none, property(f, list.Way)+" none")
			}
			if len(opt.Domains.Patterns) > 0 {
				lists += "\nnames='\n" + strings.Join(opt.Domains.Patterns, "\n") + "\n'"
				properties = append(properties, namesProperty+" replace-all-with { $names }")
				none = append(none, namesProperty+" none")
			}
			return renderers.Execute(info.Name, "load.sh.tmpl", nil, map[string]any{
				"Bypass": list.Way == rules.Bypass, "Resource": opt.Resource, "Profiles": opt.Profiles, "File": renderers.Clean(path.Base(env.Path)),
				"Lists": lists, "Properties": strings.Join(properties, " \\\n  "), "None": strings.Join(none, " "),
				"IPv6": list.Way == rules.Bypass && list.Set.Has(ipranges.IPv6),
			})
		},
	}
}
