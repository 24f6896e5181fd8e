package paloalto

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"sallyport/internal/testkit/rendered"
	"sallyport/renderers"
	"sallyport/rules"
)

// candidate imitates the candidate configuration of a firewall, from what the
// PAN-OS documentation says of the commands: set adds to lists and replaces single
// values, delete takes an entry away unless something refers to it, and move puts
// a rule elsewhere. It shares no code with the target.
type candidate struct {
	values map[string][]string // "address X ip-netmask" to its values
	order  []string            // of the rules
	errs   []string
}

var lists = map[string]bool{"from": true, "to": true, "source": true, "destination": true, "application": true, "service": true,
	"static": true, "tag": true, "group": true, "category": true, "list": true}

func (c *candidate) load(src string) {
	for line := range strings.Lines(src) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		w := quoted(line)
		switch w[0] {
		case "set":
			c.set(w[1:])
		case "delete":
			c.delete(w[1:])
		case "move":
			c.move(w[4:])
		default:
			c.errs = append(c.errs, line)
		}
	}
}

// quoted divides a command into words.
func quoted(line string) []string {
	var words []string
	for i, part := range strings.Split(line, `"`) {
		if i%2 == 1 {
			words = append(words, part)
		} else {
			words = append(words, strings.Fields(part)...)
		}
	}
	return words
}

func (c *candidate) set(w []string) {
	if w[0] != "rulebase" {
		c.value(w)
		return
	}
	rule, fields := w[:4], w[4:] // several fields of a rule can be in one command
	if !slices.Contains(c.order, w[3]) {
		c.order = append(c.order, w[3])
	}
	for len(fields) > 0 {
		n := 2
		if fields[0] == "profile-setting" {
			n = 3
		}
		c.value(slices.Concat(rule, fields[:n]))
		fields = fields[n:]
	}
}

// value sets one value, which is the last word.
func (c *candidate) value(w []string) {
	if w[len(w)-2] == "recurring" { // an element without a value
		c.values[strings.Join(w, "|")] = nil
		return
	}
	key, value := strings.Join(w[:len(w)-1], "|"), w[len(w)-1]
	if !lists[w[len(w)-2]] {
		c.values[key] = []string{value}
	} else if !slices.Contains(c.values[key], value) {
		c.values[key] = append(c.values[key], value)
	}
}

func (c *candidate) delete(w []string) {
	own := strings.Join(w, "|") + "|"
	name := w[len(w)-1]
	if w[0] != "rulebase" && len(w) == 2 || w[0] == "profiles" && len(w) == 3 {
		for k, v := range c.values {
			if !strings.HasPrefix(k, own) && (strings.HasPrefix(k, "rulebase|") || strings.HasPrefix(k, "address-group|")) && slices.Contains(v, name) {
				c.errs = append(c.errs, fmt.Sprintf("%s is referred to by %s", name, k))
				return
			}
		}
	} else if w[0] == "rulebase" {
		c.order = slices.DeleteFunc(c.order, func(r string) bool { return r == name })
	}
	maps.DeleteFunc(c.values, func(k string, _ []string) bool { return strings.HasPrefix(k+"|", own) })
}

func (c *candidate) move(w []string) {
	at := slices.Index(c.order, w[0])
	if at < 0 {
		c.errs = append(c.errs, "no rule "+w[0])
		return
	}
	c.order = slices.Delete(c.order, at, at+1)
	to := 0
	switch w[1] {
	case "bottom":
		to = len(c.order)
	case "before", "after":
		if to = slices.Index(c.order, w[2]); to < 0 {
			c.errs = append(c.errs, "no rule "+w[2])
			to = len(c.order)
		} else if w[1] == "after" {
			to++
		}
	}
	c.order = slices.Insert(c.order, to, w[0])
}

// adminConfig is what the administrator has already, in our names' neighbourhood.
const adminConfig = `
set address office ip-netmask 10.0.0.0/8
set address-group sites static office
set service ssh-alt protocol tcp port 2222
set rulebase security rules "web out" from trust
set rulebase security rules "web out" to untrust
set rulebase security rules "web out" source sites
set rulebase security rules "web out" destination any
set rulebase security rules "web out" service any
set rulebase security rules "web out" application ssl
set rulebase security rules "web out" action allow
set rulebase security rules cleanup from any
set rulebase security rules cleanup to any
set rulebase security rules cleanup source any
set rulebase security rules cleanup destination any
set rulebase security rules cleanup service any
set rulebase security rules cleanup application any
set rulebase security rules cleanup action drop
`

func adminDevice() *candidate {
	c := &candidate{values: map[string][]string{}}
	c.load(adminConfig)
	return c
}

func (c *candidate) equal(d *candidate) bool {
	return slices.Equal(c.order, d.order) && maps.EqualFunc(c.values, d.values, func(a, b []string) bool {
		x, y := slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
		return slices.Equal(x, y)
	})
}

