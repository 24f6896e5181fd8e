package policy

import (
	"strconv"
	"strings"
	"testing"

	"sallyport/ipranges"
)

func itoa(n int) string { return strconv.Itoa(n) }

const varPolicy = `
variable "net" { default = "192.0.2.0/24" }
variable "nets" { default = ["192.0.2.0/24"] }
variable "port" { default = 443 }
variable "on" { default = true }
variable "free" {}
set "one" { include = [var.net] }
set "many" { include = var.nets }
set "free" { include = var.free }
service "s" { tcp = [var.port] }
rule "r" {
  action   = "allow"
  to       = [set.one, set.many, set.free]
  services = [service.s]
  log      = var.on
}
target "nftables" "edge" {}
`

func TestVariables(t *testing.T) {
	p, list := check(t, "test.hcl", varPolicy, map[string]string{
		"net": "198.51.100.0/24", "nets": "10.0.0.0/8, 172.16.0.0/12", "port": "8443", "on": "false", "free": `["203.0.113.1", "203.0.113.2"]`,
	})
	if list.HasErrors() {
		t.Fatal(show(list, varPolicy))
	}
	r := p.Target("edge").Plan.Rules[0]
	want := ipranges.MustParse("198.51.100.0/24", "10.0.0.0/8", "172.16.0.0/12", "203.0.113.1-203.0.113.2")
	if !r.To.Set().Equal(want) || r.Log || !r.Services[0].Has(6, 8443) || r.Services[0].Has(6, 443) {
		t.Errorf("%+v", r)
	}
}

func TestVariableMistakes(t *testing.T) {
	for _, tt := range []struct{ name, value, summary, fix string }{
		{"port", "https", "--var port=https: its default is a number", "digits"},
		{"port", "1e99", "--var port=1e99: its default is a number", "digits"},
		{"on", "yes", "--var on=yes: its default is true or false", "true or false"},
		{"nets", `["a"`, "the list is not well formed", `["a", "b"]`},
		{"nets", `["a", 5]`, "something else than strings", `["a", "b"]`},
		{"nets", "10.0.0.0/8,,10.1.0.0/16", "the list has an empty element", "commas"},
		{"nets", "[lan0, lan1]", "the list has no quotes, which a shell takes away", "write lan0,lan1 without brackets"},
		{"nets", strings.Repeat("[", 100000), "nested", ""},
		{"nett", "x", "--var nett: the policy has no variable of that name", "did you mean --var net?"},
		{"zzzzzzzz", "x", "--var zzzzzzzz: the policy has no variable", "--var nets"},
	} {
		vars := map[string]string{"free": "203.0.113.1"}
		vars[tt.name] = tt.value
		_, list := check(t, "test.hcl", varPolicy, vars)
		found := false
		for _, d := range list {
			found = found || strings.Contains(d.Summary, tt.summary) && strings.Contains(d.Fix, tt.fix)
		}
		if !found || list.Count(0) != 1 {
			t.Errorf("--var %s=%.20s: %s", tt.name, tt.value, show(list, varPolicy))
		}
	}
	_, list := check(t, "test.hcl", varPolicy, nil)
	if got := summaries(list); len(got) != 1 || !strings.Contains(list[0].Fix, "--var free=VALUE") {
		t.Errorf("without a value: %v", got)
	}
}

// An empty list from the command line is as empty as one in the policy.
func TestEmptyListVariable(t *testing.T) {
	_, list := check(t, "test.hcl", varPolicy, map[string]string{"free": "203.0.113.1", "nets": ""})
	if got := summaries(list); len(got) != 1 || got[0] != "error: include is empty" {
		t.Error(got)
	}
}

func TestHash(t *testing.T) {
	hash := func(src string, vars map[string]string) string {
		f, _ := Load("test.hcl", []byte(src), testOptions(vars))
		p, _ := f.Compile(nil)
		return p.Hash
	}
	base := map[string]string{"free": "203.0.113.1"}
	seen := map[string]string{}
	for name, h := range map[string]string{
		"base":   hash(varPolicy, base),
		"source": hash(varPolicy+"\n", base),
		"value":  hash(varPolicy, map[string]string{"free": "203.0.113.2"}),
		"one":    hash(varPolicy, map[string]string{"free": "203.0.113.1", "nets": "a,b"}),
		"two":    hash(varPolicy, map[string]string{"free": "203.0.113.1", "nets": `["a,b"]`}),
		"number": hash(varPolicy, map[string]string{"free": "203.0.113.1", "port": "1"}),
	} {
		if other, dup := seen[h]; dup {
			t.Errorf("%s and %s have one hash", name, other)
		}
		seen[h] = name
	}
	if hash(varPolicy, base) != hash(varPolicy, map[string]string{"free": "203.0.113.1", "port": "443"}) {
		t.Error("a default that is given has another hash")
	}
}
