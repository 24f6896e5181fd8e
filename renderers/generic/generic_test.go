package generic

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"sallyport/internal/testkit/conformance"
	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

func variants() []conformance.Variant {
	return []conformance.Variant{
		{Name: "json", Options: &Options{Format: "json"}},
		{Name: "csv", Options: &Options{Format: "csv", Header: true}},
		{Name: "template", Options: &Options{Format: "template", Template: "testdata/list.tmpl"}, NoReadBack: true},
	}
}

func contract() conformance.Contract {
	return conformance.Contract{Kind: Kind(), Variants: variants(),
		Mistakes: []conformance.Mistake{
			conformance.Wrong("format", &Options{Format: "yaml"}),
			conformance.Wrong("format", &Options{Format: "template"}),
			conformance.Wrong("template", &Options{Format: "template", Template: "missing"}),
		},
		Damages: slices.Concat(
			conformance.Damaged("json", map[string][2]string{
				"another version":           {`"sallyport-plan/`, `"sallyport-plan/9`},
				"an unknown field":          {`  "name": "edge",`, `  "name": "edge", "extra": 1,`},
				"an unknown set":            {`"to": "cloud"`, `"to": "gone"`},
				"not JSON":                  {`{` + "\n", "nothing\n"},
				"names in the first format": {`"sallyport-plan/2"`, `"sallyport-plan/1"`},
				"names beside addresses":    {`      "hosts": [`, `      "ipv4": [], "hosts": [`},
			}),
			conformance.Damaged("csv", map[string][2]string{
				"no columns":                     {strings.Join(csvColumns, ",") + "\n", ""},
				"other columns":                  {"rule,action,", "rule,verb,"},
				"a range that ends and begins":   {",52.112.0.0,52.115.255.255,", ",52.115.255.255,52.112.0.0,"},
				"an address of the other family": {",52.112.0.0,52.115.255.255,", ",52.112.0.0,2603::,"},
				"a column less":                  {",52.112.0.0,52.115.255.255,", ",52.112.0.0,"},
				"another action":                 {"calls,allow,", "calls,permit,"},
			}),
		),
	}
}

func TestConformance(t *testing.T) { conformance.Run(t, contract()) }

// FuzzFiles feeds the readers of what is rendered, and of the user's template.
func FuzzFiles(f *testing.F) { conformance.Fuzz(f, contract()) }

func BenchmarkRender(b *testing.B) { conformance.Benchmark(b, contract()) }

func plan() *rules.Plan {
	return &rules.Plan{Name: "edge", Families: rules.BothFamilies, Rules: []rules.Rule{{
		Name: "calls", Verdict: rules.Allow, From: rules.Any(),
		To:       rules.In("cloud", ipranges.MustParse("52.112.0.0/14", "20.202.0.1-20.202.0.2", "2603:1063::/38")),
		Services: []rules.Service{rules.NewService("media", rules.Ports(rules.UDP, 3478, 3481))},
	}}}
}

// named is a rule to host names beside one to addresses.
func named() *rules.Plan {
	p := plan()
	p.Rules = append(p.Rules, rules.Rule{Name: "signalling", Verdict: rules.Allow, From: rules.Any(),
		To: rules.Named("names", []string{"*.skype.com", "login.example.com"}), Services: []rules.Service{rules.NewService("https", rules.Ports(rules.TCP, 443, 443))}})
	return p
}

func render(t *testing.T, src string) (string, error) {
	t.Helper()
	return renderPlan(t, src, plan())
}

func renderPlan(t *testing.T, src string, p *rules.Plan) (string, error) {
	t.Helper()
	env := renderers.Env{Name: "edge", Path: "edge.txt", Read: func(string) ([]byte, error) { return []byte(src), nil }}
	r, err := Kind().Build(&Options{Format: "template", Template: "mine.tmpl"}, env)
	if err != nil {
		return "", err
	}
	files, err := r.Render(p)
	if err != nil {
		return "", err
	}
	return string(files[0].Data), nil
}

