package windows

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"sallyport/internal/testkit/routecheck"
	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/renderers/conformance"
	"sallyport/rules"
)

func options(change func(*Options)) *Options {
	o := Kind().NewOptions().(*Options)
	o.Server = "vpn.example.com"
	change(o)
	return o
}

func fragment(o *Options) { o.Form, o.Server = formRoutes, "" }

func variants() []conformance.Variant {
	return []conformance.Variant{
		{Name: "profile", Options: options(func(*Options) {})},
		{Name: "profile with EAP", Options: options(func(o *Options) {
			o.EAP, o.AlwaysOn, o.TrustedNetwork, o.Protocol = "testdata/eap.xml", true, "corp.example.com,example.net", "Automatic"
		})},
		{Name: "routes", Options: options(fragment)},
		{Name: "powershell", Options: options(script)},
		{Name: "powershell for all users", Options: options(func(o *Options) {
			script(o)
			o.Connection, o.AllUsers = "Bob's ’Büro‘; $(calc) `", true
		})},
	}
}

func contract() conformance.Contract {
	return conformance.Contract{Kind: Kind(), Variants: variants()}
}

func TestConformance(t *testing.T) { conformance.Run(t, contract()) }

func FuzzFiles(f *testing.F) { conformance.Fuzz(f, contract()) }

func TestOptionMistakes(t *testing.T) {
	files := map[string]string{
		"text": "nothing", "other": "<VPNProfile/>", "half": "<EapHostConfig><EapMethod>", "two": "<EapHostConfig/><EapHostConfig/>",
		"doctype": "<!DOCTYPE x [<!ENTITY a 'b'>]><EapHostConfig/>",
	}
	env := renderers.Env{Name: "edge", Path: "edge.xml", Read: func(name string) ([]byte, error) {
		if text, ok := files[name]; ok {
			return []byte(text), nil
		}
		return nil, errors.New("no such file")
	}}
	for _, tt := range []struct {
		option string
		change func(*Options)
	}{
		{"form", func(o *Options) { o.Form = "xml" }},
		{"form", func(o *Options) { o.Form = formRoutes }},
		{"server", func(o *Options) { o.Server = "" }},
		{"server", func(o *Options) { o.Server = "a</Servers>" }},
		{"protocol", func(o *Options) { o.Protocol = "OpenVPN" }},
		{"trusted_network", func(o *Options) { o.TrustedNetwork = "a b" }},
		{"eap", func(o *Options) { o.Protocol = "SSTP" }},
		{"eap", func(o *Options) { o.EAP = "missing" }},
		{"eap", func(o *Options) { o.EAP = "text" }},
		{"eap", func(o *Options) { o.EAP = "other" }},
		{"eap", func(o *Options) { o.EAP = "half" }},
		{"eap", func(o *Options) { o.EAP = "two" }},
		{"eap", func(o *Options) { o.EAP = "doctype" }},
		{"form", func(o *Options) { o.Connection = "Office" }},
		{"form", func(o *Options) { o.AllUsers = true }},
		{"form", func(o *Options) { script(o); o.Server = "vpn.example.com" }},
		{"connection", func(o *Options) { script(o); o.Connection = "" }},
		{"connection", func(o *Options) { script(o); o.Connection = "a\nb" }},
		{"connection", func(o *Options) { script(o); o.Connection = " a" }},
		{"connection", func(o *Options) { script(o); o.Connection = "a\u202e" }},
		{"connection", func(o *Options) { script(o); o.Connection = "\xff" }},
		{"connection", func(o *Options) { script(o); o.Connection = strings.Repeat("x", 257) }},
	} {
		_, err := Kind().Build(options(tt.change), env)
		var opt *renderers.OptionError
		if !errors.As(err, &opt) || opt.Option != tt.option || opt.Cause == "" || opt.Fix == "" {
			t.Errorf("%s: %v", tt.option, err)
		}
	}
}

var relays = ipranges.MustParse("20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "2603:1063::/38")

func render(t testing.TB, opt *Options, p *rules.Plan) (*renderers.Target, []renderers.File) {
	t.Helper()
	r, err := Kind().Build(opt, renderers.Env{Name: "edge", Path: "edge.xml", Read: os.ReadFile})
	if err != nil {
		t.Fatal(err)
	}
	files, err := r.Render(p)
	if err != nil {
		t.Fatal(err)
	}
	return r, files
}

// TestDirections says what Windows needs besides the routes in each direction.
func TestDirections(t *testing.T) {
	for v, want := range map[rules.Verdict][]string{
		rules.Bypass: {"<RoutingPolicyType>ForceTunnel</RoutingPolicyType>", "<ExclusionRoute>true</ExclusionRoute>"},
		rules.Tunnel: {"<RoutingPolicyType>SplitTunnel</RoutingPolicyType>", "<ExclusionRoute>false</ExclusionRoute>",
			"<DisableClassBasedDefaultRoute>true</DisableClassBasedDefaultRoute>"},
	} {
		_, files := render(t, options(func(*Options) {}), rules.RoutePlan("edge", rules.BothFamilies, v, relays))
		text := string(files[0].Data)
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%v: no %s in\n%s", v, w, text)
			}
		}
		if v == rules.Tunnel && strings.Contains(text, ">true</ExclusionRoute>") {
			t.Error("an include with exclusions")
		}
	}
}

