package mikrotik

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"sallyport/internal/testkit/conformance"
	"sallyport/internal/testkit/rendered"
	"sallyport/ipranges"
	"sallyport/rules"
)

func variants() []conformance.Variant {
	return []conformance.Variant{
		{Name: "lists", Options: Kind().NewOptions()},
		{Name: "named", Options: &Options{List: "past-vpn"}},
	}
}

func contract() conformance.Contract {
	return conformance.Contract{Kind: Kind(), Variants: variants(),
		Mistakes: []conformance.Mistake{
			conformance.Wrong("list", &Options{List: "a b"}),
			conformance.Wrong("list", &Options{List: "a]; /system reset-configuration"}),
			conformance.Wrong("list", &Options{List: strings.Repeat("x", 65)}),
		},
		Damages: conformance.Damaged("lists", map[string][2]string{
			"another list":     {"add list=sallyport_edge_next", "add list=sallyport_next"},
			"a list kept":      {"remove [find list=sallyport_edge]", "remove [find list=other]"},
			"another name":     {"_next] list=sallyport_edge\n", "_next] list=mine\n"},
			"the other menu":   {"/ipv6 firewall", "/ip firewall"},
			"another command":  {"\nremove [find list=sallyport_edge_next]", "\n/system reboot\nremove [find list=sallyport_edge_next]"},
			"host bits":        {"52.112.0.0/14", "52.112.0.1/14"},
			"a route disabled": {"address=52.112.0.0/14", "address=52.112.0.0/14 disabled=yes"},
		}),
		Route:    conformance.Begins("add list="),
		LoadTest: "TestLoads",
	}
}

func TestConformance(t *testing.T) { conformance.Run(t, contract()) }

func FuzzFiles(f *testing.F) { conformance.Fuzz(f, contract()) }

func BenchmarkRender(b *testing.B) { conformance.Benchmark(b, contract()) }

func render(t testing.TB, fams rules.Families, prefixes ...string) string {
	t.Helper()
	r := rendered.Target(t, Kind(), Kind().NewOptions())
	return string(rendered.Files(t, r, rules.RoutePlan("edge", fams, rules.Bypass, ipranges.MustParse(prefixes...)))[0].Data)
}

// router is the address lists of a router: by menu and name of the list, the addresses.
type router map[string]map[string]bool

// run imports lines as RouterOS does: one after the other, until one is a mistake. After
// each it calls look.
func (r router) run(lines []string, look func()) error {
	menu := ""
	for _, l := range lines {
		words := strings.Fields(strings.NewReplacer("[find list=", "", "]", "", "list=", "", "address=", "").Replace(l))
		switch {
		case l == "" || strings.HasPrefix(l, "#"):
			continue
		case strings.HasPrefix(l, "/"):
			menu = l + " "
		case strings.HasPrefix(l, ":if ([:len ["+menu+"find list="):
			_, rest, _ := strings.Cut(l, "find list=")
			list, _, _ := strings.Cut(rest, "]")
			if want := fmt.Sprintf(":if ([:len [%[1]sfind list=%[2]s]] = 0) do={%[1]sset [%[1]sfind list=%[2]s_next] list=%[2]s}", menu, list); l != want {
				return fmt.Errorf("%q is not %q", l, want)
			}
			if len(r[menu+list]) == 0 {
				r.rename(menu+list+"_next", menu+list)
			}
		case len(words) == 3 && words[0] == "add":
			if r[menu+words[1]] == nil {
				r[menu+words[1]] = map[string]bool{}
			}
			if r[menu+words[1]][words[2]] {
				return fmt.Errorf("already have such entry: %s", l)
			}
			r[menu+words[1]][words[2]] = true
		case len(words) == 2 && words[0] == "remove":
			delete(r, menu+words[1])
		case len(words) == 3 && words[0] == "set":
			if len(r[menu+words[2]]) > 0 {
				return fmt.Errorf("already have such entry: %s", l)
			}
			r.rename(menu+words[1], menu+words[2])
		default:
			return fmt.Errorf("bad command name: %s", l)
		}
		look()
	}
	return nil
}

func (r router) rename(from, to string) {
	if len(r[from]) > 0 {
		r[to] = r[from]
	}
	delete(r, from)
}

const (
	list4, next4 = "/ip firewall address-list sallyport_edge", "/ip firewall address-list sallyport_edge_next"
	list6        = "/ipv6 firewall address-list sallyport_edge"
)

// TestLoads imports one week's file after another's, from every line on that an import
// may have ended at: the result is the last file's, what both hold is never away, and
// lists of the admin's stay.
func TestLoads(t *testing.T) {
	first := strings.Split(render(t, rules.BothFamilies, "20.202.0.0/16", "52.112.0.0/14", "9.9.9.9", "2603:1063::/38"), "\n")
	second := strings.Split(render(t, rules.BothFamilies, "52.112.0.0/14", "9.9.9.9", "52.122.0.0/15", "2603:1063::/38"), "\n")
	for cut := range len(second) + 1 {
		r := router{"/ip firewall address-list mine": {"192.0.2.1": true}}
		quiet := func() {}
		if err := r.run(first, quiet); err != nil {
			t.Fatal(err)
		}
		covered := func() {
			if !r[list4]["52.112.0.0/14"] && !r[next4]["52.112.0.0/14"] {
				t.Errorf("cut at line %d: 52.112.0.0/14 is on no list", cut)
			}
		}
		for _, lines := range [][]string{second[:cut], second, second} {
			if err := r.run(lines, covered); err != nil {
				t.Fatalf("cut at line %d: %v", cut, err)
			}
		}
		got := slices.Sorted(maps.Keys(r[list4]))
		if want := []string{"52.112.0.0/14", "52.122.0.0/15", "9.9.9.9/32"}; !slices.Equal(got, want) || len(r[list6]) != 1 || len(r) != 3 {
			t.Errorf("cut at line %d: %v", cut, r)
		}
	}
}

// TestFamilyThatLeft: a list of IPv4 alone takes away the IPv6 of an earlier one.
func TestFamilyThatLeft(t *testing.T) {
	r := router{}
	for _, text := range []string{render(t, rules.BothFamilies, "9.9.9.9", "2603:1063::/38"), render(t, rules.OnlyIPv4, "9.9.9.9")} {
		if err := r.run(strings.Split(text, "\n"), func() {}); err != nil {
			t.Fatal(err)
		}
	}
	if len(r[list4]) != 1 || len(r[list6]) != 0 {
		t.Error(r)
	}
}