// TestTemplatesAndNames: a template that never looks at hosts would make an empty list of
// a rule to names.
func TestTemplatesAndNames(t *testing.T) {
	for src, takes := range map[string]bool{
		`{{range .Sets}}{{range .Prefixes}}{{.}} {{end}}{{end}}`:                                         false,
		`{{range .Sets}}{{.Name}} "Hosts" {{"x.Hosts"}}{{/* .Hosts */}}{{end}}`:                          false,
		`{{range .Sets}}{{range .Hosts}}{{.}} {{end}}{{end}}`:                                            true,
		`{{range $set := .Sets}}{{join $set.Hosts " "}}{{end}}`:                                          true,
		`{{range .Sets}}{{with .Hosts}}{{join . " "}}{{end}}{{end}}`:                                     true,
		`{{range .Sets}}{{if .IPv4}}{{else if .Hosts}}{{lines "" .Hosts}}{{end}}{{end}}`:                 true,
		`{{range .Sets}}{{with .IPv4}}{{else}}{{len (print .Hosts)}}{{end}}{{end}}`:                      true,
		`{{define "set"}}{{join .Hosts " "}}{{end}}{{range .Sets}}{{template "set" .}}{{end}}`:           true,
		`{{with index .Sets 0}}{{end}}{{join (index .Sets 1).Hosts " "}}`:                                true,
		`{{define "list"}}{{join . " "}}{{end}}{{range .Sets}}{{template "list" .Hosts}}{{else}}{{end}}`: true,
	} {
		got, err := renderPlan(t, src, named())
		var rule *rules.RuleError
		if !takes && (!errors.As(err, &rule) || rule.Rule != "signalling" || !strings.Contains(rule.Cause, "mine.tmpl") || rule.Fix == "") {
			t.Errorf("%s: %q, %v", src, got, err)
		}
		if takes && err != nil {
			t.Errorf("%s: %v", src, err)
		}
		if _, err := render(t, src); err != nil && !strings.Contains(src, "index .Sets 1") {
			t.Errorf("%s, without names: %v", src, err)
		}
	}
}

// TestFormatOfNames: what knows the first format alone must not read an empty set.
func TestFormatOfNames(t *testing.T) {
	for want, p := range map[string]*rules.Plan{"sallyport-plan/1": plan(), "sallyport-plan/2": named()} {
		data, err := (jsonFormat{}).write(p)
		if err != nil || !strings.Contains(string(data), `"format": "`+want+`"`) {
			t.Errorf("%v\n%s", err, data)
		}
		if n := strings.Count(string(data), `"ipv4": [`); n != 1 {
			t.Errorf("%d sets of addresses in\n%s", n, data)
		}
		back, err := (jsonFormat{}).read(data)
		if err != nil {
			t.Fatal(err)
		}
		if d := rules.Compare(p, back); d != nil {
			t.Error(d)
		}
	}
	p := named()
	p.Rules[1].To = rules.Named("cloud", []string{"a.example.com"})
	_, err := (jsonFormat{}).write(p)
	var rule *rules.RuleError
	if !errors.As(err, &rule) || rule.Rule != "signalling" || rule.Fix == "" {
		t.Errorf("a set and names of one label: %v", err)
	}
}

func TestTemplateSeesThePlan(t *testing.T) {
	got, err := render(t, `{{range .Sets}}{{range .Prefixes}}{{.}};{{end}}|{{range .Prefixes6}}{{.}}{{end}}|{{range .IPv4}}{{.}};{{end}}{{end}}{{range .Rules}}{{.Name}} {{.Action}}{{end}}`)
	if err != nil {
		t.Fatal(err)
	}
	want := "20.202.0.1/32;20.202.0.2/32;52.112.0.0/14;2603:1063::/38;|2603:1063::/38|20.202.0.1-20.202.0.2;52.112.0.0/14;calls allow"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestTemplateMistakesAreOptionErrors(t *testing.T) {
	for _, src := range []string{"{{.", "{{.Nothing}}", "{{range .Sets}}{{.Nope}}{{end}}", "{{nofunc}}", `{{template "absent"}}`} {
		_, err := render(t, src)
		var opt *renderers.OptionError
		if !errors.As(err, &opt) || opt.Option != "template" || opt.Fix == "" {
			t.Errorf("%s: %v", src, err)
		}
	}
}