// schema is the part of Microsoft's for ProfileXML (VPNv2 DDF, CSP version 1.2) that
// may surround routes: each element's children in their order.
var schema = map[string]string{
	"VPNProfile": " ProfileName EdpModeId RememberCredentials AlwaysOn DnsSuffix TrustedNetworkDetection DisableAdvancedOptionsEditButton" +
		" DisableDisconnectButton LockDown DeviceTunnel RegisterDNS ByPassForLocal RequireVpnClientAppUI Proxy APNBinding DeviceCompliance" +
		" PluginProfile AppTrigger DomainNameInformation TrafficFilter NativeProfile Route ",
	"NativeProfile": " Servers RoutingPolicyType NativeProtocolType L2tpPsk DisableClassBasedDefaultRoute PlumbIKEv2TSAsRoutes CryptographySuite Authentication ",
	"Route":         " Address PrefixSize ExclusionRoute Metric ",
}

// TestSchema walks what is rendered with a decoder of its own: every element is known,
// and comes in the order of Microsoft's schema.
func TestSchema(t *testing.T) {
	for _, v := range []rules.Verdict{rules.Bypass, rules.Tunnel} {
		_, files := render(t, options(func(o *Options) { o.AlwaysOn, o.TrustedNetwork = true, "example.com" }),
			rules.RoutePlan("edge", rules.BothFamilies, v, relays))
		d := xml.NewDecoder(strings.NewReader(string(files[0].Data)))
		var parents []string
		last := map[int]int{}
		seen := 0
		for {
			tok, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			switch tok := tok.(type) {
			case xml.StartElement:
				seen++
				if n := len(parents); n > 0 && schema[parents[n-1]] != "" {
					at := strings.Index(schema[parents[n-1]], " "+tok.Name.Local+" ")
					if at < 0 || at < last[n] {
						t.Errorf("%s in %s is unknown, or too late", tok.Name.Local, parents[n-1])
					}
					last[n] = at
				}
				parents = append(parents, tok.Name.Local)
				delete(last, len(parents))
			case xml.EndElement:
				parents = parents[:len(parents)-1]
			}
		}
		if seen < 20 {
			t.Errorf("only %d elements", seen)
		}
	}
}

func TestReadRefusesWhatItCannotTrust(t *testing.T) {
	p := rules.RoutePlan("edge", rules.BothFamilies, rules.Bypass, relays)
	r, files := render(t, options(func(*Options) {}), p)
	good := string(files[0].Data)
	for name, change := range map[string][2]string{
		"another server":       {"vpn.example.com", "vpn.example.net"},
		"another policy":       {"ForceTunnel", "SplitTunnel"},
		"another direction":    {"<ExclusionRoute>true", "<ExclusionRoute>false"},
		"a missing direction":  {"<ExclusionRoute>true</ExclusionRoute>", ""},
		"another size":         {"<PrefixSize>14<", "<PrefixSize>13<"},
		"host bits":            {"52.112.0.0<", "52.112.0.1<"},
		"a metric":             {"</ExclusionRoute>", "</ExclusionRoute><Metric>1</Metric>"},
		"an unknown element":   {"</VPNProfile>", "<Everything>1</Everything></VPNProfile>"},
		"an element too early": {"<NativeProfile>", "<Route><Address>1.2.3.4</Address><PrefixSize>32</PrefixSize><ExclusionRoute>true</ExclusionRoute></Route><NativeProfile>"},
		"a second profile":     {"</VPNProfile>", "</VPNProfile><VPNProfile></VPNProfile>"},
		"an attribute":         {"<Route>", `<Route a="b">`},
		"no end":               {"</VPNProfile>", ""},
		"no authentication":    {"<MachineMethod>Certificate</MachineMethod>", "<MachineMethod>"},
	} {
		text := strings.Replace(good, change[0], change[1], 1)
		if text == good {
			t.Fatalf("%s: nothing to change", name)
		}
		got, err := r.ReadBack([]renderers.File{{Path: "edge.xml", Data: []byte(text)}})
		if err == nil && rules.Compare(p, got) == nil {
			t.Errorf("%s is read as the plan", name)
		}
	}
}

func BenchmarkRender(b *testing.B) {
	p := rules.RoutePlan("edge", rules.BothFamilies, rules.Bypass, routecheck.AzureCloud(b, 398))
	r, _ := render(b, options(func(*Options) {}), p)
	for b.Loop() {
		if _, err := r.Render(p); err != nil {
			b.Fatal(err)
		}
	}
}

func TestWeekChangesFewLines(t *testing.T) {
	routecheck.Week(t, false, func(set ipranges.Set) []renderers.File {
		_, files := render(t, options(func(*Options) {}), rules.RoutePlan("edge", rules.BothFamilies, rules.Bypass, set))
		return files
	})
}

// TestBytes: what a budget of bytes counts is what stands in the file of an include. A
// bypass has a byte less for each route, true in place of false.
func TestBytes(t *testing.T) {
	n := routecheck.Lengths.NumPrefixes(ipranges.IPv4) + routecheck.Lengths.NumPrefixes(ipranges.IPv6)
	for _, change := range []func(*Options){func(*Options) {}, fragment, script} {
		r, err := Kind().Build(options(change), renderers.Env{Name: "edge", Path: "edge.xml"})
		if err != nil {
			t.Fatal(err)
		}
		caps := r.Caps
		for i, v := range []rules.Verdict{rules.Tunnel, rules.Bypass}[:len(caps.Verdicts)] {
			files, err := r.Render(rules.RoutePlan("edge", rules.BothFamilies, v, routecheck.Lengths))
			if err != nil {
				t.Fatal(err)
			}
			isRoute := func(line string) bool { return strings.Contains(line, "<Route><") || strings.HasPrefix(line, "    '") }
			got, want := routecheck.Written(files, isRoute), routecheck.Counted(t, caps, routecheck.Lengths)
			if want != got+i*n || got == 0 {
				t.Errorf("%v: %d bytes of routes, and %d counted", v, got, want)
			}
		}
	}
}
