package policy

import (
	"slices"
	"testing"

	"sallyport/rules"
)

const namesPolicy = `
feed "m365" {}
names "signalling" {
  description = "what clients sign in with"
  include     = ["Login.Example.com", "*.skype.example.com", names(feed.m365, "16"), "login.example.com"]
  exclude     = ["autodiscover.*.mail.example.net"]
}
service "https" { tcp = [443] }
rule "signalling" {
  action   = "allow"
  from     = ["10.0.0.0/8"]
  to       = names.signalling
  services = [service.https]
}
names "own" {
  include = [names(feed.m365, "16")]
  exclude = ["autodiscover.*.mail.example.net"]
}
rule "own" {
  action   = "allow"
  to       = names.own
  services = [ports(feed.m365, "16")]
}
target "nftables" "edge" { hook = "output" }
`

func TestNames(t *testing.T) {
	p := clean(t, namesPolicy)
	want := []string{"*-files.example.net", "*.keydelivery.example.net", "*.skype.example.com", "login.example.com"}
	if got := p.Names[0].Patterns; !slices.Equal(got, want) {
		t.Errorf("names are %v, not %v", got, want)
	}
	to := p.Rules[0].To
	if !to.ByName() || to.IsAny() || to.IsEmpty() || to.Name() != "signalling" || !slices.Equal(to.Patterns(), want) {
		t.Errorf("the rule goes to %+v", to)
	}
	if !slices.Equal(p.Rules[0].Feeds, []string{"m365"}) || len(p.Feeds) != 1 {
		t.Errorf("the rule comes from feeds %v, the program from %v", p.Rules[0].Feeds, p.Feeds)
	}
	plan := p.Targets[0].Plan
	for _, tt := range []struct {
		name, src string
		want      rules.Verdict
	}{
		{"a.skype.example.com", "10.1.1.1", rules.Allow},
		{"a.b.skype.example.com", "10.1.1.1", rules.Allow},
		{"skype.example.com", "10.1.1.1", rules.Continue},
		{"evilskype.example.com", "10.1.1.1", rules.Continue},
		{"login.example.com", "10.1.1.1", rules.Allow},
		{"login.example.com", "11.1.1.1", rules.Continue},
		{"my-files.example.net", "11.1.1.1", rules.Allow},
		{"", "10.1.1.1", rules.Continue},
	} {
		f := rules.Flow{Src: addr(tt.src), Dst: addr("203.0.113.9"), Proto: rules.TCP, Point: 443, Name: tt.name}
		if got, _ := plan.Decide(f); got != tt.want {
			t.Errorf("%s: %s, not %s", f, got, tt.want)
		}
	}
}
