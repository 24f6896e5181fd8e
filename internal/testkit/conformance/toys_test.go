package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// toyOptions are those of both toys.
type toyOptions struct {
	Device string `policy:"device" doc:"where it goes"`
}

// toyRoutes is a target of routes, of this test alone: it adds what is listed, one line a
// prefix, and then removes what the output before had. A fault is one thing that it does
// wrong.
type toyRoutes struct {
	fault string
	opt   toyOptions
	env   renderers.Env
}

func routesKind(fault string) renderers.Kind {
	caps := rules.Caps{Families: rules.BothFamilies, Verdicts: []rules.Verdict{rules.Bypass, rules.Tunnel}, Defaults: []rules.Verdict{rules.Tunnel, rules.Bypass}}
	caps.RouteLimits = []rules.RouteLimit{{Max: 2000, Families: rules.BothFamilies, Device: "a toy", Source: "its manual"}}
	if fault == "names no source of a limit" {
		caps.RouteLimits[0].Source = ""
	}
	info := renderers.Info{Name: "toy", Title: "Toy", Summary: "a toy", Caps: caps, Load: renderers.PerFamily, Extension: ".toy"}
	return renderers.Define(info, toyOptions{Device: "vpn0"}, func(opt toyOptions, env renderers.Env) (*renderers.Target, error) {
		var all renderers.Mistakes
		if !renderers.IsName(opt.Device, 15, "-") && fault != "takes any device" {
			fix := "letters, digits and dashes"
			if fault == "says a mistake without a fix" {
				fix = ""
			}
			all.Option("device", fix,
				"it is no device")
		}
		x := &toyRoutes{fault, opt, env}
		caps := caps
		caps.RouteBytes = x.routeBytes
		return &renderers.Target{Renderer: x, Caps: caps, Claims: x.claims()}, all.Err()
	})
}

func (x *toyRoutes) routeBytes(p netip.Prefix) int {
	n := len("add  dev \n") + len(p.String()) + len(x.opt.Device)
	switch {
	case x.fault == "counts 900 bytes more for a route":
		n += 900
	case x.fault == "counts a byte less for a route of IPv6" && p.Addr().Is6():
		n--
	}
	return n
}

func (x *toyRoutes) claims() []renderers.Claim {
	c := renderers.Claim{Thing: "the routes by " + x.opt.Device, Option: "device", Cost: "they take turns", Fix: "name another"}
	switch x.fault {
	case "claims at no cost":
		c.Cost = ""
	case "claims by an option that it lacks":
		c.Option = "gateway"
	case "claims the same for every device":
		c.Thing = "the routes"
	}
	return []renderers.Claim{c}
}

func (x *toyRoutes) Render(p *rules.Plan) ([]renderers.File, error) {
	list, err := renderers.Routes(p)
	if err != nil {
		return nil, err
	}
	header := renderers.RouteHeader(p)
	switch x.fault {
	case "has a clock":
		header = append(header, fmt.Sprint("at ", time.Now().UnixNano()))
	case "drops what authors say":
		header = slices.DeleteFunc(header, func(l string) bool { return strings.HasPrefix(l, "rule ") })
	case "writes a line more than it did":
		header = append(header, "a new line")
	case "lets an origin out of its comment":
		header = append(header, p.Provenance.Policy)
	}
	f := renderers.File{Path: x.env.Path, Mode: 0o644, Use: "toy {}", On: "a toy"}
	if x.fault == "does not say how it is loaded" {
		f.Use, f.On = "", ""
	}
	f.Data = []byte("# " + strings.Join(header, "\n# ") + "\n" + strings.Join(x.commands(list), "\n") + "\n")
	return []renderers.File{f}, nil
}

