package asa

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sallyport/internal/testkit/routecheck"
	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// device is the part of an ASA's running configuration that files change, as Cisco's
// references describe it: entries and values are added by their commands and taken away
// by no, each at once. It shares nothing with the code under test.
type device struct {
	lists  map[string]map[string]bool // entries by access list
	data   map[string]string          // custom data by type and name
	policy map[string]string          // settings by group policy and attribute
}

func newDevice() *device {
	return &device{map[string]map[string]bool{}, map[string]string{}, map[string]string{}}
}

// The grammar of the commands, from the ASA Command Reference (2026-11-23).
var (
	address = `(?:(?:\d{1,3}\.){3}\d{1,3} (?:\d{1,3}\.){3}\d{1,3} any4|[0-9a-f:]+/\d{1,3} any6)`
	grammar = map[string]*regexp.Regexp{
		"entry":  regexp.MustCompile(`^(no )?access-list ([A-Za-z0-9._-]{1,241}) (extended permit ip ` + address + `)$`),
		"clear":  regexp.MustCompile(`^clear configure access-list (\S+)$`),
		"webvpn": regexp.MustCompile(`^webvpn$`),
		"attr":   regexp.MustCompile(`^ anyconnect-custom-attr (dynamic-split-(?:ex|in)clude-domains) description \S.*$`),
		"data":   regexp.MustCompile(`^(no )?anyconnect-custom-data (dynamic-split-(?:ex|in)clude-domains) (\S+)(?: ([a-z0-9.,_-]{1,420}))?$`),
		"policy": regexp.MustCompile(`^group-policy (?:([^" ]{1,64})|"([^"]{1,64})") attributes$`),
		"split":  regexp.MustCompile(`^ (?:no )?(split-tunnel-policy|ipv6-split-tunnel-policy)(?: (excludespecified|tunnelspecified|tunnelall))?$`),
		"list":   regexp.MustCompile(`^ (?:no )?(split-tunnel-network-list)(?: value (\S+))?$`),
		"custom": regexp.MustCompile(`^ (?:no )?(anyconnect-custom dynamic-split-(?:ex|in)clude-domains) value (\S+)$`),
	}
)

// run enters the commands of a file, and calls each after every one.
func (d *device) run(t *testing.T, text []byte, each func()) {
	t.Helper()
	mode := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		if line == "" || line[0] == '!' {
			continue
		}
		kind := ""
		var m []string
		for k, g := range grammar {
			if found := g.FindStringSubmatch(line); found != nil {
				kind, m = k, found
			}
		}
		no := strings.HasPrefix(strings.TrimLeft(line, " "), "no ")
		switch kind {
		case "entry":
			if d.lists[m[2]] == nil {
				d.lists[m[2]] = map[string]bool{}
			}
			if d.lists[m[2]][m[3]] = true; no {
				delete(d.lists[m[2]], m[3])
			}
		case "clear":
			delete(d.lists, m[1])
		case "webvpn":
			mode = "webvpn"
		case "attr":
			if mode != "webvpn" {
				t.Fatalf("%q in mode %q", line, mode)
			}
		case "data":
			if key := m[2] + " " + m[3]; no {
				delete(d.data, key)
			} else {
				d.data[key] += m[4]
			}
		case "policy":
			mode = "group " + m[1] + m[2]
		case "split", "list", "custom":
			if !strings.HasPrefix(mode, "group ") {
				t.Fatalf("%q in mode %q", line, mode)
			}
			if d.policy[mode+" "+m[1]] = m[2]; no {
				delete(d.policy, mode+" "+m[1])
			}
		default:
			t.Fatalf("no command that ASA has: %q", line)
		}
		each()
	}
}

// enter types commands by hand: a prompt shows the mode, so that none is indented.
func (d *device) enter(t *testing.T, commands []string) {
	t.Helper()
	var text strings.Builder
	for _, c := range commands {
		if strings.Contains(c, "split-tunnel") || strings.HasPrefix(c, "no anyconnect-custom ") {
			text.WriteByte(' ')
		}
		text.WriteString(c + "\n")
	}
	d.run(t, []byte(text.String()), nothing)
}

