package pac

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sallyport/internal/testkit/conformance"
	"sallyport/internal/testkit/need"
	"sallyport/internal/testkit/rendered"
	"sallyport/internal/testkit/routecheck"
	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

func options(change func(*Options)) *Options {
	o := Kind().NewOptions().(*Options)
	o.Proxies = []string{"PROXY proxy.example.com:8080"}
	change(o)
	return o
}

func plain(*Options) {}

func full(o *Options) {
	o.Proxies, o.Fallback = []string{"PROXY proxy.example.com:8080", "HTTPS [2001:db8::1]:443"}, true
	o.Names = rules.Hosts{Name: "saas", Patterns: []string{"*-files.example.net", "*.example.com", "login.example.org"}}
}

func function(o *Options) { o.Form, o.Proxies = formFunction, nil }

// small makes the limit one that is filled in no time.
func small(change func(*Options)) *Options {
	return options(func(o *Options) { change(o); o.MaxBytes = 128 << 10 })
}

func variants() []conformance.Variant {
	return []conformance.Variant{
		{Name: "file", Options: small(plain)},
		{Name: "proxies and names", Options: small(full)},
		{Name: "function", Options: small(function)},
	}
}

func contract() conformance.Contract {
	proxy := func(p string) func(*Options) { return func(o *Options) { o.Proxies = []string{p} } }
	return conformance.Contract{Kind: Kind(), Variants: variants(),
		Mistakes: []conformance.Mistake{
			conformance.Wrong("form", options(func(o *Options) { o.Form = "js" })),
			conformance.Wrong("form", options(func(o *Options) { o.Form = formFunction })),
			conformance.Wrong("form", options(func(o *Options) { function(o); o.Fallback = true })),
			conformance.Wrong("proxies", options(func(o *Options) { o.Proxies = nil })),
			conformance.Wrong("proxies.0", options(proxy(""))),
			conformance.Wrong("proxies.0", options(proxy("proxy.example.com:8080"))),
			conformance.Wrong("proxies.0", options(proxy("DIRECT"))),
			conformance.Wrong("proxies.0", options(proxy("PROXY proxy.example.com"))),
			conformance.Wrong("proxies.0", options(proxy("PROXY  proxy.example.com:80"))),
			conformance.Wrong("proxies.0", options(proxy("PROXY proxy.example.com:0"))),
			conformance.Wrong("proxies.0", options(proxy("PROXY proxy.example.com:080"))),
			conformance.Wrong("proxies.0", options(proxy("PROXY proxy.example.com:65536"))),
			conformance.Wrong("proxies.0", options(proxy("PROXY a:80; DIRECT"))),
			conformance.Wrong("proxies.0", options(proxy("PROXY a\":80"))),
			conformance.Wrong("proxies.0", options(proxy("PROXY a..b:80"))),
			conformance.Wrong("proxies.0", options(proxy("PROXY [::1:80"))),
			conformance.Wrong("proxies.0", options(proxy("PROXY 2001:db8::1:80"))),
			conformance.Wrong("max_bytes", options(func(o *Options) { o.MaxBytes = frame })),
			conformance.Wrong("names", options(func(o *Options) { o.Names.Patterns = []string{strings.Repeat("x", frame)} })),
		},
		Damages: conformance.Damaged("", map[string][2]string{
			"another proxy":       {"PROXY proxy.example.com:8080", "PROXY proxy.example.net:8080"},
			"no proxy":            {"? \"DIRECT\" : ", "? \"DIRECT\" : \"DIRECT\" || "},
			"another name":        {"login.example.org", "login.example.net"},
			"a header's":          {"// routes: bypass", "// routes: include"},
			"a header's family":   {"of IPv4: ", "of IPv4 and IPv6: "},
			"no header":           {"// routes: ", "// "},
			"code on top":         {"// made by", "alert(1)\n// made by"},
			"code behind":         {" : \"PROXY", "; return \"PROXY"},
			"code in the list":    {"\"52.112.0.0/14\",", "f(),"},
			"code beside a route": {"\"52.112.0.0/14\",", "\"52.112.0.0/14\",\"0.0.0.0/0\","},
			"IPv6":                {"\"52.112.0.0/14\",", "\"2603:1063::/38\","},
			"host bits":           {"52.112.0.0/14", "52.112.0.1/14"},
			"no list":             {"function routes()", "function route()"},
			"another answer":      {"if (lists.isNamed(host)) return true;", "if (lists.isNamed(host)) return false;"},
			"an old order":        {"\"20.202.0.0/16\",\n\"52.112.0.0/14\",", "\"52.112.0.0/14\",\n\"20.202.0.0/16\","},
		}),
		Route: func(line string) bool { return strings.HasPrefix(line, `"`) && strings.Contains(line, "/") },
	}
}

