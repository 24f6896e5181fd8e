package fortigate

import (
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sallyport/internal/testkit/routecheck"
	"sallyport/renderers"
	"sallyport/rules"
)

// device is the part of a FortiGate's configuration that files change, as Fortinet's
// references describe it: edit begins a draft of an entry, next or end saves it, set
// replaces an attribute's values and append adds to them, and what is referred to cannot
// be deleted. It shares nothing with the code under test.
type device map[string]map[string]map[string][]string // tables, entries, attributes

func newDevice() device { return device{} }

// attributes of the tables, with how many values each takes: 0 is any number.
var attributes = map[string]map[string]int{
	"firewall address": {"subnet": 2}, "firewall address6": {"ip6": 1},
	"firewall addrgrp": {"member": 0}, "firewall addrgrp6": {"member": 0},
	"vpn ipsec phase1-interface": {"ipv4-split-exclude": 1, "ipv4-split-include": 1, "ipv6-split-exclude": 1, "ipv6-split-include": 1},
	"vpn ssl web portal": {"split-tunneling": 1, "split-tunneling-routing-negate": 1, "split-tunneling-routing-address": 0,
		"ipv6-split-tunneling": 1, "ipv6-split-tunneling-routing-negate": 1, "ipv6-split-tunneling-routing-address": 0},
}

// refers are the tables that an attribute's values name entries of.
var refers = map[string][]string{
	"firewall addrgrp member": {"firewall address", "firewall addrgrp"}, "firewall addrgrp6 member": {"firewall address6", "firewall addrgrp6"},
	"vpn ipsec phase1-interface ipv4-split-exclude": {"firewall address", "firewall addrgrp"}, "vpn ipsec phase1-interface ipv4-split-include": {"firewall address", "firewall addrgrp"},
	"vpn ipsec phase1-interface ipv6-split-exclude": {"firewall address6", "firewall addrgrp6"}, "vpn ipsec phase1-interface ipv6-split-include": {"firewall address6", "firewall addrgrp6"},
	"vpn ssl web portal split-tunneling-routing-address":      {"firewall address", "firewall addrgrp"},
	"vpn ssl web portal ipv6-split-tunneling-routing-address": {"firewall address6", "firewall addrgrp6"},
}

var goodName = regexp.MustCompile(`^[^<>()#"'?\s][^<>()#"'?]{0,78}$`)

func words(line string) []string {
	var list []string
	for i, part := range strings.Split(line, `"`) {
		if i%2 == 1 {
			list = append(list, part)
		} else {
			list = append(list, strings.Fields(part)...)
		}
	}
	return list
}

// has reports whether an entry is there that a value can name.
func (d device) has(where []string, name string) bool {
	return slices.ContainsFunc(where, func(table string) bool { return d[table][name] != nil })
}

// inUse reports whether anything names the entry.
func (d device) inUse(table, name string) bool {
	for t, entries := range d {
		for _, attrs := range entries {
			for a, values := range attrs {
				if slices.Contains(refers[t+" "+a], table) && slices.Contains(values, name) {
					return true
				}
			}
		}
	}
	return false
}

// run enters the commands of a file, and calls each after every one.
func (d device) run(t *testing.T, text []byte, each func()) {
	t.Helper()
	var table, entry, vdom string
	var draft map[string][]string
	save := func() {
		if draft == nil {
			return
		}
		if d[table] == nil {
			d[table] = map[string]map[string][]string{}
		}
		d[table][entry], draft = draft, nil
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if len(line) > 2000 {
			t.Fatalf("a line of %d characters", len(line))
		}
		w := words(line)
		switch {
		case line == "config vdom":
			vdom = "none"
		case w[0] == "edit" && vdom == "none" && len(w) == 2:
			vdom = w[1]
		case w[0] == "config" && table == "" && attributes[line[7:]] != nil:
			table = line[7:]
		case w[0] == "edit" && table != "" && draft == nil && len(w) == 2 && goodName.MatchString(w[1]):
			entry, draft = w[1], maps.Clone(d[table][w[1]])
			if draft == nil {
				draft = map[string][]string{}
			}
		case (w[0] == "set" || w[0] == "append" || w[0] == "unset") && draft != nil && len(w) > 1:
			d.change(t, table, draft, w)
		case w[0] == "delete" && table != "" && draft == nil && len(w) == 2:
			if d.inUse(table, w[1]) {
				t.Fatalf("%q of %s is in use", w[1], table)
			}
			delete(d[table], w[1])
		case line == "next" && draft != nil:
			save()
		case line == "end" && table != "":
			save()
			table = ""
		case line == "end" && vdom != "":
			vdom = ""
		default:
			t.Fatalf("no command that FortiOS has here: %q", line)
		}
		each()
	}
	if table != "" || vdom != "" || draft != nil {
		t.Fatalf("the file ends inside %s", table)
	}
}

