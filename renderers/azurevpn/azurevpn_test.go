package azurevpn

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/testkit/conformance"
	"sallyport/internal/testkit/need"
	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

func merge(config string) *Options { return &Options{Form: formMerge, Config: config} }

func variants() []conformance.Variant {
	return []conformance.Variant{
		{Name: "fragment", Options: &Options{Form: formFragment}},
		{Name: "merge", Options: merge("testdata/azurevpnconfig.xml")},
		{Name: "merge beside DNS", Options: merge("testdata/dns.xml")},
	}
}

func contract(t testing.TB) conformance.Contract {
	whole := read(t, "testdata/azurevpnconfig.xml")
	deep := strings.Repeat("<a>", 60) + strings.Repeat("</a>", 60)
	wrong := func(option string, o *Options, profile string) conformance.Mistake {
		return conformance.Mistake{Option: option, Options: o, Files: map[string]string{"profile.xml": profile}}
	}
	return conformance.Contract{Kind: Kind(), Variants: variants(),
		Mistakes: []conformance.Mistake{
			wrong("form", &Options{Form: "xml"}, whole),
			wrong("config", &Options{Form: formFragment, Config: "profile.xml"}, whole),
			wrong("config", &Options{Form: formMerge}, whole),
			wrong("config", merge("missing.xml"), whole),
			wrong("config", merge("profile.xml"), "<VPNProfile/>"),
			wrong("config", merge("profile.xml"), "text"),
			wrong("config", merge("profile.xml"), whole[:500]),
			wrong("config", merge("profile.xml"), "\xff\xfe<\x00"),
			wrong("config", merge("profile.xml"), strings.Replace(whole, "utf-8", "iso-8859-1", 1)),
			wrong("config", merge("profile.xml"), "<AzVpnProfile/>"),
			wrong("config", merge("profile.xml"), "<AzVpnProfile><clientconfig/><clientconfig/></AzVpnProfile>"),
			wrong("config", merge("profile.xml"), "<AzVpnProfile><d:clientconfig/></AzVpnProfile>"),
			wrong("config", merge("profile.xml"), "<!DOCTYPE x>"+"<AzVpnProfile><clientconfig/></AzVpnProfile>"),
			wrong("config", merge("profile.xml"), "<AzVpnProfile><clientconfig/>"+deep+"</AzVpnProfile>"),
			wrong("config", merge("profile.xml"), strings.Repeat(" ", maxProfile)+whole),
			wrong("config", merge("profile.xml"), whole+"<x/>"),
		},
		Damages: conformance.Damaged("", map[string][2]string{
			"host bits":          {"52.112.0.0<", "52.112.0.1<"},
			"no mask":            {"<mask>14</mask>", ""},
			"two destinations":   {"<mask>14", "<destination>10.0.0.0</destination><mask>14"},
			"a mask in dots":     {"<mask>14<", "<mask>255.252.0.0<"},
			"IPv6":               {route, "<route><destination>2603:1063::</destination><mask>38</mask></route>"},
			"an attribute":       {"<route>", `<route a="b">`},
			"a namespace":        {"<route>", `<route xmlns="urn:x">`},
			"a second list":      {"</clientconfig>", "</clientconfig><clientconfig/>"},
			"no end":             {"</clientconfig>", ""},
			"text":               {"</route>", "</route>and"},
			"an element in text": {"<mask>14", "<mask><b/>14"},
			"half a direction":   {"</excluderoutes>", "</includeroutes>"},
			"another element":    {"</excluderoutes>", "</excluderoutes><includeroutes/>"},
		}),
		Route: func(line string) bool { return strings.Contains(line, "<route>") },
	}
}

func TestConformance(t *testing.T) { conformance.Run(t, contract(t)) }

func FuzzFiles(f *testing.F) { conformance.Fuzz(f, contract(f)) }

func BenchmarkRender(b *testing.B) { conformance.Benchmark(b, contract(b)) }

// inMemory is an environment with one file, profile.xml.
func inMemory(text string) renderers.Env {
	return renderers.Env{Name: "edge", Path: "edge.xml", Read: func(name string) ([]byte, error) {
		if name == "profile.xml" {
			return []byte(text), nil
		}
		return nil, errors.New("no such file")
	}}
}

