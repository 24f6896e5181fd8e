package generic

import (
	"errors"
	"strings"
	"testing"

	"sallyport/internal/testkit/realfeed"
	"sallyport/ipranges"
	"sallyport/ipranges/azure"
	"sallyport/renderers"
	"sallyport/renderers/conformance"
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
	return conformance.Contract{Kind: Kind(), Variants: variants()}
}

func TestConformance(t *testing.T) { conformance.Run(t, contract()) }

func TestTwoWeeks(t *testing.T) {
	var weeks [2]rules.Addresses
	for i, change := range []string{"396", "398"} {
		c, err := azure.Decode(realfeed.Read(t, "azure/ServiceTags_Public_change"+change+".json"), azure.Options{})
		if err != nil {
			t.Fatal(err)
		}
		set, ok := c.Set("AzureCloud")
		if !ok {
			t.Fatal("the feed has no tag AzureCloud")
		}
		weeks[i] = rules.In("azure", set)
	}
	for _, v := range variants() {
		t.Run(v.Name, func(t *testing.T) { conformance.Week(t, Kind(), v.Options, weeks[0], weeks[1]) })
	}
}

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

func TestOptionMistakes(t *testing.T) {
	missing := func(string) ([]byte, error) { return nil, errors.New("no such file") }
	for want, o := range map[string]*Options{
		"no format":   {Format: "yaml"},
		"no template": {Format: "template"},
		"no such":     {Format: "template", Template: "x"},
	} {
		_, err := Kind().Build(o, renderers.Env{Name: "x", Path: "x.json", Read: missing})
		var opt *renderers.OptionError
		if !errors.As(err, &opt) || !strings.Contains(opt.Cause, want) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

func TestReadRefusesWhatItCannotTrust(t *testing.T) {
	for name, text := range map[string]string{
		"another version":           `{"format":"sallyport-plan/9"}`,
		"an unknown field":          `{"format":"sallyport-plan/1","extra":1}`,
		"an unknown set":            `{"format":"sallyport-plan/1","default":"deny","rules":[{"name":"x","action":"allow","from":"any","to":"gone","services":["any"]}]}`,
		"not JSON":                  `nothing`,
		"names in the first format": `{"format":"sallyport-plan/1","default":"deny","sets":[{"name":"n","hosts":["a.example.com"]}]}`,
		"names beside addresses":    `{"format":"sallyport-plan/2","default":"deny","sets":[{"name":"n","ipv4":[],"hosts":["a.example.com"]}]}`,
	} {
		if p, err := (jsonFormat{}).read([]byte(text)); err == nil {
			t.Errorf("%s: read as %+v", name, p)
		}
	}
	for _, text := range []string{"", "a,b\n", strings.Join(csvColumns, ",") + "\nx,allow,false,any,9.9.9.9,1.1.1.1,any\n"} {
		if p, err := (csvFormat{}).read([]byte(text)); err == nil {
			t.Errorf("%q: read as %+v", text, p)
		}
	}
}