// commands are the lines of a list, after those of the output before.
func (x *toyRoutes) commands(list rules.RouteList) []string {
	before := x.before()
	gone := before.Minus(list.Set)
	var first, adds, removes []string
	for _, f := range list.Families.List() {
		for p := range list.Set.Prefixes(f) {
			adds = append(adds, fmt.Sprintf("add %s dev %s", p, x.opt.Device))
		}
		for p := range gone.Prefixes(f) {
			removes = append(removes, fmt.Sprintf("remove %s", p))
		}
	}
	switch {
	case x.fault == "empties first, and fills then" && !before.IsEmpty():
		first = []string{"clear"}
	case x.fault == "removes first what is there, and adds it again":
		for p := range before.Intersect(list.Set).Prefixes(ipranges.IPv4) {
			first = append(first, fmt.Sprintf("remove %s", p))
		}
	case x.fault == "leaves what is gone":
		removes = nil
	case x.fault == "forgets the last route":
		adds = adds[:len(adds)-1]
	case x.fault == "forgets a family":
		adds = slices.DeleteFunc(adds, func(l string) bool { return strings.Contains(l, ":") })
	case x.fault == "numbers its lines":
		for i := range adds {
			adds[i] += fmt.Sprint(" # ", i)
		}
	}
	return slices.Concat(first, adds, removes)
}

// before is what the output before added.
func (x *toyRoutes) before() ipranges.Set {
	if x.env.Previous == nil {
		return ipranges.Set{}
	}
	var b ipranges.Builder
	for line := range strings.Lines(string(x.env.Previous(x.env.Path))) {
		if words := strings.Fields(line); len(words) > 1 && words[0] == "add" {
			if p, err := ipranges.ParsePrefix(words[1]); err == nil {
				b.AddSet(ipranges.MustParse(p.String()))
			}
		}
	}
	return b.Set()
}

func (x *toyRoutes) ReadBack(files []renderers.File) (*rules.Plan, error) {
	file, err := renderers.FileAt(files, x.env.Path)
	if err != nil {
		return nil, err
	}
	comments, lines := renderers.Uncomment(file.Data, "#")
	way, families, err := renderers.ReadRouteHeader(comments)
	if err != nil {
		if x.fault != "reads a list without a direction" {
			return nil, err
		}
		way, families = rules.Bypass, rules.BothFamilies
	}
	if x.fault == "reads every list as a bypass" {
		way = rules.Bypass
	}
	var b ipranges.Builder
	for _, l := range lines {
		l, _, _ = strings.Cut(l, " # ")
		words := strings.Fields(l)
		if x.fault == "panics on half a line" && words[0] == "add" {
			_ = words[3]
		}
		if words[0] == "remove" || words[0] == "clear" {
			continue
		}
		if len(words) != 4 || words[0] != "add" || words[2] != "dev" || words[3] != x.opt.Device && x.fault != "takes routes by any device" {
			if x.fault == "skips lines that it does not know" {
				continue
			}
			return nil, fmt.Errorf("%q is no line of ours", l)
		}
		p, err := netip.ParsePrefix(words[1])
		if err != nil || p != p.Masked() && x.fault != "reads host bits" || !families.Has(ipranges.FamilyOf(p.Addr())) && x.fault != "reads a family that it does not speak of" {
			return nil, fmt.Errorf("%q: no prefix of ours: %w", l, err)
		}
		if err := b.AddPrefix(p.Masked()); err != nil {
			return nil, err
		}
	}
	if b.Set().IsEmpty() {
		return nil, errors.New("no route")
	}
	return rules.RoutePlan("edge", families, way, b.Set()), nil
}

// toySteps are the commands of a file of toyRoutes.
func toySteps(f renderers.File) (list []Step) {
	for line := range bytes.Lines(f.Data) {
		words := strings.Fields(string(line))
		switch {
		case words[0] == "clear":
			list = append(list, Step{Clears: rules.BothFamilies})
		case words[0] == "add":
			list = append(list, Step{Adds: ipranges.MustParse(words[1])})
		case words[0] == "remove":
			list = append(list, Step{Removes: ipranges.MustParse(words[1])})
		}
	}
	return list
}

func routesContract(fault string) Contract {
	kind := routesKind(fault)
	return Contract{Kind: kind, Variants: []Variant{{Name: "routes", Options: kind.NewOptions()}},
		Mistakes: []Mistake{Wrong("device", &toyOptions{}), Wrong("device", &toyOptions{Device: "vpn0;reboot"})},
		Damages:  Damaged("routes", map[string][2]string{"another device": {"dev vpn0", "dev eth0"}, "a blank address": {"52.112.0.0/14", ""}}),
		Route:    Begins("add "), Steps: toySteps,
	}
}
