package policy

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sallyport/rules"
)

func TestOptions(t *testing.T) {
	p := clean(t, `
variable "port" { default = 5 }
set "lan" { include = ["10.0.0.0/8"] }
set "edge_keep" { include = ["10.0.0.0/8"] }
rule "r" {
  action   = "allow"
  to       = [set.lan, set.edge_keep]
  services = any
}
target "nftables" "edge" {
  hook    = "out${1 + 1}"
  ingress = ["lan0", "lan1"]
  dscp    = true
  level   = -128
  count   = 7 + var.port
  ratio   = 0.25
  share   = "12.5%"
  shares  = ["1%", "2%"]
  wait    = "1m30s"
  keep    = ["192.0.2.0/24"]
  tags    = { a = "x", "b-c" = "y${var.port}" }
  zone "in" {
    links = ["eth0"]
    idle  = "5s"
  }
  zone "out" {
    idle = "2d"
  }
  budget {
    max_missing = "3%"
  }
}
target "nftables" "defaults" {
  keep = any
}
`)
	same := cmp.Comparer(func(a, b rules.Addresses) bool {
		return a.IsAny() == b.IsAny() && a.Name() == b.Name() && a.Set().Equal(b.Set())
	})
	opt := p.Target("edge").Options.(*filterOptions)
	want := &filterOptions{Hook: "out2", Ingress: []string{"lan0", "lan1"}, Table: "inet filter", DSCP: true, Level: -128, Count: 12,
		Ratio: 0.25, Share: 12.5, Shares: []percent{1, 2}, Waits: Waits{90 * time.Second}, Keep: opt.Keep, Tags: map[string]string{"a": "x", "b-c": "y5"},
		Zones:  []zone{{Name: "in", Links: []string{"eth0"}, Idle: 5 * time.Second}, {Name: "out", Idle: 48 * time.Hour}},
		Budget: &budget{MaxMissing: 3}}
	if diff := cmp.Diff(want, opt, same); diff != "" {
		t.Error(diff)
	}
	if opt.Keep.Name() != "edge_keep_2" || !opt.Keep.Contains(addr("192.0.2.7")) || opt.Keep.Contains(addr("10.0.0.1")) {
		t.Errorf("keep is %s", opt.Keep.Name())
	}
	def := p.Target("defaults").Options.(*filterOptions)
	if diff := cmp.Diff(&filterOptions{Table: "inet filter", Level: 3, Keep: rules.Any()}, def, same); diff != "" {
		t.Error(diff)
	}
	places := p.Target("edge").Places
	for _, path := range []string{"", "hook", "ingress", "ingress.1", "shares.0", "tags.b-c", "zone.0", "zone.1.idle", "zone.0.links.0", "budget", "budget.max_missing"} {
		if places[path].IsZero() {
			t.Errorf("option %q has no place", path)
		}
	}
}

type listDefaults struct {
	Names []string `policy:"names" doc:"names"`
	Zones []zone   `policy:"zone" doc:"zones"`
	Limit *budget  `policy:"limit" doc:"limits"`
}

// What a policy writes replaces the defaults, and leaves the kind's own alone.
func TestOptionDefaultsAreNotShared(t *testing.T) {
	defaults := listDefaults{Names: []string{"a", "b"}, Zones: []zone{{Name: "z"}}, Limit: &budget{Routes: 9}}
	opt := testOptions(nil)
	opt.Kinds = func(string) (TargetKind, bool) {
		return TargetKind{Name: "k", Class: Filter, NewOptions: func() any { o := defaults; return &o }}, true
	}
	src := `
rule "r" {
  action   = "deny"
  to       = any
  services = any
}
target "k" "full" {
  names = ["c"]
  zone "y" { idle = "1s" }
  limit { max_missing = "1%" }
}
target "k" "bare" {
  path = "bare"
}
`
	f, list := Load("test.hcl", []byte(src), opt)
	p, more := f.Compile(nil)
	if list = append(list, more...); list.HasErrors() {
		t.Fatal(show(list, src))
	}
	full := p.Target("full").Options.(*listDefaults)
	if len(full.Names) != 1 || full.Names[0] != "c" || len(full.Zones) != 1 || full.Zones[0].Name != "y" || full.Limit.Routes != 9 || full.Limit.MaxMissing != 1 {
		t.Errorf("%+v", full)
	}
	bare := p.Target("bare").Options.(*listDefaults)
	if len(bare.Names) != 2 || bare.Names[0] != "a" || bare.Zones[0].Name != "z" || bare.Limit.MaxMissing != 0 {
		t.Errorf("%+v", bare)
	}
}

type loop struct {
	Inner *loop `policy:"inner" doc:"itself"`
}

// Mistakes in a target's own struct are found by Check; a policy that uses such
// a target gets a diagnostic, not a panic.
func TestKindCheck(t *testing.T) {
	for name, tt := range map[string]struct {
		options any
		problem string
	}{
		"fine":  {&filterOptions{}, ""},
		"none":  {nil, "not a pointer"},
		"value": {filterOptions{}, "not a pointer"},
		"common": {&struct {
			Path string `policy:"path" doc:"x"`
		}{}, `"path" is not plain, or used twice`},
		"twice": {&struct {
			A, B string `policy:"a" doc:"x"`
		}{}, "used twice"},
		"twice, in an embedded struct": {&struct {
			Waits
			A string `policy:"wait" doc:"x"`
		}{}, "used twice"},
		"hyphen": {&struct {
			A string `policy:"a-b" doc:"x"`
		}{}, "not plain"},
		"no doc": {&struct {
			A string `policy:"a"`
		}{}, "no doc"},
		"channel": {&struct {
			A chan int `policy:"a" doc:"x"`
		}{}, "cannot hold"},
		"interface": {&struct {
			A any `policy:"a" doc:"x"`
		}{}, "cannot hold"},
		"lists": {&struct {
			A [][]string `policy:"a" doc:"x"`
		}{}, "cannot hold"},
		"label": {&struct {
			A int `policy:",label"`
		}{}, "a label is a string"},
		"itself": {&loop{}, "hold themselves"},
	} {
		kind := TargetKind{Name: "k", Class: Filter, Extension: ".x", NewOptions: func() any { return tt.options }}
		err := kind.Check()
		if (err == nil) != (tt.problem == "") || err != nil && !strings.Contains(err.Error(), tt.problem) {
			t.Errorf("%s: %v", name, err)
		}
		opt := testOptions(nil)
		opt.Kinds = func(string) (TargetKind, bool) { return kind, true }
		for _, args := range []string{"", "a = 5", `a = "x"`, "a = [[5]]", "a = { b = 1 }", "a {}", `a "x" {}`, "inner {}"} {
			f, _ := Load("test.hcl", []byte("target \"k\" \"t\" {\n"+args+"\n}\n"), opt)
			f.Compile(nil)
		}
	}
}
