package pipeline

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"sallyport/ipranges"
	"sallyport/rules/policy"
	"sallyport/verifier"
)

const verifyPolicy = `
set "media" {
  include = ["203.0.114.0/24", "203.0.116.0/24", "2a01:111:f400::/48"]
}
names "signalling" {
  include = ["*.skype.com"]
}
service "media" {
  udp = ["3478-3481"]
  tcp = [443]
}
service "https" {
  tcp = [443]
}
rule "closed" {
  action   = "deny"
  to       = ["203.0.114.9"]
  services = any
}
rule "calls" {
  action   = "allow"
  to       = set.media
  services = [service.media]
}
rule "signalling" {
  action   = "allow"
  to       = names.signalling
  services = [service.https]
}
rule "off" {
  action   = "allow"
  to       = set.media
  services = [service.https]
  enabled  = false
}
probe "relay" {
  host  = "203.0.114.5"
  rule  = rule.calls
  kinds = ["stun", "path"]
}
probe "login" {
  host     = "login.skype.com"
  services = [service.https]
  issuers  = ["Example CA"]
}
target "windows" "laptops" {
  form   = "routes"
  bypass = set.media
  budget {
    routes      = 1
    max_missing = "60%"
  }
}
target "nftables" "edge" {
  rules = [rule.calls]
  hook  = "output"
}
`

func TestVerifyPlan(t *testing.T) {
	req := request(t, verifyPolicy)
	res := run(t, req)
	if res.Diagnostics.HasErrors() {
		t.Fatal(res.Diagnostics)
	}
	p := res.VerifyPlan()
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, r := range p.Rules {
		row := r.Name + " " + r.Set
		if r.Deny {
			row += " deny"
		}
		if r.Any {
			row += " any"
		}
		for _, s := range r.Services {
			row += " " + s.String()
		}
		rows = append(rows, row)
	}
	if want := []string{"closed closed_to deny any", "calls media tcp/443 udp/3478-3481", "signalling  any tcp/443"}; !slices.Equal(rows, want) {
		t.Errorf("rules %q, not %q", rows, want)
	}
	if len(p.Probes) != 2 || p.Probes[0].Rule != "calls" || len(p.Probes[0].Kinds) != 2 || p.Probes[1].Rule != "" || len(p.Probes[1].Services) != 1 {
		t.Errorf("probes %+v", p.Probes)
	}
	if len(p.Routes) != 1 || p.Routes[0].Direction != verifier.Bypass {
		t.Fatalf("routes %+v", p.Routes)
	}
	listed := p.SetNamed(p.Routes[0].Set)
	if listed == nil || !listed.To.Equal(ipranges.MustParse("203.0.116.0/24", "2a01:111:f400::/48")) {
		t.Errorf("the way is of %+v: not the list that was rendered", listed)
	}
	if set := p.SetNamed("media"); !set.To.Equal(ipranges.MustParse("203.0.114.0/24", "203.0.116.0/24", "2a01:111:f400::/48")) || set.Place.Line != 2 {
		t.Errorf("set media is %+v", set)
	}
}

// TestVerifyPlanTravels holds that a plan is the same after a file.
func TestVerifyPlanTravels(t *testing.T) {
	req := request(t, verifyPolicy)
	p := run(t, req).VerifyPlan()
	var first, second bytes.Buffer
	if err := p.WriteJSON(&first); err != nil {
		t.Fatal(err)
	}
	again, err := verifier.ReadPlan(bytes.NewReader(first.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if err := again.WriteJSON(&second); err != nil {
		t.Fatal(err)
	}
	if first.String() != second.String() {
		t.Error("a plan changes on its way through a file")
	}
	if strings.Contains(first.String(), "off") && again.RuleNamed("off") != nil {
		t.Error("a rule that is left out is verified")
	}
}

// TestBuiltinPlan holds that the built-in policy has its documented probes.
func TestBuiltinPlan(t *testing.T) {
	req := request(t, "")
	req.Policy = ""
	p := run(t, req).VerifyPlan()
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	if len(p.Probes) != len(verifier.DefaultProbes()) || p.RuleNamed("calls") == nil {
		t.Errorf("%d probes, rule calls %v", len(p.Probes), p.RuleNamed("calls"))
	}
}

// TestProbeKinds holds that the policy knows the kinds of the verifier.
func TestProbeKinds(t *testing.T) {
	for _, k := range policy.ProbeKinds() {
		if !slices.Contains(verifier.Kinds(), verifier.Kind(k)) {
			t.Errorf("the verifier has no kind %s", k)
		}
	}
}
