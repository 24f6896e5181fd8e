// Package awsclientvpn renders plans of routes for an AWS Client VPN endpoint with a
// split tunnel, as a shell script that calls the AWS CLI.
//
// The script compares what the endpoint has with the list, makes what is missing and
// takes away what is no longer listed. Its routes and authorization rules are those that
// carry sallyport's description; others are neither changed nor counted.
//
// Quirks, with where they are documented (2026-11-23); the script was run with the AWS CLI
// of Debian 12 against an imitation of EC2, and never against AWS:
//   - an endpoint sends routes into the tunnel, and knows none past it (AWS Client VPN
//     Administrator Guide, "Split-tunnel Client VPN endpoint").
//   - each associated subnet should have the same routes; with a split tunnel clients
//     take them when they next connect ("AWS Client VPN routes").
//   - 100 routes a subnet, both families together; 200 authorization rules ("AWS Client VPN
//     quotas").
//   - EC2 takes about ten changes of an endpoint at a time, each of a minute or two, and
//     answers ConcurrentMutationLimitExceeded to more (hashicorp/terraform-provider-aws,
//     issue 19750, 2021; cloudposse/terraform-aws-ec2-client-vpn, pull request 40, 2022).
//   - dual-stack endpoints route IPv6, too ("IPv6 considerations for AWS Client VPN"); the
//     EC2 API's own text of DestinationCidrBlock speaks of IPv4 alone.
package awsclientvpn

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/renderers/routes"
	"sallyport/rules"
)

// Options are the target's options in a policy.
type Options struct {
	Endpoint  string   `policy:"endpoint,required" doc:"the Client VPN endpoint: cvpn-endpoint-..."`
	Subnets   []string `policy:"subnets,required" doc:"its associated subnets, each of which gets every route: subnet-..."`
	Authorize string   `policy:"authorize" doc:"who may use the routes: all, the ID of a group, or none where rules of yours say it"`
	MaxRoutes int      `policy:"max_routes" doc:"how many routes a subnet takes, both families together: your quota less your own routes"`
}

const (
	maxRoutes    = 100
	maxGroup     = 255
	quotas       = "AWS Client VPN Administrator Guide, AWS Client VPN quotas"
	onlyIncludes = "a Client VPN endpoint knows routes into the tunnel, and none past it"
)

var info = renderers.Info{
	Name:    "awsclientvpn",
	Title:   "AWS Client VPN",
	Summary: "AWS Client VPN: routes and authorization rules through the tunnel, as a script for the AWS CLI",
	Caps: rules.Caps{
		Families:    rules.BothFamilies,
		Verdicts:    []rules.Verdict{rules.Tunnel},
		Defaults:    []rules.Verdict{rules.Bypass},
		NoBypass:    map[ipranges.Family]string{ipranges.IPv4: onlyIncludes, ipranges.IPv6: onlyIncludes},
		RouteLimits: routeLimits(maxRoutes),
	},
	Load: renderers.PerFamily,
	Limits: []renderers.Limit{
		{Name: "routes of a subnet, both families together", Value: "100, and more on request", Source: quotas, Option: "max_routes"},
		{Name: "authorization rules of an endpoint", Value: "200, and more on request", Source: quotas},
		{Name: "ID of a group", Value: "255 characters", Source: quotas},
		{Name: "routes past the tunnel", Value: "none", Source: "AWS Client VPN Administrator Guide, Split-tunnel Client VPN endpoint"},
	},
	Extension: ".sh",
}

func routeLimits(most int) []rules.RouteLimit {
	return []rules.RouteLimit{{Max: most, Families: rules.BothFamilies, Shared: true, Device: "a subnet of a Client VPN endpoint", Source: quotas, Option: "max_routes"}}
}

// Kind is the target as policies name it.
func Kind() renderers.Kind {
	return renderers.Define(info, Options{Authorize: everybody, MaxRoutes: maxRoutes}, build)
}

// Values of authorize that are no group.
const (
	everybody = "all"
	nobody    = "none"
)

