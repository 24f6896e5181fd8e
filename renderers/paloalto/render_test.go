package paloalto

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"sallyport/internal/testkit/conformance"
	"sallyport/internal/testkit/rendered"
	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

func in(name string, s ...string) rules.Addresses { return rules.In(name, ipranges.MustParse(s...)) }

var media = rules.NewService("media", rules.Ports(rules.UDP, 3478, 3481), rules.Ports(rules.TCP, 443, 443))

func planOf(list ...rules.Rule) *rules.Plan {
	return &rules.Plan{Name: "edge", Families: rules.BothFamilies, Rules: list}
}

func allow(name string, from, to rules.Addresses, s ...rules.Service) rules.Rule {
	return rules.Rule{Name: name, Verdict: rules.Allow, From: from, To: to, Services: s}
}

func plan() *rules.Plan {
	return planOf(allow("calls", rules.Any(), in("cloud", "20.202.0.0/16", "52.112.0.0-52.113.7.9", "2603:1063::/38"), media))
}

func newRenderer(t testing.TB, opt Options, previous []renderers.File) *renderers.Target {
	t.Helper()
	return rendered.Target(t, Kind(), &opt, previous...)
}

func renderWith(t testing.TB, opt Options, p *rules.Plan, previous []renderers.File) []renderers.File {
	t.Helper()
	return rendered.Files(t, newRenderer(t, opt, previous), p)
}