func TestConformance(t *testing.T) { conformance.Run(t, contract()) }

func FuzzFiles(f *testing.F) { conformance.Fuzz(f, contract()) }

func BenchmarkRender(b *testing.B) { conformance.Benchmark(b, contract()) }

// TestFileFits fills a file to the limit: it is no longer than said.
func TestFileFits(t *testing.T) {
	var b ipranges.Builder
	for i, n := 0, 0; ; i++ {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{100, byte(100 + i>>15), byte(i >> 7), byte(i << 1)}), 32)
		if n += row.Bytes(p); n > 256<<10-frame {
			break
		}
		if err := b.AddPrefix(p); err != nil {
			t.Fatal(err)
		}
	}
	names := strings.Repeat("x", 240) + ".example.com"
	opt := options(func(o *Options) { full(o); o.MaxBytes, o.Names.Patterns = 256<<10, []string{names, "*" + names} })
	r, files := render(t, opt, plan(rules.Bypass, b.Set()))
	if _, _, errs := rules.Lower(plan(rules.Bypass, b.Set()), r.Caps); len(errs) > 0 {
		t.Fatal(errs[0])
	}
	if n := len(files[0].Data); n > 256<<10 || n < 200<<10 {
		t.Errorf("%d bytes", n)
	}
}

func render(t testing.TB, opt *Options, p *rules.Plan) (*renderers.Target, []renderers.File) {
	t.Helper()
	r := rendered.Target(t, Kind(), opt)
	return r, rendered.Files(t, r, p)
}

var relays = ipranges.MustParse("20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15")

func plan(v rules.Verdict, set ipranges.Set) *rules.Plan {
	return rules.RoutePlan("edge", rules.OnlyIPv4, v, set)
}

// TestEveryBoundary asks for the first, last and just-outside address of every prefix of
// AzureCloud, as an address and as what a name resolves to.
func TestEveryBoundary(t *testing.T) {
	set := routecheck.AzureCloud(t, 398).Only(ipranges.IPv4)
	q, names := question{Resolves: map[string]any{}}, 0
	var addrs []netip.Addr
	for i, a := range routecheck.Probes(set) {
		host := a.String()
		if i%2 == 1 {
			host = strings.ReplaceAll(host, ".", "-") + ".example.net"
			q.Resolves[host] = a.String()
			names++
		}
		q.Hosts, addrs = append(q.Hosts, host), append(addrs, a)
	}
	for _, v := range []rules.Verdict{rules.Bypass, rules.Tunnel} {
		if v == rules.Tunnel && testing.Short() {
			continue
		}
		p := plan(v, set)
		_, files := render(t, options(full), p)
		q.Pac = string(files[0].Data)
		for name, ask := range engines {
			count := map[rules.Verdict]int{}
			answers, asked := ask(t, q)
			for i, answer := range answers {
				want, _ := p.Decide(rules.Flow{Src: addrs[i], Dst: addrs[i], Proto: rules.TCP, Point: 443})
				count[want]++
				if answer != map[rules.Verdict]string{rules.Bypass: "DIRECT", rules.Tunnel: "PROXY proxy.example.com:8080; HTTPS [2001:db8::1]:443; DIRECT"}[want] {
					t.Fatalf("%s: %s, %s: %q, and the plan says %v", name, q.Hosts[i], addrs[i], answer, want)
				}
			}
			if count[rules.Bypass] == 0 || count[rules.Tunnel] == 0 || len(answers) != len(q.Hosts) {
				t.Errorf("%s: %v of %d: this test shows nothing", name, count, len(q.Hosts))
			}
			if asked != names {
				t.Errorf("%s resolved %d of %d names", name, asked, names)
			}
		}
	}
}

