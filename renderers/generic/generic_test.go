package generic

import (
	"errors"
	"strings"
	"testing"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/renderers/conformance"
	"sallyport/rules"
)

func TestConformance(t *testing.T) {
	conformance.Run(t, Kind(),
		conformance.Variant{Name: "json", Options: &Options{Format: "json"}},
		conformance.Variant{Name: "csv", Options: &Options{Format: "csv", Header: true}},
		conformance.Variant{Name: "template", Options: &Options{Format: "template", Template: "testdata/list.tmpl"}, NoReadBack: true},
	)
}

func plan() *rules.Plan {
	return &rules.Plan{Name: "edge", Families: rules.BothFamilies, Rules: []rules.Rule{{
		Name: "calls", Verdict: rules.Allow, From: rules.Any(),
		To:       rules.In("cloud", ipranges.MustParse("52.112.0.0/14", "20.202.0.1-20.202.0.2", "2603:1063::/38")),
		Services: []rules.Service{rules.NewService("media", rules.Ports(rules.UDP, 3478, 3481))},
	}}}
}

func render(t *testing.T, src string) (string, error) {
	t.Helper()
	env := renderers.Env{Name: "edge", Path: "edge.txt", Read: func(string) ([]byte, error) { return []byte(src), nil }}
	r, err := Kind().Build(&Options{Format: "template", Template: "mine.tmpl"}, env)
	if err != nil {
		return "", err
	}
	files, err := r.Render(plan())
	if err != nil {
		return "", err
	}
	return string(files[0].Data), nil
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
		"another version":  `{"format":"sallyport-plan/9"}`,
		"an unknown field": `{"format":"sallyport-plan/1","extra":1}`,
		"an unknown set":   `{"format":"sallyport-plan/1","default":"deny","rules":[{"name":"x","action":"allow","from":"any","to":"gone","services":["any"]}]}`,
		"not JSON":         `nothing`,
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

func FuzzRead(f *testing.F) {
	for _, format := range []format{jsonFormat{}, csvFormat{header: true}} {
		data, err := format.write(plan())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, format := range []format{jsonFormat{}, csvFormat{}} {
			p, err := format.read(data)
			if err != nil {
				continue
			}
			again, err := format.write(p)
			if err != nil {
				continue // a plan of sources too many for CSV
			}
			q, err := format.read(again)
			if err != nil {
				t.Fatalf("what was written cannot be read: %v\n%s", err, again)
			}
			if d := rules.Compare(p, q); d != nil {
				t.Fatal(d)
			}
		}
	})
}