func (d *device) equal(e *device) bool {
	return maps.EqualFunc(d.lists, e.lists, func(a, b map[string]bool) bool { return maps.Equal(a, b) }) && maps.Equal(d.data, e.data) && maps.Equal(d.policy, e.policy)
}

func nothing() {}

// loaded is a device that files were entered into, one after the other.
func loaded(t *testing.T, texts ...[]byte) *device {
	t.Helper()
	d := newDevice()
	for _, text := range texts {
		d.run(t, text, nothing)
	}
	return d
}

// TestLoadingReplaces is the load contract: each file after the one before it equals that
// file alone, though one was never loaded; and nothing that stays is ever away.
func TestLoadingReplaces(t *testing.T) {
	weeks := []*rules.Plan{
		bypass(),
		plan(rules.Bypass, "20.202.0.0/16", "52.112.0.0/13", "2603:1063::/39"),
		plan(rules.Bypass, "20.202.0.0/16", "52.112.0.0/14", "9.9.9.9", "2620:fe::9"),
	}
	for _, opt := range []*Options{options(plain), options(full)} {
		device, previous := newDevice(), []byte(nil)
		for i, p := range weeks {
			_, text := render(t, opt, p, previous)
			_, alone := render(t, opt, p, nil)
			previous = text
			if i == 1 {
				continue // published, and never loaded
			}
			fresh := loaded(t, alone)
			acl := slices.Collect(maps.Keys(fresh.lists))[0]
			var stays []string
			for e := range device.lists[acl] {
				if fresh.lists[acl][e] {
					stays = append(stays, e)
				}
			}
			device.run(t, text, func() {
				for _, e := range stays {
					if !device.lists[acl][e] {
						t.Fatalf("week %d: %s is away for a moment", i, e)
					}
				}
			})
			if !device.equal(fresh) {
				t.Errorf("week %d: %+v after the others, and alone %+v", i, device, fresh)
			}
			if len(fresh.lists[acl]) != numPrefixes(p) {
				t.Errorf("week %d: %d entries, and %d prefixes", i, len(fresh.lists[acl]), numPrefixes(p))
			}
		}
		for key, value := range device.data {
			if value != strings.Join([]string{"example.com", "teams.example.net"}, ",") {
				t.Errorf("%s is %q", key, value)
			}
		}
	}
}

func numPrefixes(p *rules.Plan) int {
	list, _ := p.Routes()
	return list.Set.NumPrefixes(ipranges.IPv4) + list.Set.NumPrefixes(ipranges.IPv6)
}

// TestSettingsAreTakenBack: what an earlier file set and a later one does not set again is
// taken back by that, and by each that follows, with the entries that were withdrawn.
func TestSettingsAreTakenBack(t *testing.T) {
	narrow := func(p *rules.Plan) *rules.Plan {
		p.Families = rules.OnlyIPv4
		return p
	}
	for name, tt := range map[string]struct {
		change func(*Options)
		plan   *rules.Plan
	}{
		"no domains":                  {func(o *Options) { full(o); o.Domains = rules.Hosts{} }, bypass()},
		"another group policy":        {func(o *Options) { full(o); o.GroupPolicy = "GP" }, bypass()},
		"one family":                  {full, narrow(bypass())},
		"a policy, family and domain": {func(o *Options) { full(o); o.GroupPolicy, o.Domains = "GP", rules.Hosts{} }, narrow(bypass())},
		"nothing":                     {full, bypass()},
	} {
		opt := options(tt.change)
		_, first := render(t, options(full), plan(rules.Bypass, "9.9.9.0/24", "52.112.0.0/14", "2620:fe::/48"), nil)
		_, second := render(t, options(full), bypass(), first)
		r, third := render(t, opt, tt.plan, second)
		_, fourth := render(t, opt, tt.plan, third)
		_, fifth := render(t, options(full), bypass(), fourth) // and back again
		if got, err := r.ReadBack([]renderers.File{{Path: "edge.cfg", Data: third}}); err != nil || rules.Compare(tt.plan, got) != nil {
			t.Errorf("%s: it is not read back: %v", name, err)
		}
		for _, loads := range [][][]byte{{first, second, third, fourth}, {first, third}, {first, fourth}, {first, third, fifth}, {first, fifth}} {
			_, text := render(t, opt, tt.plan, nil)
			if &loads[len(loads)-1][0] == &fifth[0] {
				_, text = render(t, options(full), bypass(), nil)
			}
			if got, alone := loaded(t, loads...), loaded(t, text); !got.equal(alone) {
				t.Errorf("%s, %d files: %+v, and alone %+v", name, len(loads), got, alone)
			}
		}
	}
}

