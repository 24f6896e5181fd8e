package paloalto

import (
	"bytes"
	"errors"
	goflag "flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sallyport/internal/testkit/rendered"
	"sallyport/renderers"
	"sallyport/rules"
)

var (
	https = rules.NewService("https", rules.Ports(rules.TCP, 443, 443))
	hosts = rules.Named("signalling", []string{"login.skype.com", "trouter.teams.microsoft.com"})
	wilds = rules.Named("signalling", []string{"*.skype.com", "login.microsoftonline.com"})
)

func urls(o Options) *Options { o.Names = namesURL; return &o }

// nameVariants are the forms and syntaxes with both ways to go by names.
func nameVariants() map[string]*Options {
	list := map[string]*Options{}
	for _, o := range []Options{edl(), objects()} {
		for _, o.Syntax = range []string{syntaxSet, syntaxXML} {
			for _, o.Names = range []string{namesFQDN, namesURL} {
				list[o.Form+"_"+o.Syntax+"_"+o.Names] = ptr(o)
			}
		}
	}
	return list
}

// named is a rule to names, with wildcards where they can be, and one to addresses.
func named(o *Options) *rules.Plan {
	to := hosts
	if o.Names == namesURL {
		to = wilds
	}
	return planOf(allow("signalling", in("lan", "10.20.0.0/16"), to, https), allow("calls", rules.Any(), in("cloud", "20.202.0.0/16"), media))
}

// TestNamesGolden holds the outputs for names to files: go test -update writes them.
func TestNamesGolden(t *testing.T) {
	for name, o := range nameVariants() {
		t.Run(name, func(t *testing.T) {
			for _, f := range readable(t, *o, named(o)) {
				path := filepath.Join("testdata", "names", name, f.Path)
				if goflag.Lookup("update").Value.String() == "true" {
					if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, f.Data, 0o644)); err != nil {
						t.Fatal(err)
					}
				}
				if want, err := os.ReadFile(path); err != nil || !bytes.Equal(want, f.Data) {
					t.Errorf("%s is not as in %s (%v); go test -update after a look at\n%s", f.Path, path, err, f.Data)
				}
			}
		})
	}
}

// readable renders p, and reads it back as p.
func readable(t *testing.T, o Options, p *rules.Plan) []renderers.File {
	t.Helper()
	r := newRenderer(t, o, nil)
	files := rendered.Files(t, r, p)
	rendered.ReadsBack(t, r, files, p)
	return files
}

// TestURLsEndInASlash: an entry without one would stand for longer names as well.
func TestURLsEndInASlash(t *testing.T) {
	files := readable(t, *urls(edl()), named(urls(edl())))
	if got := rendered.Text(t, files, "edge.signalling-urls.txt"); got != "*.skype.com/\nlogin.microsoftonline.com/\n" {
		t.Errorf("%q", got)
	}
	main := string(readable(t, *urls(objects()), named(urls(objects())))[0].Data)
	for _, want := range []string{`type "URL List"`, "list *.skype.com/\n", " destination sp-edge-cloud service ",
		" rules sp-edge-signalling from trust to untrust source sp-edge-lan destination any service sp-edge-tcp-443 category sp-edge-signalling-urls application any action allow log-end no "} {
		if !strings.Contains(main, want) {
			t.Errorf("no %q in\n%s", want, main)
		}
	}
}

// TestWildcards: objects that the device resolves take none, and lists of URLs do.
func TestWildcards(t *testing.T) {
	p := planOf(allow("x", rules.Any(), wilds, https))
	for name, o := range nameVariants() {
		caps := newRenderer(t, *o, nil).Caps
		if _, _, errs := rules.Lower(p, caps); (len(errs) == 0) != (o.Names == namesURL) {
			t.Errorf("%s: %v", name, errs)
		}
	}
}

