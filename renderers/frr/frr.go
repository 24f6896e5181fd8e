// Package frr renders plans of routes as static routes of FRR, for vtysh, with a
// script that loads them.
//
// The list is of what goes past a VPN, by way of the gateway of the uplink, or of
// what goes through it, by way of the tunnel's device: the plan says which, and the
// options name the hop. With exceptions they name the other hop, too (package nexthop).
//
// Every route carries a tag of its own, by which it is known as ours. vtysh -f only
// adds; the script then asks FRR for what it has under the tag, and takes out what the
// list no longer holds. A line of the list is written exactly as FRR's running
// configuration shows it, so that the two can be compared.
//
// Quirks, FRR 8.4.4 (Debian 12), tried in November 2026:
//   - vtysh -f ends with 0 when staticd is not running, and when a route to be removed
//     is not there; so the script counts afterwards.
//   - A route whose gateway is not on the device is taken without a word and stays out
//     of the kernel, unless a route in force leads to that gateway by the device.
//   - Static routes for one prefix and of one distance share their tag, so ours have a
//     distance of their own. By one next hop there is one route for a prefix: ours would
//     replace the admin's, whatever its distance, so the script refuses such a list.
//   - IPv6 addresses in ::/96 are shown the old way, ::1.2.3.0: refused.
package frr

import (
	"bytes"
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/renderers/routes"
	"sallyport/renderers/routes/nexthop"
	"sallyport/rules"
)

// Options are the target's options in a policy.
type Options struct {
	nexthop.ToOptions
	Tag      int `policy:"tag" doc:"the number that marks routes as ours; one for each target on a machine"`
	Distance int `policy:"distance" doc:"the administrative distance of our routes; where another route is for the same prefix, the lower one wins"`
	Table    int `policy:"table" doc:"the number of the kernel's routing table; absent: main"`
	nexthop.OtherOptions
}

const (
	defaultTag = 213
	// defaultDistance is not staticd's own: routes for one prefix and of one distance
	// share their tag, and ours would take a route of the admin's over.
	defaultDistance = 13
	hiddenDistance  = 1 // what staticd gives, and does not show
)

var info = renderers.Info{
	Name:    "frr",
	Title:   "FRR",
	Summary: "FRR: static routes for vtysh, under a tag of their own, and a script that loads them",
	Caps:    routes.Caps(),
	Load:    renderers.PerFamily,
	Limits: []renderers.Limit{
		{Name: "routes", Value: "no limit known", Source: "FRR 8.4.4: all of AzureCloud with the relays, 3,117 prefixes, takes 5 s, and a week's change 1 s, measured"},
	},
	Extension: ".conf",
}

// Kind is the target as policies name it.
func Kind() renderers.Kind {
	return renderers.Define(info, Options{Tag: defaultTag, Distance: defaultDistance}, build)
}

type renderer struct {
	env  renderers.Env
	opt  Options
	ways nexthop.Ways
	list routes.File
}

func build(opt Options, env renderers.Env) (*renderers.Target, error) {
	var all renderers.Mistakes
	ways, err := nexthop.Parse(opt.ToOptions, opt.OtherOptions)
	all.Add(err)
	mistake := func(is bool, option, fix, cause string, args ...any) {
		if is {
			all.Option(option, fix,
				cause, args...)
		}
	}
	const answer = "FRR takes %q for a word of its own, and would drop the packets"
	mistake(opt.Device != "" && isAnswer(opt.Device), "device", "rename the link", answer, opt.Device)
	mistake(opt.OtherDevice != "" && opt.Exceptions && isAnswer(opt.OtherDevice), "other_device", "rename the link", answer, opt.OtherDevice)
	mistake(opt.Tag < 1 || int64(opt.Tag) > 1<<32-1, "tag", "use a number from 1 to 4294967295 that no other route of yours has", "%d is no tag", opt.Tag)
	mistake(opt.Distance < 1 || opt.Distance > 255, "distance", "use a number from 1 to 255", "%d is no administrative distance", opt.Distance)
	mistake(opt.Table < 0 || int64(opt.Table) > 1<<32-1, "table", "use the number of a table, or leave the option out", "%d is no routing table", opt.Table)
	mistake(opt.Table >= 253 && opt.Table <= 255, "table", "leave the option out for the main table, or use another number", "table %d is the kernel's", opt.Table)
	mistake(path.Ext(env.Path) == ".sh", "path", "choose another ending, such as .conf", "the list is no script, and its script ends in .load.sh")
	r := &renderer{env: env, opt: opt, ways: ways}
	form := r.form()
	r.list = routes.File{Form: form, Env: env, Kind: info.Name, Template: "routes.conf.tmpl", Load: renderers.File{Mode: routes.Plain}, Data: r.data}
	return &renderers.Target{Renderer: r, Caps: ways.Caps(form), Claims: r.claims()}, all.Err()
}

// form is the list of routes as FRR's running configuration shows it.
func (r *renderer) form() routes.Form {
	form := r.ways.Form("!", r.words)
	hops := form.Check
	form.Check = func(list rules.RouteList) error {
		for p := range list.Set.Prefixes(ipranges.IPv6) {
			if old := netip.PrefixFrom(netip.IPv6Unspecified(), 96); p.Bits() > 96 && old.Contains(p.Addr()) {
				return list.Refuse(fmt.Sprintf("%s is an IPv4-compatible address (RFC 4291 gave them up), and FRR writes it in another way", p),
					"take it out of the list")
			}
		}
		return hops(list)
	}
	return form
}

