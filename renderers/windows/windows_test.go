package windows

import (
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"sallyport/internal/testkit/conformance"
	"sallyport/internal/testkit/rendered"
	"sallyport/ipranges"
	"sallyport/renderers"
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
	files := map[string]string{
		"text": "nothing", "other": "<VPNProfile/>", "half": "<EapHostConfig><EapMethod>", "two": "<EapHostConfig/><EapHostConfig/>",
		"doctype": "<!DOCTYPE x [<!ENTITY a 'b'>]><EapHostConfig/>",
	}
	wrong := func(option string, change func(*Options)) conformance.Mistake {
		return conformance.Mistake{Option: option, Options: options(change), Files: files}
	}
	return conformance.Contract{Kind: Kind(), Variants: variants(),
		Mistakes: []conformance.Mistake{
			wrong("form", func(o *Options) { o.Form = "xml" }),
			wrong("form", func(o *Options) { o.Form = formRoutes }),
			wrong("server", func(o *Options) { o.Server = "" }),
			wrong("server", func(o *Options) { o.Server = "a</Servers>" }),
			wrong("protocol", func(o *Options) { o.Protocol = "OpenVPN" }),
			wrong("trusted_network", func(o *Options) { o.TrustedNetwork = "a b" }),
			wrong("eap", func(o *Options) { o.Protocol = "SSTP" }),
			wrong("eap", func(o *Options) { o.EAP = "missing" }),
			wrong("eap", func(o *Options) { o.EAP = "text" }),
			wrong("eap", func(o *Options) { o.EAP = "other" }),
			wrong("eap", func(o *Options) { o.EAP = "half" }),
			wrong("eap", func(o *Options) { o.EAP = "two" }),
			wrong("eap", func(o *Options) { o.EAP = "doctype" }),
			wrong("form", func(o *Options) { o.Connection = "Office" }),
			wrong("form", func(o *Options) { o.AllUsers = true }),
			wrong("form", func(o *Options) { script(o); o.Server = "vpn.example.com" }),
			wrong("connection", func(o *Options) { script(o); o.Connection = "" }),
			wrong("connection", func(o *Options) { script(o); o.Connection = "a\nb" }),
			wrong("connection", func(o *Options) { script(o); o.Connection = " a" }),
			wrong("connection", func(o *Options) { script(o); o.Connection = "a\u202e" }),
			wrong("connection", func(o *Options) { script(o); o.Connection = "\xff" }),
			wrong("connection", func(o *Options) { script(o); o.Connection = strings.Repeat("x", 257) }),
		},
		Damages: slices.Concat(conformance.Damaged("profile", map[string][2]string{
			"another server":       {"vpn.example.com", "vpn.example.net"},
			"another policy":       {"ForceTunnel", "SplitTunnel"},
			"another direction":    {"<ExclusionRoute>true", "<ExclusionRoute>false"},
			"a missing direction":  {"<ExclusionRoute>true</ExclusionRoute>", ""},
			"host bits":            {"52.112.0.0<", "52.112.0.1<"},
			"a metric":             {"</ExclusionRoute>", "</ExclusionRoute><Metric>1</Metric>"},
			"an unknown element":   {"</VPNProfile>", "<Everything>1</Everything></VPNProfile>"},
			"an element too early": {"<NativeProfile>", "<Route><Address>1.2.3.4</Address><PrefixSize>32</PrefixSize><ExclusionRoute>true</ExclusionRoute></Route><NativeProfile>"},
			"a second profile":     {"</VPNProfile>", "</VPNProfile><VPNProfile></VPNProfile>"},
			"an attribute":         {"<Route>", `<Route a="b">`},
			"no end":               {"</VPNProfile>", ""},
			"no authentication":    {"<MachineMethod>Certificate</MachineMethod>", "<MachineMethod>"},
		}), conformance.Damaged("powershell", map[string][2]string{
			"another command":       {"Remove-VpnConnectionRoute -", "Remove-VpnConnection -"},
			"a command more":        {"$ErrorActionPreference", "calc; $ErrorActionPreference"},
			"a command in the list": {"    '52.112.0.0/14'", "    $(calc)\n    '52.112.0.0/14'"},
			"another connection":    {"'Office'", "'Home'"},
			"another user":          {"$allUsers = $false", "$allUsers = $true"},
			"no header":             {"# routes: ", "# "},
			"another direction":     {"# routes: include", "# routes: bypass"},
			"another family":        {"of IPv4 and IPv6: ", "of IPv4: "},
			"host bits":             {"52.112.0.0/14", "52.112.0.1/14"},
			"no list":               {"$routes = @(", "$route = @("},
			"a command on top":      {"# made by", "calc\n# made by"},
			"a command behind":      {"to use them.\"\n", "to use them.\"\ncalc\n"},
		})),
		Route: func(line string) bool { return strings.Contains(line, "<Route><") || strings.HasPrefix(line, "    '") },
		// The direction is not known when a list is made to fit: true is counted as false.
		Cost: func(line string) int { return len(strings.Replace(line, "true", "false", 1)) },
	}
}

func TestConformance(t *testing.T) { conformance.Run(t, contract()) }

func FuzzFiles(f *testing.F) { conformance.Fuzz(f, contract()) }

func BenchmarkRender(b *testing.B) { conformance.Benchmark(b, contract()) }

var relays = ipranges.MustParse("20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "2603:1063::/38")

func render(t testing.TB, opt *Options, p *rules.Plan) (*renderers.Target, []renderers.File) {
	t.Helper()
	r := rendered.Target(t, Kind(), opt)
	return r, rendered.Files(t, r, p)
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