// TestRealWeek loads change 398 after change 396.
func TestRealWeek(t *testing.T) {
	opt := options(plain)
	old := rules.RoutePlan("edge", rules.BothFamilies, rules.Bypass, routecheck.AzureCloud(t, 396))
	now := rules.RoutePlan("edge", rules.BothFamilies, rules.Bypass, routecheck.AzureCloud(t, 398))
	_, a := render(t, opt, old, nil)
	_, b := render(t, opt, now, a)
	_, alone := render(t, opt, now, nil)
	device, fresh := loaded(t, a, b), loaded(t, alone)
	if !device.equal(fresh) || len(fresh.lists["sallyport-edge"]) < 3000 {
		t.Errorf("%d entries after change 396, and %d alone", len(device.lists["sallyport-edge"]), len(fresh.lists["sallyport-edge"]))
	}
}

// TestRemoving enters what the header says to remove it: nothing of ours is left.
func TestRemoving(t *testing.T) {
	for _, opt := range []*Options{options(plain), options(full)} {
		_, text := render(t, opt, bypass(), nil)
		d := loaded(t, text)
		_, rest, _ := strings.Cut(string(text), "! Remove: in configuration mode,\n")
		var commands []string
		for line := range strings.Lines(rest) {
			c, ok := strings.CutPrefix(line, "!           ")
			if !ok {
				break
			}
			commands = append(commands, strings.TrimSuffix(c, "\n"))
		}
		d.enter(t, commands)
		if !d.equal(newDevice()) {
			t.Errorf("%+v is left after\n%s", d, commands)
		}
	}
}

// TestNoPolicyWithoutItsList looks after each command, of a first load and of what takes it
// away: a paste can end at any of them.
func TestNoPolicyWithoutItsList(t *testing.T) {
	for _, opt := range []*Options{options(plain), options(full)} {
		_, text := render(t, opt, bypass(), nil)
		d := newDevice()
		whole := numPrefixes(bypass())
		check := func() {
			for key, value := range d.policy {
				mode, _, isPolicy := strings.Cut(key, " split-tunnel-policy")
				if !isPolicy || value == "" {
					continue
				}
				if list := d.policy[mode+" split-tunnel-network-list"]; list == "" || len(d.lists[list]) < whole {
					t.Fatalf("%s goes by the list %q of %d entries", key, list, len(d.lists[list]))
				}
			}
		}
		d.run(t, text, check)
		_, rest, _ := strings.Cut(string(text), "! Remove: in configuration mode,\n")
		for line := range strings.Lines(rest) {
			c, ok := strings.CutPrefix(line, "!           ")
			if !ok {
				break
			}
			if strings.HasPrefix(c, "group-policy ") || strings.HasPrefix(c, "clear ") || strings.HasPrefix(c, "no anyconnect-custom-data") {
				continue // a mode of its own; and what goes when nothing uses it any more
			}
			for key := range d.policy {
				if mode, attribute, _ := strings.Cut(key, " s"); strings.TrimSuffix(c, "\n") == "no s"+attribute {
					delete(d.policy, mode+" s"+attribute)
				}
			}
			check()
		}
	}
}