// isID reports whether s is the prefix of a kind of thing in EC2 and 8 to 32 hexadecimal
// digits.
func isID(prefix, s string) bool {
	digits, ok := strings.CutPrefix(s, prefix)
	return ok && len(digits) >= 8 && len(digits) <= 32 && strings.Trim(digits, "0123456789abcdef") == ""
}

// isGroup takes a SID of Active Directory, or the name or number that an identity provider
// gives.
func isGroup(s string) bool {
	return renderers.IsName(s, maxGroup, "_.:/@+=-") && !strings.ContainsRune(".:/@+=-", rune(s[0]))
}

func build(opt Options, env renderers.Env) (*renderers.Target, error) {
	var all renderers.Mistakes
	if !isID("cvpn-endpoint-", opt.Endpoint) {
		all.Option("endpoint", "write its ID, cvpn-endpoint- and hexadecimal digits, as aws ec2 describe-client-vpn-endpoints shows it",
			"%.80q is no Client VPN endpoint", opt.Endpoint)
	}
	if len(opt.Subnets) == 0 {
		all.Option("subnets", "list those that are associated with the endpoint",
			"a route needs a subnet")
	}
	if !isGroup(opt.Authorize) {
		all.Option("authorize", "write all, none, or the group's ID",
			"%.80q is no group", opt.Authorize)
	}
	if opt.MaxRoutes < 1 {
		all.Option("max_routes", "say how many a subnet takes",
			"%d routes are none", opt.MaxRoutes)
	}
	seen := map[string]bool{}
	for i, s := range opt.Subnets {
		if !isID("subnet-", s) || seen[s] {
			all.Option(fmt.Sprintf("subnets.%d", i), "write each once, subnet- and hexadecimal digits, as aws ec2 describe-client-vpn-target-networks shows them",
				"%.80q is no subnet, or there twice", s)
		}
		seen[s] = true
	}
	caps := info.Caps
	caps.RouteLimits = routeLimits(opt.MaxRoutes)
	return &renderers.Target{Caps: caps, Renderer: &routes.File{
		Env: env, Form: form(opt, env),
		Load:   renderers.File{Mode: routes.Runs, Use: "sh {}", Undo: "sh {} remove", On: "a machine with the AWS CLI"},
		Before: func(rules.RouteList) error { return leftBehind(opt, env) },
	}}, all.Err()
}

// form is a script that nobody overrides: what another script does, nothing could read
// back.
func form(opt Options, env renderers.Env) routes.Form {
	return routes.Form{
		Mark: "#", Script: true, First: routes.Shell,
		Rows: func(ipranges.Family, rules.Verdict) routes.Rows { return routes.Rows{} },
		Check: func(list rules.RouteList) error {
			if list.Way != rules.Tunnel {
				return errors.New("it is a bypass, and " + onlyIncludes)
			}
			return nil
		},
		Body: func(_ rules.RouteList, rows []byte) ([]byte, error) {
			return renderers.Execute(info.Name, "load.sh.tmpl", nil, map[string]any{
				"Endpoint": opt.Endpoint, "Subnets": strings.Join(opt.Subnets, " "), "Group": opt.Authorize, "Most": opt.MaxRoutes,
				"Mine": "sallyport-" + env.Name, "Routes": string(rows), "File": renderers.Clean(path.Base(env.Path)),
			})
		},
	}
}

// leftBehind is an error where the script published before is for another endpoint: this
// one would not take its routes away.
func leftBehind(opt Options, env renderers.Env) error {
	_, rest, ok := strings.Cut(string(env.Previous(env.Path)), "\nendpoint='")
	before, _, closed := strings.Cut(rest, "'\n")
	if !ok || !closed || before == opt.Endpoint {
		return nil
	}
	file := renderers.Clean(env.Path)
	return &rules.RuleError{Option: "endpoint", Cause: fmt.Sprintf("%s of an earlier run gives routes to %s, and this one would leave them there", file, renderers.Clean(before)),
		Fix: fmt.Sprintf("run it with the word remove; then delete %s and run again", file)}
}
