package policy

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"sallyport/diag"
	"sallyport/ipranges"
	"sallyport/ipranges/catalog"
	"sallyport/ipranges/m365"
	"sallyport/ipranges/text"
	"sallyport/rules"
)

// testNow is the day on which all tests happen.
var testNow = time.Date(2026, 11, 23, 15, 4, 5, 0, time.UTC)

// percent is an option that reads itself.
type percent float64

func (p *percent) UnmarshalText(text []byte) error {
	var n float64
	if _, err := fmt.Sscanf(string(text)+"\n", "%g%%\n", &n); err != nil || n < 0 || n > 100 {
		return fmt.Errorf("%q is not a share from 0%% to 100%%", text)
	}
	*p = percent(n)
	return nil
}

type budget struct {
	Routes     int             `policy:"routes" doc:"how many routes"`
	MaxMissing percent         `policy:"max_missing" doc:"how much may be left out"`
	Must       rules.Addresses `policy:"must" doc:"never left out"`
}

type zone struct {
	Name  string        `policy:",label"`
	Links []string      `policy:"links" doc:"interfaces"`
	Idle  time.Duration `policy:"idle,required" doc:"when it is left"`
}

type filterOptions struct {
	Hook    string    `policy:"hook" doc:"where"`
	Ingress []string  `policy:"ingress" doc:"from where"`
	Table   string    `policy:"table" doc:"which table"`
	DSCP    bool      `policy:"dscp" doc:"mark"`
	Level   int8      `policy:"level" doc:"how high"`
	Count   uint      `policy:"count" doc:"how many"`
	Ratio   float64   `policy:"ratio" doc:"how much"`
	Share   percent   `policy:"share" doc:"a part"`
	Shares  []percent `policy:"shares" doc:"parts"`
	Waits
	Keep   rules.Addresses   `policy:"keep" doc:"which addresses"`
	Tags   map[string]string `policy:"tags" doc:"what else"`
	Zones  []zone            `policy:"zone" doc:"zones"`
	Budget *budget           `policy:"budget" doc:"limits"`
	Secret string            // not an option
}

// Waits are options that several kinds can have.
type Waits struct {
	Wait time.Duration `policy:"wait" doc:"how long"`
}

type routeOptions struct {
	Metric int `policy:"metric" doc:"of the routes"`
}

type strictOptions struct {
	Device string `policy:"device,required" doc:"which"`
	Limits budget `policy:"limits,required" doc:"how much"`
}

var testKinds = map[string]TargetKind{
	"nftables":      {Name: "nftables", Class: Filter, Extension: ".nft", NewOptions: func() any { return &filterOptions{Table: "inet filter", Level: 3} }},
	"openvpn":       {Name: "openvpn", Class: Routes, Extension: ".conf", NewOptions: func() any { return &routeOptions{Metric: 7} }},
	"globalprotect": {Name: "globalprotect", Class: Routes, Extension: ".set", NewOptions: func() any { return &routeOptions{} }},
	"generic":       {Name: "generic", Class: Filter | Routes, Extension: ".txt"},
	"strict":        {Name: "strict", Class: Filter, Extension: ".s", NewOptions: func() any { return &strictOptions{} }},
}

func testOptions(vars map[string]string) Options {
	opt := Options{Vars: vars, Now: testNow, Kinds: func(name string) (TargetKind, bool) {
		k, ok := testKinds[name]
		return k, ok
	}}
	for name := range testKinds {
		opt.KindNames = append(opt.KindNames, name)
	}
	return opt
}