// TestRefusals: what PAN-OS would do otherwise than the plan, or not take, is
// refused with the rule and a way out.
func TestRefusals(t *testing.T) {
	cloud := plan().Rules[0].To
	sctp := rules.NewService("sctp", rules.Ports(rules.SCTP, 2905, 2905))
	rejected := rules.Rule{Name: "no", Verdict: rules.Deny, Reject: true, From: rules.Any(), To: cloud, Services: []rules.Service{media}}
	only6 := planOf(allow("calls", rules.Any(), in("x", "0.0.0.0/0", "::/0"), media))
	only6.Families = rules.OnlyIPv6
	many := make([]string, 31)
	for i := range many {
		many[i] = fmt.Sprintf("10.%d.0.0/16", 2*i)
	}
	small, few, tight := objects(), edl(), objects()
	small.MaxAddresses, few.MaxLists, tight.MaxMembers = 2, 1, 2
	tight.MaxGroups = 100
	long := edl()
	long.URL += "/" + strings.Repeat("x", 205)
	for _, tt := range []struct {
		name string
		opt  Options
		plan *rules.Plan
		want string
	}{
		{"reject", edl(), planOf(rejected), "handshake"},
		{"SCTP", edl(), planOf(allow("x", rules.Any(), cloud, sctp)), "SCTP"},
		{"ICMP", edl(), planOf(allow("x", rules.Any(), cloud, rules.NewService("ping", rules.ICMPType(rules.ICMP, 8)))), "icmp/8"},
		{"bypass", edl(), planOf(rules.Rule{Name: "x", Verdict: rules.Bypass, From: rules.Any(), To: cloud, Services: []rules.Service{media}}), "bypass"},
		{"IPv6 that matches IPv4", edl(), planOf(allow("x", rules.Any(), in("low", "::/64"), media)), "::/96"},
		{"the same in objects", objects(), planOf(allow("x", in("low", "10.0.0.0/8", "::a00:0/103"), cloud, media)), "::/96"},
		{"all IPv6 alone", edl(), only6, "::/96"},
		{"a long name of a list", edl(), planOf(allow("x", rules.Any(), in(strings.Repeat("n", 25), "10.0.0.0/8"), media)), "33 characters"},
		{"a long name of a part", tight, planOf(allow("x", rules.Any(), in(strings.Repeat("n", 40), "100.100.100.1", "100.100.100.3", "100.100.100.5"), media)), "characters"},
		{"a long address", long, plan(), "256 characters"},
		{"too many objects", small, plan(), "max_addresses"},
		{"too many lists", few, planOf(allow("x", in("a", "10.0.0.0/8"), cloud, media)), "max_lists"},
		{"too many parts", tight, planOf(allow("x", rules.Any(), in("a", many...), media)), "a group can hold"},
		{"no addresses", edl(), planOf(allow("x", rules.Any(), rules.In("none", ipranges.Set{}), media)), "no address"},
		{"no services", edl(), planOf(allow("x", rules.Any(), cloud)), "empty"},
	} {
		_, err := newRenderer(t, tt.opt, nil).Render(tt.plan)
		var rule *rules.RuleError
		if !errors.As(err, &rule) || rule.Fix == "" || !strings.Contains(rule.Cause+rule.Fix, tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// TestLowAddressesThatAreAllowedAnyhow: a set may hold addresses of ::/96 when it
// holds the IPv4 addresses that PAN-OS takes them for.
func TestLowAddressesThatAreAllowedAnyhow(t *testing.T) {
	renderWith(t, edl(), planOf(allow("x", rules.Any(), in("both", "0.0.0.0/0", "::/0"), media)), nil)
	renderWith(t, objects(), planOf(allow("x", rules.Any(), in("both", "10.0.0.0/8", "::a00:0/104"), media)), nil)
}

// TestOneFamily: any of one family must not open the other.
func TestOneFamily(t *testing.T) {
	for fams, want := range map[rules.Families]string{rules.OnlyIPv4: " destination 0.0.0.0/0 service ", rules.OnlyIPv6: " ip-range ::1:0:0-ffff:"} {
		p := planOf(allow("dns", rules.Any(), rules.Any(), media))
		p.Families = fams
		for _, opt := range []Options{edl(), objects()} {
			if main := string(renderWith(t, opt, p, nil)[0].Data); !strings.Contains(main, want) || strings.Contains(main, "destination any") {
				t.Errorf("%s:\n%s", fams, main)
			}
		}
	}
}

// TestListsChangeAlone: a week's change of the feed changes lists and nothing
// that would take a commit.
func TestListsChangeAlone(t *testing.T) {
	week := func(change, more string) []renderers.File {
		p := planOf(allow("calls", rules.Any(), in("cloud", "20.202.0.0/16", more), media))
		p.Provenance.Feeds = []rules.Feed{{Name: "azure", Kind: "azure", Cloud: "public", Change: change, SHA256: change}}
		return renderWith(t, edl(), p, nil)
	}
	a, b := week("398", "52.112.0.0/14"), week("399", "52.120.0.0/14")
	for i := range a {
		if equal := bytes.Equal(a[i].Data, b[i].Data); equal == strings.HasSuffix(a[i].Path, ".txt") {
			t.Errorf("%s: equal is %v", a[i].Path, equal)
		}
	}
}

// TestListLines holds a list to PAN-OS's form: an entry a line, and no line that
// is only a comment.
func TestListLines(t *testing.T) {
	p := planOf(allow("x", in("all4", "0.0.0.0/0"), in("cloud", "1.2.3.4", "10.0.0.0/8", "52.112.0.0-52.113.7.9", "2603:1063::/38", "2603::1-2603::5"), media))
	p.Provenance.Feeds = []rules.Feed{{Name: "azure", Change: "398\n6.6.6.6"}}
	files := renderWith(t, edl(), p, nil)
	want := "1.2.3.4 sallyport edge cloud, azure change 398?6.6.6.6\n10.0.0.0/8\n52.112.0.0-52.113.7.9\n2603::1/128\n2603::2/127\n2603::4/127\n2603:1063::/38\n"
	if got := rendered.Text(t, files, "edge.cloud.txt"); got != want {
		t.Errorf("got\n%s", got)
	}
	if got := rendered.Text(t, files, "edge.all4.txt"); strings.Contains(got, "/0") || strings.Count(got, "\n") != 2 {
		t.Errorf("got\n%s", got)
	}
}

// TestDamagedFiles takes every line away, one at a time, of the lists, the
// configuration and the script that loads it: nothing may read back the same,
// save comments and descriptions.
func TestDamagedFiles(t *testing.T) {
	for _, opt := range []Options{edl(), objects()} {
		for _, opt.Syntax = range []string{syntaxSet, syntaxXML} {
			opt.MaxMembers = 2
			r := newRenderer(t, opt, nil)
			p := planOf(allow("first", in("lan", "10.20.0.0/16", "fd20::/48"), in("cloud", "20.202.0.0/16", "52.112.0.0/14", "2603:1063::/38"), media),
				rules.Rule{Name: "second", Verdict: rules.Deny, From: rules.Any(), To: in("inner", "52.0.0.0/8"), Services: []rules.Service{rules.AnyService()}})
			files, err := r.Render(p)
			if err != nil {
				t.Fatal(err)
			}
			for f := range files[:len(files)-1] { // the last one removes
				lines := strings.SplitAfter(string(files[f].Data), "\n")
				for i, l := range lines {
					if l = strings.TrimSpace(l); l == "" || l[0] == '#' || strings.Contains(l, "description") || strings.Contains(l, "day-of") {
						continue
					}
					broken := slices.Clone(files)
					broken[f].Data = []byte(strings.Join(slices.Delete(slices.Clone(lines), i, i+1), ""))
					if got, err := r.ReadBack(broken); err == nil && rules.Compare(p, got) == nil && !xmlComment(l) {
						t.Errorf("%s %s: %s without line %d, %q, reads back the same", opt.Form, opt.Syntax, files[f].Path, i+1, l)
					}
				}
			}
		}
	}
}

// xmlComment reports whether l is of the comment at the head of an XML file.
func xmlComment(l string) bool { return !strings.HasPrefix(l, "<") || strings.HasPrefix(l, "<?") }

// TestAzureCloud renders the real thing in both forms and syntaxes, within the
// limits of the smallest model, and reads it back.
func TestAzureCloud(t *testing.T) {
	p := planOf(allow("calls", rules.Any(), rules.In("azure", conformance.AzureCloud(t, 398)), media))
	for _, opt := range []Options{edl(), objects()} {
		for _, opt.Syntax = range []string{syntaxSet, syntaxXML} {
			r := newRenderer(t, opt, nil)
			files, err := r.Render(p)
			if err != nil {
				t.Fatal(err)
			}
			got, err := r.ReadBack(files)
			if err != nil {
				t.Fatal(err)
			}
			if d := rules.Compare(p, got); d != nil {
				t.Errorf("%s %s: %v", opt.Form, opt.Syntax, d)
			}
			t.Logf("%s %s: %d lines, %d bytes; %d groups", opt.Form, opt.Syntax, bytes.Count(files[0].Data, []byte("\n")), len(files[0].Data),
				strings.Count(string(files[len(files)-1].Data), "delete address-group "))
		}
	}
}

// TestReadBackHoldsDeletesToOurs: a file that deletes an administrator's rule, or a
// removal that removes less or more than ours, is refused.
func TestReadBackHoldsDeletesToOurs(t *testing.T) {
	for name, opt := range map[string]Options{"edl": edl(), "objects": objects()} {
		for what, change := range map[string]func(main, remove string) (string, string){
			"an administrator's rule deleted": func(m, r string) (string, string) {
				return "delete rulebase security rules admin-deny\n" + m, r
			},
			"nothing removed": func(m, _ string) (string, string) { return m, "# nothing\n" },
			"too much removed": func(m, r string) (string, string) {
				return m, r + "delete rulebase security rules admin-deny\n"
			},
		} {
			r := newRenderer(t, opt, nil)
			files := renderWith(t, opt, plan(), nil)
			if _, err := r.ReadBack(files); err != nil {
				t.Fatalf("%s: unchanged: %v", name, err)
			}
			remove := len(files) - 1
			m, rm := change(string(files[0].Data), string(files[remove].Data))
			files[0].Data, files[remove].Data = []byte(m), []byte(rm)
			if _, err := r.ReadBack(files); err == nil {
				t.Errorf("%s: %s is not noticed", name, what)
			}
		}
	}
}
