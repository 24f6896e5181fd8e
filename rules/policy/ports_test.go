package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"sallyport/ipranges"
	"sallyport/rules"
)

// TestPorts follows the ports of tags into the plan: each with the addresses of
// its own tag.
func TestPorts(t *testing.T) {
	p := clean(t, `
feed "m365" {}
service "m365_12" { tcp = [9] }
service "m365_12_2" { tcp = [9] }
variable "web" { default = "12" }
rule "media" {
  action   = "allow"
  to       = tag(feed.m365, "11")
  services = [ports(feed.m365, "11")]
}
rule "web" {
  action   = "allow"
  to       = tag(feed.m365, "12")
  services = [service.m365_12, ports(feed.m365, var.web)]
}
rule "again" {
  action   = "allow"
  to       = ["33.112.7.0/24"]
  services = [ports(feed.m365, "12"), service.m365_12_2]
}
rule "needed" {
  action   = "allow"
  to       = tag(feed.m365, "Teams.Optimize.required")
  services = [ports(feed.m365, "Teams.Optimize.required")]
}
target "generic" "plan" {}
`)
	udp := rules.NewMatches(rules.Ports(rules.UDP, 3478, 3481))
	web := rules.NewMatches(rules.Ports(rules.TCP, 80, 80), rules.Ports(rules.TCP, 443, 443), rules.Ports(rules.UDP, 443, 443))
	want := map[string]string{
		"media":  fmt.Sprint("m365_11 ", udp),
		"web":    fmt.Sprint("m365_12 ", rules.NewMatches(rules.Ports(rules.TCP, 9, 9)), "m365_12_3 ", web),
		"again":  fmt.Sprint("m365_12_3 ", web, "m365_12_2 ", rules.NewMatches(rules.Ports(rules.TCP, 9, 9))),
		"needed": fmt.Sprint("m365_Teams_Optimize_required ", udp),
	}
	for _, r := range p.Target("plan").Plan.Rules {
		got := ""
		for _, s := range r.Services {
			got += fmt.Sprint(s.Name(), " ", s.Matches())
		}
		if got != want[r.Name] {
			t.Errorf("rule %s has %s, want %s", r.Name, got, want[r.Name])
		}
	}
	for _, r := range p.Rules {
		if !slices.Equal(r.Feeds, []string{"m365"}) {
			t.Errorf("rule %s comes from %q", r.Name, r.Feeds)
		}
	}
	if len(p.Feeds) != 1 || p.Feeds[0].Kind != "m365" {
		t.Errorf("feeds %+v", p.Feeds)
	}
}

// TestNoCrossProduct decides connections to the addresses of one set on the
// ports of another.
func TestNoCrossProduct(t *testing.T) {
	p := clean(t, `
feed "m365" {}
rule "media" {
  action   = "allow"
  to       = tag(feed.m365, "11")
  services = [ports(feed.m365, "11")]
}
rule "mail" {
  action   = "allow"
  to       = tag(feed.m365, "10")
  services = [ports(feed.m365, "10")]
}
target "generic" "plan" {}
`)
	plan := p.Target("plan").Plan
	for _, tt := range []struct {
		to    string
		proto rules.Protocol
		port  uint16
		want  rules.Verdict
	}{
		{"33.112.0.1", rules.UDP, 3479, rules.Allow},
		{"33.112.0.1", rules.TCP, 25, rules.Continue},
		{"33.92.0.1", rules.TCP, 25, rules.Allow},
		{"33.92.0.1", rules.UDP, 3479, rules.Continue},
		{"33.112.0.1", rules.TCP, 3479, rules.Continue},
	} {
		got, _ := plan.Decide(rules.Flow{Src: addr("10.0.0.1"), Dst: addr(tt.to), Proto: tt.proto, Point: tt.port})
		if got != tt.want {
			t.Errorf("%s %v %d: %v, want %v", tt.to, tt.proto, tt.port, got, tt.want)
		}
	}
}

// TestPortsOffline: without the feed, nothing is known and nothing is said.
func TestPortsOffline(t *testing.T) {
	f, list := Load("test.hcl", []byte(`
feed "m365" {}
rule "media" {
  action   = "allow"
  to       = tag(feed.m365, "11")
  services = [ports(feed.m365, "11")]
}
target "generic" "plan" {}
`), testOptions(nil))
	p, more := f.Compile(nil)
	if len(list)+len(more) != 0 || len(p.Rules) != 0 {
		t.Errorf("%v %v, %d rules", list, more, len(p.Rules))
	}
}

func TestPortsName(t *testing.T) {
	f, _ := Load("test.hcl", nil, testOptions(nil))
	c := newCompiler(f, nil)
	seen := map[string]bool{}
	long := strings.Repeat("x", 60)
	for _, tag := range []string{"11", "Teams.Optimize", "Teams_Optimize", "Teams-Optimize", long + "a", long + "b"} {
		name := c.portsName("m365", tag)
		if !plainName(name) || len(name) > maxNameLength || seen[name] || c.portsName("m365", tag) != name {
			t.Errorf("%s is named %s", tag, name)
		}
		seen[name] = true
	}
}

func TestFeedAsSet(t *testing.T) {
	p := clean(t, `
feed "own" {
  kind = "text"
  file = "own.txt"
}
set "ours" { include = [feed.own, "192.0.2.0/24"] }
rule "calls" {
  action   = "allow"
  from     = feed.own
  to       = set.ours
  services = any
}
target "generic" "plan" {}
`)
	own := ipranges.MustParse("33.0.0.0/23")
	set, _ := p.Set("ours")
	if r := p.Rules[0]; !r.From.Set().Equal(own) || !set.Set.Equal(own.Union(ipranges.MustParse("192.0.2.0/24"))) || !slices.Equal(r.Feeds, []string{"own"}) {
		t.Errorf("%v, %v, %q", r.From.Set(), set.Set, r.Feeds)
	}
}