// weeks are three policies that differ in all that accumulates: members, sources,
// services, rules and their order.
func weeks() []*rules.Plan {
	lan := in("lan", "10.20.0.0/16")
	ssh := rules.NewService("ssh", rules.Ports(rules.TCP, 22, 22))
	hole := rules.Rule{Name: "hole", Verdict: rules.Deny, From: rules.Any(), To: in("inner", "52.114.0.0/16"), Services: []rules.Service{rules.AnyService()}}
	return []*rules.Plan{
		planOf(hole, allow("calls", lan, in("cloud", "20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "13.64.0.0/16", "2603:1063::/38"), media)),
		planOf(allow("calls", lan, in("cloud", "20.202.0.0/16", "52.112.0.0/14", "13.64.0.0/17", "2603:1063::/38"), media, ssh), hole),
		planOf(allow("calls", rules.Any(), in("relays", "52.112.0.0/14"), media)),
	}
}

// TestLoadContract loads one policy after the other beside an administrator's
// configuration: each time the device is what a fresh load gives, apart from
// nothing; no command fails; and removal leaves the administrator's alone.
func TestLoadContract(t *testing.T) {
	for _, position := range []string{"bottom", "top", "before cleanup", "after web out"} {
		for _, base := range []Options{edl(), objects()} {
			base.Position, base.MaxMembers = position, 3
			base.MaxGroups = 20
			t.Run(base.Form+" "+position, func(t *testing.T) { loadInTurn(t, base) })
		}
	}
}

func loadInTurn(t *testing.T, opt Options) {
	device := adminDevice()
	var published []renderers.File
	plans := weeks()
	for _, i := range []int{0, 1, 2, 1, 1, 0} {
		previous := published
		published = renderWith(t, opt, plans[i], previous)
		again := renderWith(t, opt, plans[i], published)
		if string(again[0].Data) != string(published[0].Data) {
			t.Fatalf("rendering it again gives other commands:\n%s", again[0].Data)
		}
		device.load(string(published[0].Data))
		fresh := adminDevice()
		fresh.load(string(renderWith(t, opt, plans[i], nil)[0].Data))
		if !device.equal(fresh) {
			t.Fatalf("policy %d: the device has\n%v\n%v\na fresh one\n%v\n%v", i, device.order, device.values, fresh.order, fresh.values)
		}
	}
	removed := adminDevice()
	*removed = *device
	removed.load(rendered.Text(t, published, "edge.remove.set"))
	if !removed.equal(adminDevice()) {
		t.Errorf("after removal there is\n%v\n%v", removed.order, removed.values)
	}
	if errs := append(device.errs, removed.errs...); len(errs) > 0 {
		t.Errorf("commands failed: %q", errs)
	}
}

// TestChangeOfOptions: every option that a thing of the same name is made with gives
// what a fresh load with the new options gives, back and forth.
func TestChangeOfOptions(t *testing.T) {
	checked := edl()
	unchecked := checked
	unchecked.URL, unchecked.CertificateProfile, unchecked.Insecure = "https://lists.example.com/sallyport", "", true
	plain := unchecked
	plain.URL = "http://10.0.0.7:8080/l"
	daily := checked
	daily.Recurring, daily.Tag, daily.LogSetting = "daily", "ours", "to panorama"
	tagged, retagged, narrow := objects(), objects(), objects()
	tagged.Tag, retagged.Tag = "ours", "theirs"
	narrow.ProfileGroup, narrow.Applications, narrow.ToZones, narrow.MaxMembers = "strict", []string{"stun"}, []string{"outside"}, 3
	p := weeks()[0]
	for _, turns := range [][]Options{
		{checked, plain, checked, unchecked, plain, daily, plain, checked},
		{objects(), tagged, retagged, objects(), narrow, tagged, narrow, objects()},
	} {
		device := adminDevice()
		var published []renderers.File
		for i, opt := range turns {
			published = renderWith(t, opt, p, published)
			device.load(string(published[0].Data))
			fresh := adminDevice()
			fresh.load(string(renderWith(t, opt, p, nil)[0].Data))
			if !device.equal(fresh) || len(device.errs) > 0 {
				t.Errorf("%s, turn %d: the device has\n%v\na fresh one\n%v\n%q", opt.Form, i, device.values, fresh.values, device.errs)
			}
		}
	}
}

// TestInUseByTheAdministrator: what the administrator's rules use is never deleted,
// and is up to date as long as the policy has it. What the policy no longer has stays
// as it was, and goes at the first load after it is free.
func TestInUseByTheAdministrator(t *testing.T) {
	for _, opt := range []Options{objects(), edl()} {
		opt.MaxMembers = 3 // the group is one of parts
		device, fresh := adminDevice(), adminDevice()
		var published []renderers.File
		load := func(i int) {
			t.Helper()
			published = renderWith(t, opt, weeks()[i], published)
			device.load(string(published[0].Data))
			fresh = adminDevice()
			fresh.load(string(renderWith(t, opt, weeks()[i], nil)[0].Data))
		}
		use := func(name string) string {
			return fmt.Sprintf("set rulebase security rules \"web out\" destination %s\nset rulebase security rules \"web out\" service sp-edge-tcp-443\n", name)
		}
		load(0)
		device.load(use("sp-edge-cloud"))
		load(1)
		fresh.load(use("sp-edge-cloud"))
		if !device.equal(fresh) || len(device.errs) > 0 {
			t.Errorf("%s: with a group in use the device has\n%v\nwanted\n%v\n%q", opt.Form, device.values, fresh.values, device.errs)
		}
		load(2) // which has no cloud
		if len(device.errs) == 0 || strings.Contains(strings.Join(device.errs, "\n"), "tcp-443") {
			t.Errorf("%s: the commands that fail are %q", opt.Form, device.errs)
		}
		key := map[string]string{formObjects: "address-group|sp-edge-cloud|static", formEDL: "external-list|sp-edge-cloud|type|ip|url"}[opt.Form]
		if len(device.values[key]) == 0 {
			t.Errorf("%s: what a rule of the administrator's uses is gone", opt.Form)
		}
		device.errs = nil
		device.load("delete rulebase security rules \"web out\" destination\ndelete rulebase security rules \"web out\" service\n")
		load(2)
		fresh.load("delete rulebase security rules \"web out\" destination\ndelete rulebase security rules \"web out\" service\n")
		if !device.equal(fresh) || len(device.errs) > 0 {
			t.Errorf("%s: freed, the device has\n%v\nwanted\n%v\n%q", opt.Form, device.values, fresh.values, device.errs)
		}
		device.load(rendered.Text(t, published, "edge.remove.set"))
		clean := adminDevice()
		clean.load("delete rulebase security rules \"web out\" destination\ndelete rulebase security rules \"web out\" service\n")
		if !device.equal(clean) || len(device.errs) > 0 {
			t.Errorf("%s: removed, the device has\n%v\n%q", opt.Form, device.values, device.errs)
		}
	}
}

// TestMissedVersions: a version that was published and never loaded leaves
// nothing behind.
func TestMissedVersions(t *testing.T) {
	plans := weeks()
	opt := objects()
	first := renderWith(t, opt, plans[0], nil)
	second := renderWith(t, opt, plans[1], first)
	third := renderWith(t, opt, plans[2], second)
	device := adminDevice()
	device.load(string(first[0].Data))
	device.load(string(third[0].Data))
	fresh := adminDevice()
	fresh.load(string(renderWith(t, opt, plans[2], nil)[0].Data))
	if !device.equal(fresh) || len(device.errs) > 0 {
		t.Errorf("the device has\n%v\na fresh one\n%v\n%q", device.values, fresh.values, device.errs)
	}
}

// TestChangeOfForm: the objects of another form, place or prefix go.
func TestChangeOfForm(t *testing.T) {
	p := weeks()[0]
	before := renderWith(t, objects(), p, nil)
	device := adminDevice()
	device.load(string(before[0].Data))
	other := edl()
	other.Prefix = "az-"
	device.load(string(renderWith(t, other, p, before)[0].Data))
	fresh := adminDevice()
	fresh.load(string(renderWith(t, other, p, nil)[0].Data))
	if !device.equal(fresh) || len(device.errs) > 0 {
		t.Errorf("the device has\n%v\n%q", device.values, device.errs)
	}
}

// TestListsKeepWhatTheAdministratorGaveThem: a user and exceptions survive a load,
// and a new schedule takes the place of the old one.
func TestListsKeepWhatTheAdministratorGaveThem(t *testing.T) {
	device := adminDevice()
	opt := edl()
	first := renderWith(t, opt, weeks()[0], nil)
	device.load(string(first[0].Data))
	device.load("set external-list sp-edge-cloud type ip auth username reader")
	opt.Recurring = "daily"
	device.load(string(renderWith(t, opt, weeks()[0], first)[0].Data))
	if got := device.values["external-list|sp-edge-cloud|type|ip|auth|username"]; !slices.Equal(got, []string{"reader"}) {
		t.Errorf("the user of the list is %q", got)
	}
	var schedules []string
	for k := range device.values {
		if strings.HasPrefix(k, "external-list|sp-edge-cloud|type|ip|recurring") {
			schedules = append(schedules, k)
		}
	}
	if len(schedules) != 1 || !strings.Contains(schedules[0], "daily") || len(device.errs) > 0 {
		t.Errorf("schedules %q, errors %q", schedules, device.errs)
	}
}

// TestPreviousThatIsNotOurs is never taken for a list of what to delete.
func TestPreviousThatIsNotOurs(t *testing.T) {
	for _, text := range []string{
		"delete rulebase\n", "delete rulebase security rules\n", "delete address office\ndelete network\n", "delete\n", "\x00\n",
		"delete address a b\n", "delete address-group \"x\n", "delete mgt-config users admin\n",
	} {
		files := renderWith(t, edl(), plan(), []renderers.File{{Path: "edge.remove.set", Data: []byte(text)}})
		if string(files[0].Data) != string(renderWith(t, edl(), plan(), nil)[0].Data) {
			t.Errorf("%q changed what is rendered:\n%s", text, files[0].Data)
		}
	}
}