func (d device) change(t *testing.T, table string, draft map[string][]string, w []string) {
	t.Helper()
	takes, known := attributes[table][w[1]]
	values := w[2:]
	switch {
	case !known:
		t.Fatalf("%s has no attribute %s", table, w[1])
	case w[0] == "unset":
		delete(draft, w[1])
		return
	case len(values) == 0 || takes > 0 && len(values) != takes || takes > 0 && w[0] == "append":
		t.Fatalf("%s of %s cannot be %q", w[1], table, values)
	}
	for _, v := range values {
		if where := refers[table+" "+w[1]]; where != nil && !d.has(where, v) {
			t.Fatalf("%q is not there for %s of %s", v, w[1], table)
		}
	}
	if w[0] == "append" {
		values = append(slices.Clone(draft[w[1]]), values...)
	}
	draft[w[1]] = values
}

func (d device) equal(e device) bool {
	clean := func(d device) device {
		out := device{}
		for t, entries := range d {
			if len(entries) > 0 {
				out[t] = entries
			}
		}
		return out
	}
	return maps.EqualFunc(clean(d), clean(e), func(a, b map[string]map[string][]string) bool {
		return maps.EqualFunc(a, b, func(a, b map[string][]string) bool { return maps.EqualFunc(a, b, slices.Equal) })
	})
}

// routes are the prefixes that the groups of both families hold, resolved through their
// members.
func (d device) routes(t *testing.T, prefix string) map[string]bool {
	t.Helper()
	out := d.routesOf(t, prefix+"v4")
	maps.Copy(out, d.routesOf(t, prefix+"v6"))
	return out
}

func (d device) routesOf(t *testing.T, group string) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	for _, table := range []string{"firewall addrgrp", "firewall addrgrp6"} {
		for _, m := range d[table][group]["member"] {
			if a := d["firewall address6"][m]["ip6"]; a != nil {
				out[a[0]] = true
				continue
			}
			subnet := d["firewall address"][m]["subnet"]
			bits := 0
			for _, b := range netip.MustParseAddr(subnet[1]).AsSlice() {
				for ; b != 0; b <<= 1 {
					bits++
				}
			}
			out[netip.PrefixFrom(netip.MustParseAddr(subnet[0]), bits).String()] = true
		}
	}
	return out
}

func nothing() {}

// loaded is a device that files were entered into, one after the other.
func loaded(t *testing.T, texts ...[]byte) device {
	t.Helper()
	d := newDevice()
	for _, text := range texts {
		d.run(t, text, nothing)
	}
	return d
}

func want(p *rules.Plan) map[string]bool {
	routes, _ := p.Routes()
	set := routes.Set
	out := map[string]bool{}
	for _, f := range rules.BothFamilies.List() {
		for prefix := range set.Prefixes(f) {
			out[prefix.String()] = true
		}
	}
	return out
}

