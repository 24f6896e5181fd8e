package globalprotect

import (
	"encoding/xml"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// schema is the part of PAN-OS's configuration around split tunnels, as Palo Alto
// Networks' own library has it (pango, network/globalprotect/gateway; 2026-11-23): what
// an element holds. It shares nothing with the code under test.
var schema = map[string]string{
	"config": "devices", "devices": "entry", "device": "vsys template global-protect", "template": "entry", "template entry": "config",
	"vsys": "entry", "vsys entry": "global-protect", "global-protect": "global-protect-gateway global-protect-portal",
	"global-protect-gateway": "entry", "gateway entry": "remote-user-tunnel-configs roles client-auth",
	"remote-user-tunnel-configs": "entry", "setting entry": "split-tunneling source-user os ip-pool dns-server",
	"split-tunneling": "access-route exclude-access-route include-applications exclude-applications include-domains exclude-domains",
	"access-route":    "member", "exclude-access-route": "member",
	"include-domains": "list", "exclude-domains": "list", "list": "entry", "domain entry": "ports",
}

var entryOf = map[string]string{"devices": "device", "template": "template entry", "vsys": "vsys entry",
	"global-protect-gateway": "gateway entry", "remote-user-tunnel-configs": "setting entry", "list": "domain entry"}

// device is a candidate configuration as a set of paths, members and entries included.
// A set command adds, and a delete command takes a path with all below it.
type device map[string]bool

// words divides a command; a word in quotes may hold blanks.
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

// place checks the words of a command against the schema, and writes them as a path.
func place(t *testing.T, w []string) string {
	t.Helper()
	at, out := "config", ""
	for i := 0; i < len(w); i++ {
		switch {
		case schema[at] == "member":
			if i != len(w)-1 {
				t.Fatalf("%q has words after a member", w)
			}
		case schema[at] == "entry":
			at = entryOf[at]
		case at == "config" && w[i] != "devices": // commands leave devices out
			at = "device"
			i--
			continue
		case at == "template entry" && w[i] == "config":
			at = "config"
		case slices.Contains(strings.Fields(schema[at]), w[i]):
			at = w[i]
		default:
			t.Fatalf("%q: %s holds no %s", w, at, w[i])
		}
		out += "/" + w[i]
	}
	return out
}

// run carries out the commands of a file, without its comments.
func (d device) run(t *testing.T, f renderers.File, xmls map[string]renderers.File) {
	t.Helper()
	for line := range strings.Lines(string(f.Data)) {
		line = strings.TrimRight(line, "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		w := words(line)
		switch {
		case w[0] == "set":
			d[place(t, w[1:])] = true
		case w[0] == "delete":
			gone := place(t, w[1:])
			maps.DeleteFunc(d, func(p string, _ bool) bool { return p == gone || strings.HasPrefix(p, gone+"/") })
		case w[0] == "load" && slices.Equal(w[1:4], []string{"config", "partial", "from"}) && w[5] == "from-xpath" && w[7] == "to-xpath" && w[8] == "/config/"+w[6] &&
			slices.Equal(w[9:], []string{"mode", "merge"}):
			d.merge(t, xmls[w[4]], w[6])
		default:
			t.Fatalf("no command: %q", line)
		}
	}
}

// merge adds what an XML configuration holds below an XPath.
func (d device) merge(t *testing.T, f renderers.File, xpath string) {
	t.Helper()
	dec := xml.NewDecoder(strings.NewReader(string(f.Data)))
	var at []string
	found := false
	for {
		tok, err := dec.Token()
		if err != nil {
			break
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			step := tok.Name.Local
			if step == "entry" {
				step = fmt.Sprintf("entry[@name='%s']", tok.Attr[0].Value)
			}
			at = append(at, step)
			here := strings.Join(at[1:], "/")
			if strings.HasPrefix(here, xpath+"/") && strings.HasPrefix(step, "entry") {
				d[commandPath(t, here)], found = true, true
			}
		case xml.EndElement:
			at = at[:len(at)-1]
		case xml.CharData:
			if text := strings.TrimSpace(string(tok)); text != "" && strings.HasPrefix(strings.Join(at[1:], "/"), xpath+"/member") {
				d[commandPath(t, xpath+"/"+text)], found = true, true
			}
		}
	}
	if !found {
		t.Fatalf("%s holds nothing at %s", f.Path, xpath)
	}
}

// commandPath is an XPath as the path of the same thing in commands.
func commandPath(t *testing.T, xpath string) string {
	t.Helper()
	xpath = strings.ReplaceAll(xpath, "devices/entry[@name='localhost.localdomain']/", "")
	head, value, _ := strings.Cut(xpath, "access-route/")
	if value != "" {
		xpath = head + "access-route"
	}
	xpath = strings.NewReplacer("/entry[@name='", "/", "']", "").Replace(xpath)
	w := strings.Split(xpath, "/")
	if w[0] == "vsys" && w[1] == "vsys1" { // one that a firewall with one does without
		w = w[2:]
	}
	if value != "" {
		w = append(w, value)
	}
	return place(t, w)
}

// TestLoadingReplaces is the load contract, on a candidate configuration as documented:
// B after A equals B alone, what the admin has besides stays, and what goes is gone.
func TestLoadingReplaces(t *testing.T) {
	// access routes, another client setting and another gateway are the admin's.
	admin := device{
		"/global-protect/global-protect-gateway/GW/remote-user-tunnel-configs/Laptops/split-tunneling/access-route/0.0.0.0/0":          true,
		"/global-protect/global-protect-gateway/GW/remote-user-tunnel-configs/Phones/split-tunneling/exclude-access-route/10.0.0.0/8":  true,
		"/global-protect/global-protect-gateway/GX/remote-user-tunnel-configs/Laptops/split-tunneling/exclude-access-route/10.0.0.0/8": true,
	}
	next := rules.RoutePlan("edge", rules.BothFamilies, rules.Bypass, relays.Minus(relays.Only(ipranges.IPv6)))
	for _, change := range []func(*Options){plain, panorama, func(o *Options) { o.Domains = saas }} {
		states := map[string]device{}
		for _, form := range []string{formSet, formXML} {
			opt := options(change)
			opt.Form = form
			_, a := render(t, opt, bypass(), nil)
			_, b := render(t, opt, next, a)
			fresh, after := maps.Clone(admin), maps.Clone(admin)
			for _, load := range []struct {
				d     device
				files []renderers.File
			}{{fresh, b}, {after, a}, {after, b}} {
				load.d.run(t, load.files[len(load.files)-1], map[string]renderers.File{"edge.xml": load.files[0]})
			}
			if !maps.Equal(fresh, after) {
				t.Errorf("%s: after a load before it, loading gives %v, not %v", form, after, fresh)
			}
			if want := len(admin) + 3 + len(opt.Domains.Patterns); len(fresh) != want {
				t.Errorf("%s: %d things are there, not %d: %v", form, len(fresh), want, fresh)
			}
			states[form] = fresh
		}
		if !maps.Equal(states[formSet], states[formXML]) {
			t.Errorf("the forms differ: %v and %v", states[formSet], states[formXML])
		}
	}
}
