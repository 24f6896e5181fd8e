// Package awsclientvpn renders plans of routes for an AWS Client VPN endpoint with a
// split tunnel, as a shell script that calls the AWS CLI.
//
// The script compares what the endpoint has with the list, makes what is missing and
// takes away what is no longer listed. Its routes and authorization rules are those that
// carry a description of ours: others' are neither changed nor counted as ours.
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
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"

	"sallyport/ipranges"
	"sallyport/renderers"
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

type renderer struct {
	opt Options
	env renderers.Env
}

var (
	isEndpoint = regexp.MustCompile(`^cvpn-endpoint-[0-9a-f]{8,32}$`)
	isSubnet   = regexp.MustCompile(`^subnet-[0-9a-f]{8,32}$`)
	// A SID of Active Directory, or the name or number that an identity provider gives.
	isGroup = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.:/@+=-]*$`)
)

func build(opt Options, env renderers.Env) (*renderers.Target, error) {
	var all renderers.Mistakes
	if !isEndpoint.MatchString(opt.Endpoint) {
		all.Option("endpoint", fmt.Sprintf("%.80q is no Client VPN endpoint", opt.Endpoint),
			"write its ID, cvpn-endpoint- and hexadecimal digits, as aws ec2 describe-client-vpn-endpoints shows it")
	}
	if len(opt.Subnets) == 0 {
		all.Option("subnets", "a route needs a subnet", "list those that are associated with the endpoint")
	}
	if !isGroup.MatchString(opt.Authorize) || len(opt.Authorize) > maxGroup {
		all.Option("authorize", fmt.Sprintf("%.80q is no group", opt.Authorize), "write all, none, or the group's ID")
	}
	if opt.MaxRoutes < 1 {
		all.Option("max_routes", fmt.Sprintf("%d routes are none", opt.MaxRoutes), "say how many a subnet takes")
	}
	seen := map[string]bool{}
	for i, s := range opt.Subnets {
		if !isSubnet.MatchString(s) || seen[s] {
			all.Option(fmt.Sprintf("subnets.%d", i), fmt.Sprintf("%.80q is no subnet, or there twice", s),
				"write each once, subnet- and hexadecimal digits, as aws ec2 describe-client-vpn-target-networks shows them")
		}
		seen[s] = true
	}
	r := &renderer{opt, env}
	return &renderers.Target{Renderer: r, Caps: r.caps()}, all.Err()
}

// caps is what the options leave of what the kind can express.
func (r *renderer) caps() rules.Caps {
	caps := info.Caps
	caps.RouteLimits = routeLimits(r.opt.MaxRoutes)
	return caps
}

// Render implements renderers.Renderer.
func (r *renderer) Render(p *rules.Plan) ([]renderers.File, error) {
	list, ok := p.Routes()
	set, v := list.Set, list.Way
	if !ok || v != rules.Tunnel {
		return nil, errors.New("the plan is no list of routes into the tunnel: give the target include")
	}
	if err := r.leftBehind(); err != nil {
		return nil, err
	}
	body, err := r.body(set)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.WriteString("#!/bin/sh\n")
	for _, l := range renderers.RouteHeader(p) {
		b.WriteString("# " + l + "\n")
	}
	b.Write(body)
	return []renderers.File{{Path: r.env.Path, Mode: fs.FileMode(0o755), Data: b.Bytes(),
		Use: "sh {}", Undo: "sh {} remove", On: "a machine with the AWS CLI"}}, nil
}

// body is the script without its header. Nobody overrides it: what another script
// does, nothing could read back.
func (r *renderer) body(set ipranges.Set) ([]byte, error) {
	var routes []byte
	for _, f := range rules.BothFamilies.List() {
		routes = set.AppendPrefixes(routes, f, "", "\n")
	}
	return renderers.Execute("awsclientvpn", "load.sh.tmpl", nil, map[string]any{
		"Endpoint": r.opt.Endpoint, "Subnets": strings.Join(r.opt.Subnets, " "), "Group": r.opt.Authorize, "Most": r.opt.MaxRoutes,
		"Mine": "sallyport-" + r.env.Name, "Routes": string(routes), "File": renderers.Clean(path.Base(r.env.Path)),
	})
}

// leftBehind is an error where the script published before is for another endpoint: this
// one would not take its routes away.
func (r *renderer) leftBehind() error {
	if r.env.Previous == nil {
		return nil
	}
	_, rest, ok := strings.Cut(string(r.env.Previous(r.env.Path)), "\nendpoint='")
	before, _, closed := strings.Cut(rest, "'\n")
	if !ok || !closed || before == r.opt.Endpoint {
		return nil
	}
	return &rules.RuleError{Option: "endpoint", Cause: fmt.Sprintf("%s of an earlier run gives routes to %s, and this one would leave them there", renderers.Clean(r.env.Path), renderers.Clean(before)),
		Fix: fmt.Sprintf("run it with the word remove; then delete %s and run again", renderers.Clean(r.env.Path))}
}

// ReadBack implements renderers.Renderer. It reads the list, and holds the rest to the
// script that would be written for it.
func (r *renderer) ReadBack(files []renderers.File) (*rules.Plan, error) {
	return renderers.ReadFile(files, r.env.Path, r.read)
}

func (r *renderer) read(data []byte) (*rules.Plan, error) {
	header, body, ok := strings.Cut(string(data), "\n\n")
	if !ok || !strings.HasPrefix(header, "#!/bin/sh\n") {
		return nil, errors.New("it does not begin as a script of ours")
	}
	comments, lines := renderers.Uncomment([]byte(header), "#")
	if len(lines) > 0 {
		return nil, fmt.Errorf("%.80q stands in its header", lines[0])
	}
	v, fams, err := renderers.ReadRouteHeader(comments)
	if err != nil {
		return nil, err
	}
	if v != rules.Tunnel {
		return nil, errors.New("its header says bypass, and " + onlyIncludes)
	}
	_, rest, _ := strings.Cut(body, "\nroutes='\n")
	list, _, ok := strings.Cut(rest, "\n'\n")
	if !ok {
		return nil, errors.New("there is no list of routes")
	}
	var b ipranges.Builder
	for line := range strings.SplitSeq(list, "\n") {
		p, err := ipranges.ParsePrefix(line)
		if err == nil && !fams.Has(ipranges.FamilyOf(p.Addr())) {
			err = fmt.Errorf("%s is not of %s", p, fams)
		}
		if err == nil {
			err = b.AddPrefix(p)
		}
		if err != nil {
			return nil, fmt.Errorf("%.80q: %w", line, err)
		}
	}
	want, err := r.body(b.Set())
	if err != nil {
		return nil, err
	}
	if "\n"+body != string(want) {
		return nil, errors.New("it is not the script that sallyport writes for these routes")
	}
	return rules.RoutePlan(r.env.Name, fams, v, b.Set()), nil
}