// TestLoadingReplaces is the load contract: each file after the one before it equals that
// file alone, though one was never loaded; and a route that stays is never away.
func TestLoadingReplaces(t *testing.T) {
	weeks := []*rules.Plan{
		bypass(),
		plan(rules.Bypass, "20.202.0.0/16", "52.112.0.0/13", "8.8.8.8", "2603:1063::/39"),
		plan(rules.Bypass, "20.202.0.0/16", "52.112.0.0/14", "9.9.9.9", "2620:fe::9"),
	}
	for _, opt := range []*Options{options(plain), options(portal)} {
		prefix := map[string]string{"": "sp-edge-", "acs.": "acs."}[opt.Prefix]
		d, previous := newDevice(), []byte(nil)
		for i, p := range weeks {
			_, text := render(t, opt, p, previous)
			_, alone := render(t, opt, p, nil)
			previous = text
			if i == 1 {
				continue // published, and never d
			}
			fresh := loaded(t, alone)
			all := want(p)
			before := map[string]bool{}
			for r := range d.routes(t, prefix) {
				before[r] = all[r]
			}
			d.run(t, text, func() {
				now := d.routes(t, prefix)
				for r, stays := range before {
					if stays && !now[r] {
						t.Fatalf("week %d: %s is away for a moment", i, r)
					}
				}
			})
			got := d.routes(t, prefix)
			if !d.equal(fresh) || !maps.Equal(got, all) {
				t.Errorf("week %d: %v after the others, and alone %v", i, d, fresh)
			}
		}
	}
}

// TestAFamilyIsTakenBack: the attributes of a family that has gone are unset, by each file
// that follows, too, and what they named is deleted; a family that comes again is set.
func TestAFamilyIsTakenBack(t *testing.T) {
	only4 := func(p *rules.Plan) *rules.Plan {
		p.Families = rules.OnlyIPv4
		return p
	}
	for _, opt := range []*Options{options(plain), options(portal)} {
		for name, v4 := range map[string]*rules.Plan{"families": only4(bypass()), "the list": plan(rules.Bypass, "20.202.0.0/16")} {
			_, first := render(t, opt, plan(rules.Bypass, "9.9.9.0/24", "52.112.0.0/14", "2620:fe::/48"), nil)
			_, second := render(t, opt, bypass(), first)
			r, third := render(t, opt, v4, second)
			_, fourth := render(t, opt, v4, third)
			_, fifth := render(t, opt, bypass(), fourth)
			if got, err := r.ReadBack([]renderers.File{{Path: "edge.conf", Data: third}}); err != nil || rules.Compare(v4, got) != nil {
				t.Errorf("%s: it is not read back: %v", name, err)
			}
			for _, loads := range [][][]byte{{first, second, third, fourth}, {first, third}, {first, fourth}, {first, third, fifth}, {first, fifth}} {
				_, text := render(t, opt, v4, nil)
				if &loads[len(loads)-1][0] == &fifth[0] {
					_, text = render(t, opt, bypass(), nil)
				}
				if got, alone := loaded(t, loads...), loaded(t, text); !got.equal(alone) {
					t.Errorf("%s, %d files: %v, and alone %v", name, len(loads), got, alone)
				}
			}
		}
	}
}

// undo enters the commands that an error advises, and deletes what it names: groups, and
// then all addresses whose names begin so.
func (d device) undo(t *testing.T, fix string) {
	t.Helper()
	_, rest, _ := strings.Cut(fix, ": ")
	commands, rest, ok := strings.Cut(rest, "; delete there the groups ")
	groups, rest, _ := strings.Cut(rest, ", and then the addresses whose names begin with ")
	prefixes, rest, ends := strings.Cut(rest, "; then delete edge.conf")
	if !ok || !ends || rest == "" {
		t.Fatalf("no advice in %q", fix)
	}
	d.run(t, []byte(strings.ReplaceAll(commands, "; ", "\n")+"\n"), nothing)
	for _, table := range []string{"firewall addrgrp", "firewall addrgrp6", "firewall address", "firewall address6"} {
		for _, name := range slices.Collect(maps.Keys(d[table])) {
			ours := slices.Contains(strings.Split(groups, ", "), name)
			if strings.HasPrefix(table, "firewall address") {
				ours = slices.ContainsFunc(strings.Split(prefixes, " or "), func(p string) bool { return strings.HasPrefix(name, p) })
			}
			if !ours {
				continue
			}
			if d.inUse(table, name) {
				t.Fatalf("%q of %s is in use", name, table)
			}
			delete(d[table], name)
		}
	}
}

