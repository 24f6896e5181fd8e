package sallyport_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sallyport"
	"sallyport/diag"
)

const edge = `
feed "list" {
  kind = "text"
  file = "list.txt"
}
set "cloud" {
  include = [feed.list]
}
rule "calls" {
  action   = "allow"
  to       = set.cloud
  services = any
}
target "generic" "csv" {
  format = "csv"
}
target "nftables" "edge" {
  hook = "output"
}
`

// options are those of a policy of which the feed is a small list.
func options(t *testing.T, text string) sallyport.Options {
	t.Helper()
	list := filepath.Join(t.TempDir(), "list.txt")
	if err := os.WriteFile(list, []byte("20.202.0.0/16\n2603:1063::/38\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return sallyport.Options{Policy: "edge.hcl", Text: []byte(text), Feeds: map[string]string{"list": list}}
}

func TestCompile(t *testing.T) {
	p, err := sallyport.Compile(t.Context(), options(t, edge))
	if err != nil || p.Diagnostics.HasErrors() {
		t.Fatal(p, err)
	}
	var names []string
	for _, target := range p.Targets() {
		names = append(names, target.Name)
	}
	if got := strings.Join(names, " "); got != "csv edge" {
		t.Errorf("the targets are %s", got)
	}
	out, err := p.Render("edge")
	if err != nil || out.Diagnostics.HasErrors() || len(out.Outputs) != 1 || len(out.Outputs[0].Files) != 2 {
		t.Fatalf("%+v (%v)", out, err)
	}
	if f := out.Outputs[0].Files[0]; f.Path != "edge.nft" || !strings.Contains(string(f.Data), "20.202.0.0/16") {
		t.Errorf("%s:\n%s", f.Path, f.Data)
	}
	if len(p.Outputs) > 0 || len(p.Feeds) != 1 || p.Feeds[0].Name != "list" {
		t.Errorf("the policy has %d outputs and the feeds %+v", len(p.Outputs), p.Feeds)
	}
}

// TestRenderAgain renders one policy twice: nothing of the first time is left in it.
func TestRenderAgain(t *testing.T) {
	p, err := sallyport.Compile(t.Context(), options(t, edge))
	if err != nil {
		t.Fatal(err)
	}
	first, err1 := p.Render()
	again, err2 := p.Render()
	if err1 != nil || err2 != nil || len(first.Outputs) != 2 || len(first.Diagnostics) != len(again.Diagnostics) {
		t.Fatalf("%+v (%v) and %+v (%v)", first, err1, again, err2)
	}
	for i := range first.Outputs {
		if diff := cmp.Diff(first.Outputs[i].Files, again.Outputs[i].Files); diff != "" {
			t.Error(diff)
		}
	}
}

func TestMistakes(t *testing.T) {
	p, err := sallyport.Compile(t.Context(), options(t, strings.Replace(edge, "set.cloud", "set.clout", 1)))
	if err != nil || p.Diagnostics.Count(diag.Error) != 1 || p.Diagnostics[0].Subject.Start.Line != 11 {
		t.Fatalf("%+v (%v)", p, err)
	}
	if out, err := p.Render(); err != nil || !out.Diagnostics.HasErrors() {
		t.Errorf("a policy with a mistake renders: %+v (%v)", out, err)
	}
	p, err = sallyport.Compile(t.Context(), options(t, edge))
	if err != nil {
		t.Fatal(err)
	}
	var usage *sallyport.UsageError
	if _, err := p.Render("none"); !errors.As(err, &usage) {
		t.Errorf("a target that is none: %v", err)
	}
	o := options(t, edge)
	o.Feeds["list"] += "x"
	if p, err := sallyport.Compile(t.Context(), o); err == nil || p == nil {
		t.Errorf("a feed that is not there: %+v (%v)", p, err)
	}
	if p, err := sallyport.Compile(t.Context(), sallyport.Options{Policy: "none.hcl"}); err == nil || p != nil {
		t.Errorf("a policy that is not there: %+v (%v)", p, err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	o = options(t, edge)
	o.Feeds["list"] = "https://192.0.2.1/list.txt"
	if _, err := sallyport.Compile(gone, o); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that has ended: %v", err)
	}
}

// TestTypesHaveNames holds that another module can name each type that options and results
// are made of: it cannot import those of internal packages.
func TestTypesHaveNames(t *testing.T) {
	named := map[reflect.Type]bool{}
	for _, v := range []any{sallyport.Policy{}, sallyport.Options{}, sallyport.Result{}, sallyport.Output{}, sallyport.UsageError{}, sallyport.Feed{},
		sallyport.OpenFeed{}, sallyport.Fetched{}, sallyport.Note{}, sallyport.Opener{}, sallyport.Cache{}, sallyport.State{}, sallyport.Change{},
		sallyport.RuleChange{}, sallyport.ListChange{}, sallyport.Origin{}, sallyport.OriginFeed{}, sallyport.Gap{}} {
		named[reflect.TypeOf(v)] = true
	}
	named[reflect.TypeFor[sallyport.Progress]()] = true
	named[reflect.TypeFor[sallyport.Fetcher]()] = true
	seen := map[reflect.Type]bool{}
	var walk func(reflect.Type, string)
	walk = func(typ reflect.Type, from string) {
		if seen[typ] {
			return
		}
		seen[typ] = true
		if strings.Contains(typ.PkgPath(), "/internal/") && strings.HasPrefix(typ.PkgPath(), "sallyport/") && !named[typ] {
			t.Errorf("%s needs %s, which has no name here", from, typ)
		}
		switch typ.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Chan:
			walk(typ.Elem(), from)
		case reflect.Map:
			walk(typ.Key(), from)
			walk(typ.Elem(), from)
		case reflect.Func:
			for i := range typ.NumIn() {
				walk(typ.In(i), from)
			}
			for i := range typ.NumOut() {
				walk(typ.Out(i), from)
			}
		case reflect.Struct:
			for i := range typ.NumField() {
				if f := typ.Field(i); f.IsExported() {
					walk(f.Type, typ.String()+"."+f.Name)
				}
			}
		}
	}
	for typ := range named {
		walk(typ, typ.String())
	}
	for _, typ := range []reflect.Type{reflect.TypeFor[*sallyport.Policy](), reflect.TypeFor[*sallyport.Result](), reflect.TypeFor[*sallyport.Change]()} {
		for i := range typ.NumMethod() {
			walk(typ.Method(i).Type, typ.String()+"."+typ.Method(i).Name)
		}
	}
}