// isAnswer reports whether FRR could read a device's name as the word for a route that
// drops or refuses packets; vtysh takes words cut short.
func isAnswer(device string) bool {
	for _, word := range []string{"blackhole", "reject", "Null0"} {
		if strings.HasPrefix(word, device) {
			return true
		}
	}
	return false
}

// claims is what the target takes for itself.
func (r *renderer) claims() []renderers.Claim {
	return []renderers.Claim{{Thing: fmt.Sprintf("FRR's routes of tag %d", r.opt.Tag), Option: "tag", MayDiffer: true,
		Cost: "the script of one takes the routes of the other away", Fix: "where both are for one machine, give one of them another tag"}}
}

// running prints, by sed -nE, parts of FRR's running configuration.
func running(sed string) string {
	return "vtysh -c 'show running-config' | sed -nE '" + sed + "'"
}

// ours prints our routes that FRR has, as it has them; show is what sed does
// with them.
func (r *renderer) ours(show string) string {
	return running(fmt.Sprintf("/^ip(v6)? route .* tag %d( |$)/%s", r.opt.Tag, show))
}

// theirs prints the other routes of FRR's that lead to our next hops, as prefix and
// hop alone.
func (r *renderer) theirs() string {
	sed := fmt.Sprintf("/ tag %d( |$)/d", r.opt.Tag)
	for _, f := range rules.BothFamilies.List() {
		for _, h := range []nexthop.Hop{r.ways.By[f].To, r.ways.By[f].Other} {
			if h == (nexthop.Hop{}) {
				continue
			}
			sed += fmt.Sprintf("; s/^(%s[^ ]+%s)( tag [0-9]+)?( [0-9]+)?%s$/\\1/p", routeWord(f), strings.ReplaceAll(hopWords(h), ".", `\.`), r.tableWords())
		}
	}
	return running(sed)
}

// scriptPath is where the script that loads the list goes.
func (r *renderer) scriptPath() string {
	return strings.TrimSuffix(r.env.Path, path.Ext(r.env.Path)) + ".load.sh"
}

// remove is the command that takes the routes out of FRR.
func (r *renderer) remove() string { return r.ours("s/^/no /p") + " | vtysh -f /dev/stdin" }

func (r *renderer) script() (renderers.File, error) {
	shell, err := renderers.ShellOf(r.env.Name)
	if err != nil {
		return renderers.File{}, err
	}
	data, err := renderers.Execute("frr", "load.sh.tmpl", r.env.Templates, map[string]any{
		"Turns": shell.Turns, "Tag": r.opt.Tag, "Ext": renderers.ShellWord(path.Ext(r.env.Path)), "Ours": r.ours("p"), "Theirs": r.theirs(),
	})
	return renderers.File{Path: r.scriptPath(), Mode: routes.Runs, Data: data, Use: "sh {}", Undo: r.remove(), On: "the router with FRR"}, err
}

// data is what the template of the list gets of the target's own.
func (r *renderer) data(list rules.RouteList) map[string]any {
	return map[string]any{"Hops": r.ways.Hops(list), "Tag": r.opt.Tag,
		"Script": renderers.ShellWord(renderers.Clean(path.Base(r.scriptPath()))), "Remove": r.remove()}
}

// Render implements renderers.Renderer.
func (r *renderer) Render(p *rules.Plan) ([]renderers.File, error) {
	files, err := r.list.Render(p)
	if err != nil {
		return nil, err
	}
	script, err := r.script()
	return append(files, script), err
}

// words around the prefix of a route of f, as FRR's running configuration has them.
func (r *renderer) words(f ipranges.Family) nexthop.Words {
	return func(h nexthop.Hop) (before, after string) {
		after = fmt.Sprintf("%s tag %d", hopWords(h), r.opt.Tag)
		if r.opt.Distance != hiddenDistance {
			after += fmt.Sprintf(" %d", r.opt.Distance)
		}
		return routeWord(f), after + r.tableWords()
	}
}

func routeWord(f ipranges.Family) string {
	if f == ipranges.IPv6 {
		return "ipv6 route "
	}
	return "ip route "
}

func hopWords(h nexthop.Hop) string {
	if h.Gateway.IsValid() {
		return fmt.Sprintf(" %s %s", h.Gateway, h.Device)
	}
	return " " + h.Device
}

func (r *renderer) tableWords() string {
	if r.opt.Table == 0 {
		return ""
	}
	return fmt.Sprintf(" table %d", r.opt.Table)
}

// ReadBack implements renderers.Renderer. The script has to be the one of these options.
func (r *renderer) ReadBack(files []renderers.File) (*rules.Plan, error) {
	script, err := renderers.FileAt(files, r.scriptPath())
	if err != nil {
		return nil, err
	}
	want, err := r.script()
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(script.Data, want.Data) {
		return nil, fmt.Errorf("%s: not the script of these options", script.Path)
	}
	return r.list.ReadBack(slices.DeleteFunc(slices.Clone(files), func(f renderers.File) bool { return f.Path == script.Path }))
}