// TestAnotherPrefixTakesTheOldNamesAway, once the tunnel uses the new ones.
func TestAnotherPrefixTakesTheOldNamesAway(t *testing.T) {
	_, a := render(t, options(plain), bypass(), nil)
	_, b := render(t, options(func(o *Options) { o.Prefix = "acs-" }), bypass(), a)
	_, alone := render(t, options(func(o *Options) { o.Prefix = "acs-" }), bypass(), nil)
	if got, fresh := loaded(t, a, b), loaded(t, alone); !got.equal(fresh) {
		t.Errorf("%v, and alone %v", got, fresh)
	}
}

// TestRealWeek loads change 398 after change 396.
func TestRealWeek(t *testing.T) {
	opt := options(func(o *Options) { o.MaxRoutes = 5000 })
	old := rules.RoutePlan("edge", rules.BothFamilies, rules.Bypass, routecheck.AzureCloud(t, 396))
	now := rules.RoutePlan("edge", rules.BothFamilies, rules.Bypass, routecheck.AzureCloud(t, 398))
	_, a := render(t, opt, old, nil)
	_, b := render(t, opt, now, a)
	_, alone := render(t, opt, now, nil)
	d := loaded(t, a, b)
	got := d.routes(t, "sp-edge-")
	if !d.equal(loaded(t, alone)) || !maps.Equal(got, want(now)) || len(got) < 3000 {
		t.Errorf("%d routes after change 396, of %d", len(got), len(want(now)))
	}
}

// TestRemoving enters what the header says to remove it, and what it says of names.
func TestRemoving(t *testing.T) {
	for _, opt := range []*Options{options(plain), options(portal)} {
		_, text := render(t, opt, bypass(), nil)
		d := loaded(t, text)
		_, rest, _ := strings.Cut(string(text), "# Remove: in the CLI,\n")
		var commands string
		for line := range strings.Lines(rest) {
			c, ok := strings.CutPrefix(line, "#           ")
			if !ok {
				break
			}
			commands += c
		}
		d.run(t, []byte(commands), nothing)
		for table, entries := range d {
			for name, attrs := range entries {
				if strings.HasPrefix(table, "vpn ") && len(attrs) > 0 {
					t.Errorf("%s %s keeps %v after\n%s", table, name, attrs, commands)
				}
			}
		}
	}
}

// TestCommandsThatFail loses one address object at a time of a second file: FortiOS goes on
// after the commands that name it. Nothing goes past the tunnel, then, but what the list
// has; and what went through it, and is in the list, still does.
func TestCommandsThatFail(t *testing.T) {
	for _, v := range []rules.Verdict{rules.Bypass, rules.Tunnel} {
		old := plan(v, "9.9.9.0/24", "20.202.0.0/16", "52.112.0.0/14", "2620:fe::/48")
		now := plan(v, "20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "52.123.4.0/24", "2603:1063::/38", "2620:fe::9")
		_, a := render(t, options(plain), old, nil)
		_, b := render(t, options(plain), now, a)
		objects := regexp.MustCompile(`(?m)^    edit "(sp-edge-[^"]*_\d+)"\n        set .*\n    next\n`)
		list := want(now)
		lost := objects.FindAllStringSubmatch(string(b), -1)
		if len(lost) < 4 {
			t.Fatalf("%d objects in\n%s", len(lost), b)
		}
		for _, object := range lost {
			d := loaded(t, a)
			if d["firewall address"][object[1]] != nil || d["firewall address6"][object[1]] != nil {
				continue // it is there already
			}
			text := strings.Replace(string(b), object[0], "", 1)
			failing := regexp.MustCompile(`(?m)^        (set|append) member .*"` + regexp.QuoteMeta(object[1]) + `".*\n`)
			text = failing.ReplaceAllString(text, "")
			text = regexp.MustCompile(`(?m)^    delete .*\n`).ReplaceAllString(text, "") // what is still used stays
			d.run(t, []byte(text), nothing)
			got := d.routes(t, "sp-edge-")
			for route := range got {
				if v == rules.Bypass && !list[route] {
					t.Errorf("without %s, %s goes past the tunnel", object[1], route)
				}
			}
			for route := range want(old) {
				if v == rules.Tunnel && list[route] && !got[route] {
					t.Errorf("without %s, %s leaves the tunnel", object[1], route)
				}
			}
		}
	}
}