func read(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

var relays = ipranges.MustParse("20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15")

func bypass() *rules.Plan { return rules.RoutePlan("edge", rules.OnlyIPv4, rules.Bypass, relays) }

// build1 makes a renderer that merges into text, or fails.
func build1(t testing.TB, text string) *renderer {
	t.Helper()
	r, err := Kind().Build(merge("profile.xml"), inMemory(text))
	if err != nil {
		t.Fatal(err)
	}
	return r.Renderer.(*renderer)
}

const route = "<route><destination>20.202.0.0</destination><mask>16</mask></route>"

// TestMergeChangesNothingElse merges into each shape that a clientconfig has.
func TestMergeChangesNothingElse(t *testing.T) {
	ours := route
	one := ipranges.MustParse("20.202.0.0/16")
	for name, tt := range map[string]struct{ in, exclude, include string }{
		"nil": {
			"<clientconfig i:nil=\"true\" />",
			"<clientconfig>\n  <excluderoutes>\n    " + ours + "\n  </excluderoutes>\n</clientconfig>",
			"<clientconfig>\n  <includeroutes>\n    " + ours + "\n  </includeroutes>\n</clientconfig>",
		},
		"closed": {
			"<clientconfig/>",
			"<clientconfig>\n  <excluderoutes>\n    " + ours + "\n  </excluderoutes>\n</clientconfig>",
			"<clientconfig>\n  <includeroutes>\n    " + ours + "\n  </includeroutes>\n</clientconfig>",
		},
		"empty": {
			"<clientconfig></clientconfig>",
			"<clientconfig>\n  <excluderoutes>\n    " + ours + "\n  </excluderoutes>\n</clientconfig>",
			"<clientconfig>\n  <includeroutes>\n    " + ours + "\n  </includeroutes>\n</clientconfig>",
		},
		"beside another": {
			"<clientconfig>\n\t<dnsservers/>\n</clientconfig>",
			"<clientconfig>\n\t<dnsservers/>\n  <excluderoutes>\n    " + ours + "\n  </excluderoutes>\n</clientconfig>",
			"<clientconfig>\n\t<dnsservers/>\n  <includeroutes>\n    " + ours + "\n  </includeroutes>\n</clientconfig>",
		},
		"lists that are nil": {
			"<clientconfig>\n  <excluderoutes i:nil=\"true\"/>\n  <includeroutes i:nil='true'></includeroutes>\n</clientconfig>",
			"<clientconfig>\n  <excluderoutes>\n    " + ours + "\n  </excluderoutes>\n  <includeroutes i:nil='true'></includeroutes>\n</clientconfig>",
			"<clientconfig>\n  <excluderoutes i:nil=\"true\"/>\n  <includeroutes>\n    " + ours + "\n  </includeroutes>\n</clientconfig>",
		},
		"before an include": {
			"<clientconfig>\n  <includeroutes>\n  </includeroutes>\n</clientconfig>",
			"<clientconfig>\n  <excluderoutes>\n    " + ours + "\n  </excluderoutes>\n  <includeroutes>\n  </includeroutes>\n</clientconfig>",
			"<clientconfig>\n  <includeroutes>\n    " + ours + "\n  </includeroutes>\n</clientconfig>",
		},
		"with line ends of Windows": {
			"<clientconfig>\r\n</clientconfig>",
			"<clientconfig>\r\n  <excluderoutes>\r\n    " + ours + "\r\n  </excluderoutes>\r\n</clientconfig>",
			"<clientconfig>\r\n  <includeroutes>\r\n    " + ours + "\r\n  </includeroutes>\r\n</clientconfig>",
		},
	} {
		for v, want := range map[rules.Verdict]string{rules.Bypass: tt.exclude, rules.Tunnel: tt.include} {
			r := build1(t, "<AzVpnProfile>\n"+tt.in+"\n<name/></AzVpnProfile>")
			p := rules.RoutePlan("edge", rules.OnlyIPv4, v, one)
			files, err := r.Render(p)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if got := string(files[0].Data); got != "<AzVpnProfile>\n"+want+"\n<name/></AzVpnProfile>" {
				t.Errorf("%s, %v:\n%s\nand not\n%s", name, v, got, want)
			}
			if got, err := r.ReadBack(files); err != nil || rules.Compare(p, got) != nil {
				t.Errorf("%s, %v: reading back: %v", name, v, err)
			}
		}
	}
}

// TestTheirRoutesStay merges into a profile that has routes of its own both ways.
func TestTheirRoutesStay(t *testing.T) {
	text := read(t, "testdata/routes.xml")
	r := build1(t, text)
	files, err := r.Render(bypass())
	if err != nil {
		t.Fatal(err)
	}
	merged := string(files[0].Data)
	at := strings.Index(text, "\n    </excluderoutes>")
	if !strings.HasPrefix(merged, text[:at]) || !strings.HasSuffix(merged, text[at:]) || strings.Count(merged, "<route>") != 6 {
		t.Error(merged)
	}
	if got, err := r.ReadBack(files); err != nil || rules.Compare(bypass(), got) != nil {
		t.Errorf("reading back: %v", err)
	}
	if advice := r.advice(bypass()); advice != nil {
		t.Errorf("halves of the address space take nothing from longer prefixes: %v", advice[0])
	}
	include := rules.RoutePlan("edge", rules.OnlyIPv4, rules.Tunnel, relays)
	var refused *rules.RuleError
	if _, err := r.Render(include); !errors.As(err, &refused) || refused.Option != "config" || !strings.Contains(refused.Cause, "0.0.0.0/1") {
		t.Errorf("an include list beside one that has everything: %v", err)
	}
}

func TestMergeRefuses(t *testing.T) {
	for name, config := range map[string]string{
		"a route of ours":       "<clientconfig><excluderoutes><route><destination>52.113.7.0</destination><mask>24</mask></route></excluderoutes></clientconfig>",
		"two destinations":      "<clientconfig><excluderoutes><route><destination>10.0.0.0</destination><destination>11.0.0.0</destination><mask>8</mask></route></excluderoutes></clientconfig>",
		"another mask":          "<clientconfig><excluderoutes><route><destination>10.0.0.0</destination><mask>255.0.0.0</mask></route></excluderoutes></clientconfig>",
		"two lists":             "<clientconfig><excluderoutes/><excluderoutes/></clientconfig>",
		"nil that is not empty": `<clientconfig i:nil="true"><dnsservers/></clientconfig>`,
		"nil with attributes":   `<clientconfig i:nil="true" a="b"/>`,
	} {
		text := "<AzVpnProfile>" + config + "</AzVpnProfile>"
		_, err := build1(t, text).Render(bypass())
		var refused *rules.RuleError
		if !errors.As(err, &refused) || refused.Option != "config" || refused.Fix == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAdvice is about the user's routes that win over the list.
func TestAdvice(t *testing.T) {
	for prefix, warned := range map[string]bool{"52.113.0.0/16": true, "52.112.0.0/14": true, "52.0.0.0/8": false, "10.0.0.0/8": false} {
		network, bits, _ := strings.Cut(prefix, "/")
		r := build1(t, "<AzVpnProfile><clientconfig><includeroutes><route><destination>"+network+"</destination><mask>"+bits+"</mask></route></includeroutes></clientconfig></AzVpnProfile>")
		if advice := r.advice(bypass()); (len(advice) > 0) != warned {
			t.Errorf("%s: %v", prefix, advice)
		}
	}
}

// TestEarlierMergeIsRefused gives the target its own output as the profile.
func TestEarlierMergeIsRefused(t *testing.T) {
	files, err := build1(t, read(t, "testdata/azurevpnconfig.xml")).Render(bypass())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := build1(t, string(files[0].Data)).Render(bypass()); err == nil {
		t.Error("it is merged twice")
	}
}

// TestSchema holds the outputs to a schema of our own, made from Microsoft's page: one
// clientconfig, one destination and one mask a route, the lists in their order.
func TestSchema(t *testing.T) {
	xmllint := need.Program(t, "xmllint")
	for _, config := range []string{"azurevpnconfig.xml", "dns.xml", "routes.xml"} {
		files, err := build1(t, read(t, filepath.Join("testdata", config))).Render(bypass())
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(t.TempDir(), config)
		if err := os.WriteFile(name, files[0].Data, 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(xmllint, "--noout", "--nonet", "--schema", "testdata/profile.xsd", name).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", config, err, out)
		}
	}
}

// TestAnotherProfileIsRefused: what surrounds the routes is the user's, byte for byte.
func TestAnotherProfileIsRefused(t *testing.T) {
	merged := build1(t, read(t, "testdata/azurevpnconfig.xml"))
	if _, err := merged.ReadBack([]renderers.File{{Path: "edge.xml", Data: bytes.ToUpper(merged.profile.data)}}); err == nil {
		t.Error("another profile is read")
	}
}