// TestTheLargestFile is evaluated by every engine.
func TestTheLargestFile(t *testing.T) {
	need.Time(t, "some engines take seconds for it")
	var b ipranges.Builder
	for i, n := 0, 0; ; i++ {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{100, byte(i >> 15), byte(i >> 7), byte(i << 1)}), 32)
		if n += row.Bytes(p); n > maxFile-frame {
			break
		}
		if err := b.AddPrefix(p); err != nil {
			t.Fatal(err)
		}
	}
	_, files := render(t, options(plain), plan(rules.Bypass, b.Set()))
	q := question{Pac: string(files[0].Data), Hosts: []string{"100.0.0.0", "100.0.0.1", "a.example.net"}, Resolves: map[string]any{"a.example.net": "100.1.0.2"}}
	for name, ask := range engines {
		if got, _ := ask(t, q); !slices.Equal(got, []string{"DIRECT", "PROXY proxy.example.com:8080", "DIRECT"}) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestHosts is about what hosts can be besides addresses on the list, in a whole file and
// in a file that asks the function.
func TestHosts(t *testing.T) {
	resolves := map[string]any{"in.example.net": "52.113.0.1", "out.example.net": "10.0.0.1", "six.example.net": "2603:1063::1", "false.example.net": false,
		"empty.example.net": "", "odd.example.net": "52.113.0.1.7", "big.example.net": "52.113.256.1"}
	direct := map[string]bool{
		"in.example.net": true, "IN.Example.NET": true, "in.example.net.": true, "out.example.net": false, "six.example.net": false, "none.example.net": false,
		"false.example.net": false, "empty.example.net": false, "odd.example.net": false, "big.example.net": false,
		"52.112.0.0": true, "52.111.255.255": false, "52.115.255.255": true, "52.116.0.0": false, "0.0.0.0": false, "255.255.255.255": false,
		"2603:1063::1": false, "[2603:1063::1]": false, "localhost": false, "52.113": false,
		"login.example.org": true, "LOGIN.example.org.": true, "a.login.example.org": false, "xlogin.example.org": false,
		"a.example.com": true, "a.b.example.com": true, "example.com": false, ".example.com": false, "a.example.com.evil.test": false, "xexample.com": false,
		"contoso-files.example.net": true, "-files.example.net": false, "contoso-files.example.net.": true,
		"__proto__": false, "constructor": false,
	}
	var hosts []string
	for h := range direct {
		hosts = append(hosts, h)
	}
	_, whole := render(t, options(func(o *Options) { full(o); o.Proxies, o.Fallback = o.Proxies[:1], false }), plan(rules.Bypass, relays))
	_, part := render(t, options(func(o *Options) { full(o); o.Form, o.Proxies, o.Fallback = formFunction, nil, false }), plan(rules.Bypass, relays))
	const own = `
function FindProxyForURL(url, host) {
  if (sallyport_edge(host)) return "DIRECT";
  return "PROXY proxy.example.com:8080";
}
`
	for form, text := range map[string]string{formFile: string(whole[0].Data), formFunction: string(part[0].Data) + own} {
		for name, ask := range engines {
			answers, _ := ask(t, question{Pac: text, Hosts: hosts, Resolves: resolves})
			for i, answer := range answers {
				if want := map[bool]string{true: "DIRECT", false: "PROXY proxy.example.com:8080"}[direct[hosts[i]]]; answer != want {
					t.Errorf("%s, %s: %q: %s", form, name, hosts[i], answer)
				}
			}
		}
	}
}

// newer is what an engine of the second edition of JavaScript does not take.
var newer = regexp.MustCompile(`\b(let|const|class|import|export|async|await|of)\b|=>|` + "`" + `|,\s*[\])}]|\.\.\.[A-Za-z]`)

// TestOldEngines looks for what those of Windows cannot run.
func TestOldEngines(t *testing.T) {
	for _, change := range []func(*Options){plain, full, function} {
		_, files := render(t, options(change), plan(rules.Bypass, relays))
		for line := range strings.Lines(string(files[0].Data)) {
			code, _, _ := strings.Cut(line, "//")
			if found := newer.FindString(code); found != "" {
				t.Errorf("%q in %s", found, line)
			}
		}
	}
}