func testCatalog(t testing.TB) *catalog.Catalog {
	entry := func(name string, addrs ...string) catalog.Entry {
		return catalog.Entry{Tag: catalog.Tag{Name: name}, Set: ipranges.MustParse(addrs...)}
	}
	cat, err := catalog.New(catalog.Info{Kind: "azure", Cloud: "Public", Change: "398", SHA256: "abcd"}, []catalog.Entry{
		entry("AzureCloud", "20.0.0.0/8", "51.0.0.0/16", "2603:1000::/24"),
		entry("AzureCloud.westeurope", "20.1.0.0/16", "2603:1020::/32"),
		entry("AzureCloud.northeurope", "20.2.0.0/16", "2603:1021::/32"),
		entry("Storage", "20.150.0.0/16"),
		entry("Storage.WestEurope", "20.1.128.0/17"),
		entry("AzureAD", "20.190.128.0/18", "2603:1006:2000::/48"),
		entry("Empty"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return cat
}

// catalogsFor gives every feed of the policy the same small catalog of its kind.
func catalogsFor(t testing.TB, f *File) map[string]*catalog.Catalog {
	cats := map[string]*catalog.Catalog{}
	for _, spec := range f.Feeds() {
		var err error
		switch spec.Kind {
		case "m365":
			var data []byte
			if data, err = os.ReadFile("../../ipranges/m365/testdata/small.json"); err == nil {
				cats[spec.Name], err = m365.Decode(data, m365.Options{Instance: spec.Cloud})
			}
		case "text":
			cats[spec.Name], err = text.Decode([]byte("33.0.0.0/24\n33.0.1.0-33.0.1.255\n"), text.Limits{})
		default:
			cats[spec.Name] = testCatalog(t)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return cats
}

// check loads and compiles a policy, and returns all diagnostics.
func check(t testing.TB, name, src string, vars map[string]string) (*Program, diag.List) {
	t.Helper()
	f, list := Load(name, []byte(src), testOptions(vars))
	p, more := f.Compile(catalogsFor(t, f))
	return p, append(list, more...)
}

// clean is check for a policy without errors.
func clean(t testing.TB, src string) *Program {
	t.Helper()
	p, list := check(t, "test.hcl", src, nil)
	if list.HasErrors() {
		t.Fatal(show(list, src))
	}
	return p
}

func show(list diag.List, src string) string {
	var b strings.Builder
	_ = diag.Print(&b, list, diag.PrintOptions{Sources: map[string][]byte{"test.hcl": []byte(src)}})
	return b.String()
}

var marker = regexp.MustCompile(`# (ERROR|WARNING): ([^#]+)`)

// Fixtures carry their mistakes: a comment "# ERROR: part of the summary" stands
// on the line that the diagnostic has to point at. Nothing else may be found.
func TestFixtures(t *testing.T) {
	files, err := filepath.Glob("testdata/*.hcl")
	if err != nil || len(files) == 0 {
		t.Fatal("no fixtures", err)
	}
	cases := 0
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]int{}
			for i, line := range strings.Split(string(src), "\n") {
				for _, m := range marker.FindAllStringSubmatch(line, -1) {
					want[fmt.Sprintf("%d %s %s", i+1, strings.ToLower(m[1]), strings.TrimSpace(m[2]))]++
					cases++
				}
			}
			_, list := check(t, file, string(src), nil)
			for _, d := range list {
				if d.Detail == "" && d.Fix == "" || d.Subject.IsZero() {
					t.Errorf("%s: neither why nor what to do, or nowhere: %+v", d.Summary, d)
				}
				if !expected(want, d) {
					t.Errorf("unexpected:\n%s", show(diag.List{d}, string(src)))
				}
			}
			for w, n := range want {
				if n > 0 {
					t.Errorf("not found: line %s", w)
				}
			}
		})
	}
	if cases < 100 {
		t.Errorf("only %d mistakes are tried", cases)
	}
}

func expected(want map[string]int, d diag.Diagnostic) bool {
	prefix := fmt.Sprintf("%d %s ", d.Subject.Start.Line, d.Severity)
	for w, n := range want {
		if n > 0 && strings.HasPrefix(w, prefix) && strings.Contains(d.Summary, w[len(prefix):]) {
			want[w]--
			return true
		}
	}
	return false
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }
