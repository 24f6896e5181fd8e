package paloalto

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"sallyport/internal/testkit/conformance"
	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// TestACommandThatFails leaves out each command of a load, one at a time, as if the
// device had refused it: what is then in the candidate allows nothing that the plan does
// not, or cannot be committed. The device is the imitation, and shares no code with the
// target's own reader.
func TestACommandThatFails(t *testing.T) {
	second := rules.NewService("web", rules.Ports(rules.TCP, 80, 80), rules.Ports(rules.TCP, 443, 443), rules.Ports(rules.TCP, 8443, 8443))
	for name, o := range nameVariants() {
		if o.Syntax != syntaxSet {
			continue // what XML holds is loaded a section at a time
		}
		t.Run(name, func(t *testing.T) {
			o.Tag, o.ProfileGroup, o.LogSetting, o.FromZones = "ours", "strict", "to panorama", []string{"trust", "guest"}
			p := named(o)
			p.Rules = append(p.Rules, allow("more", in("two", "10.20.0.0/16", "10.40.0.0/16"), rules.Named("more", p.Rules[0].To.Patterns()), second))
			files := readable(t, *o, p)
			if left := openedBy(t, o, string(files[0].Data), files); left == nil || rules.Compare(p, left) != nil {
				t.Fatalf("the imitation does not see the plan in the whole file: %+v", left)
			}
			lines := strings.SplitAfter(string(files[0].Data), "\n")
			tried, refused := 0, 0
			for i, l := range lines {
				if !strings.HasPrefix(l, "set ") && !strings.HasPrefix(l, "delete ") && !strings.HasPrefix(l, "move ") {
					continue
				}
				tried++
				left := openedBy(t, o, strings.Join(slices.Delete(slices.Clone(lines), i, i+1), ""), files)
				if left == nil {
					refused++
					continue
				}
				for _, f := range conformance.Flows(p, 100) {
					if is, _ := left.Decide(f); is != rules.Allow {
						continue
					}
					if meant, _ := p.Decide(f); meant != rules.Allow {
						t.Errorf("without line %d, %q, the device allows %v", i+1, l, f)
						break
					}
				}
			}
			if tried < 20 || refused < 5 || refused == tried {
				t.Errorf("%d commands tried, and %d leave what cannot be committed", tried, refused)
			}
		})
	}
}

// openedBy is what a device that had nothing of ours allows once src is loaded and
// committed; nil where it cannot be committed. It is for plans that allow only.
func openedBy(t *testing.T, o *Options, src string, files []renderers.File) *rules.Plan {
	t.Helper()
	d := &candidate{values: map[string][]string{}}
	d.load(src)
	p := &rules.Plan{Name: "edge", Families: rules.BothFamilies}
	for _, name := range d.order {
		rule := allow(name, rules.Any(), rules.Any())
		at := "rulebase|security|rules|" + name + "|"
		for _, field := range []string{"from", "to", "source", "destination", "service", "application", "action"} {
			if len(d.values[at+field]) == 0 {
				return nil
			}
		}
		if !subset(d.values[at+"from"], o.FromZones) || !subset(d.values[at+"to"], o.ToZones) || !subset(d.values[at+"application"], []string{"any"}) || d.values[at+"action"][0] != "allow" {
			t.Fatalf("%s: %v", name, d.values)
		}
		if profile := d.values[at+"profile-setting|group"]; !slices.Equal(profile, []string{"strict"}) {
			t.Errorf("%s is allowed with the profiles %q", name, profile)
		}
		var okFrom, okTo bool
		rule.From, okFrom = d.addresses(files, d.values[at+"source"])
		rule.To, okTo = d.addresses(files, d.values[at+"destination"])
		if category := d.values[at+"category"]; len(category) > 0 {
			var urls []string
			if urls, okTo = d.urls(files, category[0]); !rule.To.IsAny() {
				t.Fatalf("%s has a category and destinations", name)
			}
			rule.To = rules.Named(category[0], urls)
		}
		if !okFrom || !okTo {
			return nil
		}
		for _, s := range d.values[at+"service"] {
			lo, hi, proto := 0, 0, rules.TCP
			port := d.values["service|"+s+"|protocol|tcp|port"]
			if port == nil {
				port, proto = d.values["service|"+s+"|protocol|udp|port"], rules.UDP
			}
			if port == nil {
				return nil
			}
			if n, _ := fmt.Sscanf(port[0], "%d-%d", &lo, &hi); n == 1 {
				hi = lo
			}
			rule.Services = append(rule.Services, rules.NewService(s, rules.Ports(proto, uint16(lo), uint16(hi))))
		}
		p.Rules = append(p.Rules, rule)
	}
	if len(p.Rules) == 0 {
		return nil
	}
	return p
}

func subset(list, of []string) bool {
	return !slices.ContainsFunc(list, func(s string) bool { return !slices.Contains(of, s) })
}

// addresses are those that a rule or a group calls by names; false where one is of
// nothing, or of nothing that is whole.
func (c *candidate) addresses(files []renderers.File, names []string) (rules.Addresses, bool) {
	if slices.Equal(names, []string{"any"}) {
		return rules.Any(), true
	}
	var b ipranges.Builder
	var hosts []string
	for _, name := range names {
		own := func(key string) []string { return c.values[strings.Replace(key, "NAME", name, 1)] }
		var list []string
		switch {
		case own("address|NAME|fqdn") != nil:
			hosts = append(hosts, own("address|NAME|fqdn")...)
			continue
		case own("address|NAME|ip-netmask") != nil:
			list = own("address|NAME|ip-netmask")
		case own("address-group|NAME|static") != nil:
			part, ok := c.addresses(files, own("address-group|NAME|static"))
			if !ok {
				return rules.Addresses{}, false
			}
			b.AddSet(part.Set())
			hosts = append(hosts, part.Patterns()...)
			continue
		default:
			var ok bool
			if list, ok = c.fetched(files, name, "ip"); !ok {
				return rules.Addresses{}, false
			}
		}
		for _, l := range list {
			word, _, _ := strings.Cut(l, " ")
			b.AddSet(ipranges.MustParse(word))
		}
	}
	if len(hosts) > 0 {
		return rules.Named(names[0], hosts), true
	}
	return rules.In(names[0], b.Set()), true
}

func (c *candidate) urls(files []renderers.File, category string) ([]string, bool) {
	list, ok := c.fetched(files, category, "url")
	if own := "profiles|custom-url-category|" + category + "|"; !ok {
		if !slices.Equal(c.values[own+"type"], []string{"URL List"}) {
			return nil, false
		}
		list = c.values[own+"list"]
	}
	var hosts []string
	for _, l := range list {
		hosts = append(hosts, strings.TrimSuffix(l, "/"))
	}
	return hosts, true
}

// fetched are the lines of an external dynamic list that is whole: with an address, a
// profile to check the server by, and a schedule.
func (c *candidate) fetched(files []renderers.File, name, kind string) ([]string, bool) {
	own := "external-list|" + name + "|type|" + kind + "|"
	scheduled := slices.ContainsFunc(slices.Collect(maps.Keys(c.values)), func(k string) bool { return strings.HasPrefix(k, own+"recurring") })
	if c.values[own+"url"] == nil || c.values[own+"certificate-profile"] == nil || !scheduled {
		return nil, false
	}
	for _, f := range files {
		if strings.HasSuffix(c.values[own+"url"][0], "/"+f.Path) {
			return strings.Split(strings.TrimSuffix(string(f.Data), "\n"), "\n"), true
		}
	}
	return nil, false
}