func TestNameRefusals(t *testing.T) {
	denied := allow("x", rules.Any(), hosts, https)
	denied.Verdict = rules.Deny
	few, small := edl(), objects()
	few.MaxNames, small.MaxMembers = 1, 2
	long := rules.Named(strings.Repeat("n", 19), hosts.Patterns())
	three := rules.Named("three", []string{"a.example.com", "b.example.com", "c.example.com"})
	for _, tt := range []struct {
		name string
		opt  Options
		rule rules.Rule
		want string
	}{
		{"deny by objects", edl(), denied, "denies less"},
		{"deny by URLs", *urls(objects()), denied, "denies less"},
		{"UDP by URLs", *urls(edl()), allow("x", rules.Any(), hosts, media), "over TCP"},
		{"any service by URLs", *urls(objects()), allow("x", rules.Any(), hosts, rules.AnyService()), "over TCP"},
		{"a * inside of a part", *urls(edl()), allow("x", rules.Any(), rules.Named("a", []string{"*-files.sharepoint.com"}), https), "*-files.sharepoint.com"},
		{"two wildcards", *urls(edl()), allow("x", rules.Any(), rules.Named("a", []string{"*.*.example.com"}), https), "*.*.example.com"},
		{"a name that is none", edl(), allow("x", rules.Any(), rules.Named("a", []string{"a\"; commit"}), https), "commit"},
		{"an address", *urls(edl()), allow("x", rules.Any(), rules.Named("a", []string{"10.0.0.1"}), https), "10.0.0.1"},
		{"a path", *urls(edl()), allow("x", rules.Any(), rules.Named("a", []string{"example.com/x"}), https), "example.com/x"},
		{"too many names", few, allow("x", rules.Any(), hosts, https), "max_names"},
		{"too many URLs", *urls(few), allow("x", rules.Any(), hosts, https), "2 URLs"},
		{"too many for a group", small, allow("x", rules.Any(), three, https), "max_members"},
		{"a long name of a category", *urls(objects()), allow("x", rules.Any(), long, https), "takes 31"},
	} {
		_, err := newRenderer(t, tt.opt, nil).Render(planOf(tt.rule))
		var rule *rules.RuleError
		if !errors.As(err, &rule) || rule.Fix == "" || !strings.Contains(rule.Cause+rule.Fix, tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	readable(t, *urls(edl()), planOf(allow("x", rules.Any(), long, https))) // a list may have 32
}

// TestLongHosts: objects are named by content, within PAN-OS's limit.
func TestLongHosts(t *testing.T) {
	r := &renderer{prefix: "sp-a_long_prefix__"}
	seen := map[string]string{}
	for i := range 300 {
		for _, host := range []string{strings.Repeat("long.", i/7) + fmt.Sprintf("h%d.example.com", i), fmt.Sprintf("a%d.", i) + strings.Repeat("long.", 30) + "example.com"} {
			name := r.hostObject(host)
			if other, ok := seen[name]; ok && other != host || !isName(name, maxName) || !renderers.IsHost(host) {
				t.Fatalf("%q for %q, and %q", name, host, other)
			}
			seen[name] = host
		}
	}
}

// TestOneFamilyOfNames: names have addresses of both families, so the sources keep to one.
func TestOneFamilyOfNames(t *testing.T) {
	for fams, want := range map[rules.Families]string{rules.OnlyIPv4: " source 0.0.0.0/0 destination ", rules.OnlyIPv6: " ip-range ::1:0:0-ffff:"} {
		for _, o := range []*Options{ptr(edl()), urls(objects())} {
			p := planOf(allow("x", rules.Any(), hosts, https))
			p.Families = fams
			if main := string(readable(t, *o, p)[0].Data); !strings.Contains(main, want) || strings.Contains(main, "source any") {
				t.Errorf("%s:\n%s", fams, main)
			}
		}
	}
}

// TestNamesOfASetsLabel: a set and a list of names may have the same label.
func TestNamesOfASetsLabel(t *testing.T) {
	for name, o := range nameVariants() {
		t.Run(name, func(t *testing.T) {
			readable(t, *o, planOf(allow("a", rules.Any(), in("signalling", "10.0.0.0/8"), https), allow("b", rules.Any(), hosts, https)))
		})
	}
}

// TestDamagedNames takes away each line that the rule to names depends on.
func TestDamagedNames(t *testing.T) {
	for name, o := range nameVariants() {
		r := newRenderer(t, *o, nil)
		p := named(o)
		files := readable(t, *o, p)
		tried := 0
		for f := range files[:len(files)-1] {
			lines := strings.SplitAfter(string(files[f].Data), "\n")
			for i, l := range lines {
				if strings.HasPrefix(l, "#") || strings.Contains(l, "description") || !strings.Contains(l, "signalling") && !strings.Contains(l, "skype") && !strings.Contains(l, "microsoft") && !strings.Contains(l, "URL List") {
					continue
				}
				tried++
				broken := slices.Clone(files)
				broken[f].Data = []byte(strings.Join(slices.Delete(slices.Clone(lines), i, i+1), ""))
				if got, err := r.ReadBack(broken); err == nil && rules.Compare(p, got) == nil {
					t.Errorf("%s: %s without line %d, %q, reads back the same", name, files[f].Path, i+1, l)
				}
			}
		}
		if tried < 6 {
			t.Errorf("%s: only %d lines were tried", name, tried)
		}
	}
}

// TestNamesReadBackRefuses what would match otherwise than it reads.
func TestNamesReadBackRefuses(t *testing.T) {
	list, group := *urls(edl()), edl()
	for _, tt := range []struct {
		name     string
		opt      Options
		path     string
		old, new string
	}{
		{"a category of its own", list, "edge.set", " category sp-edge-signalling-urls application any action allow", " application any action allow category sp-edge-signalling-urls application any"},
		{"a category in a command of its own", list, "edge.set", " category sp-edge-signalling-urls application any action allow log-end no description \"sallyport target edge: edits are lost\"\n",
			" application any action allow log-end no\nset rulebase security rules sp-edge-signalling category sp-edge-signalling-urls\n"},
		{"an address in the group", group, "edge.set", "\nmove", "\nset address sp-edge-10.0.0.0_8 ip-netmask 10.0.0.0/8\nset address-group sp-edge-signalling-names static sp-edge-10.0.0.0_8\nmove"},
	} {
		o := tt.opt
		r := newRenderer(t, o, nil)
		files := readable(t, o, named(&o))
		changed := false
		for i := range files {
			if files[i].Path == tt.path {
				data := strings.Replace(string(files[i].Data), tt.old, tt.new, 1)
				changed, files[i].Data = data != string(files[i].Data), []byte(data)
			}
		}
		if !changed {
			t.Fatalf("%s: nothing was changed", tt.name)
		}
		if p, err := r.ReadBack(files); err == nil {
			t.Errorf("%s: read as %+v", tt.name, p)
		}
	}
}

// TestLoadContractOfNames loads policies and options that differ in names, one after
// the other: each time the device is what a fresh load gives, and removal takes all.
func TestLoadContractOfNames(t *testing.T) {
	fewer := planOf(allow("signalling", rules.Any(), rules.Named("signalling", []string{"login.microsoftonline.com"}), https))
	turns := []struct {
		opt  *Options
		plan *rules.Plan
	}{
		{ptr(edl()), named(ptr(edl()))}, {ptr(edl()), fewer}, {urls(edl()), named(urls(edl()))}, {urls(edl()), fewer}, {urls(objects()), named(urls(objects()))},
		{urls(objects()), fewer}, {ptr(objects()), fewer}, {ptr(objects()), weeks()[0]}, {urls(objects()), named(urls(objects()))}, {ptr(edl()), named(ptr(edl()))},
		{ptr(edl()), planOf(allow("signalling", rules.Any(), in("signalling", "10.0.0.0/8"), https))},
	}
	device := adminDevice()
	var published []renderers.File
	for i, turn := range turns {
		published = renderWith(t, *turn.opt, turn.plan, published)
		device.load(string(published[0].Data))
		fresh := adminDevice()
		fresh.load(string(renderWith(t, *turn.opt, turn.plan, nil)[0].Data))
		if !device.equal(fresh) || len(device.errs) > 0 {
			t.Fatalf("turn %d: the device has\n%v\na fresh one\n%v\n%q", i, device.values, fresh.values, device.errs)
		}
	}
	device.load(rendered.Text(t, published, "edge.remove.set"))
	if !device.equal(adminDevice()) || len(device.errs) > 0 {
		t.Errorf("after removal there is\n%v\n%q", device.values, device.errs)
	}
}

// TestWhereNamesComeFrom: the header names the feeds wherever a rule goes to names, and
// with lists of URLs the commands stay the same when the names change.
func TestWhereNamesComeFrom(t *testing.T) {
	week := func(o *Options, change string, names ...string) (header, commands string) {
		p := planOf(allow("signalling", rules.Any(), rules.Named("signalling", names), https), allow("calls", rules.Any(), in("cloud", "20.202.0.0/16"), media))
		p.Provenance.Feeds = []rules.Feed{{Name: "office", Kind: "m365", Cloud: "worldwide", Change: change, SHA256: strings.Repeat("ab", 32)}}
		for line := range strings.Lines(rendered.Text(t, readable(t, *o, p), "edge.set")) {
			if strings.HasPrefix(line, "#") {
				header += line
			} else {
				commands += line
			}
		}
		return header, commands
	}
	for name, o := range nameVariants() {
		if o.Syntax != syntaxSet {
			continue
		}
		header, before := week(o, "2026103000", "a.example.com", "b.example.com")
		later, after := week(o, "2026112300", "a.example.com", "c.example.com")
		if !strings.Contains(header, "feed: office (m365 worldwide), change 2026103000, sha256 abab") || header == later {
			t.Errorf("%s: the header is\n%s", name, header)
		}
		if equal := before == after; equal != (o.Form == formEDL && o.Names == namesURL) {
			t.Errorf("%s: that the commands stay the same is %v", name, equal)
		}
	}
}
