package feeds

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"sallyport/internal/testkit/realfeed"
	"sallyport/internal/testkit/yearfeed"
	"sallyport/ipranges"
	"sallyport/ipranges/azure"
	"sallyport/ipranges/catalog"
	"sallyport/ipranges/m365"
)

// change is what a step does to one tag; nil leaves it out.
type change func(name string, set ipranges.Set) *ipranges.Set

// apply returns the catalog after a step, with new tags.
func apply(t *testing.T, c *catalog.Catalog, f change, more ...catalog.Entry) *catalog.Catalog {
	t.Helper()
	entries := more
	for tag := range c.Tags() {
		set, _ := c.Set(tag.Name)
		details, _ := c.Details(tag.Name)
		if next := f(tag.Name, set); next != nil {
			entries = append(entries, catalog.Entry{Tag: tag, Set: *next, Details: &details})
		}
	}
	out, err := catalog.New(c.Info(), entries)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Changes of single tags.

func same(_ string, s ipranges.Set) *ipranges.Set { return &s }

// plus adds addresses to tags whose name begins so.
func plus(name string, add ...string) change {
	return func(n string, s ipranges.Set) *ipranges.Set {
		if strings.HasPrefix(n, name) {
			s = s.Union(ipranges.MustParse(add...))
		}
		return &s
	}
}

// minus takes addresses away from all tags.
func minus(gone ...string) change {
	return func(_ string, s ipranges.Set) *ipranges.Set {
		s = s.Minus(ipranges.MustParse(gone...))
		return &s
	}
}

// firstOf keeps n prefixes of each family in the tags of that name ("" is all).
func firstOf(name string, n int) change {
	return func(tag string, s ipranges.Set) *ipranges.Set {
		if name != "" && tag != name {
			return &s
		}
		var list []netip.Prefix
		for _, f := range []ipranges.Family{ipranges.IPv4, ipranges.IPv6} {
			left := n
			for p := range s.Prefixes(f) {
				if left--; left < 0 {
					break
				}
				list = append(list, p)
			}
		}
		out, err := ipranges.FromPrefixes(list...)
		if err != nil {
			panic(err)
		}
		return &out
	}
}

// every leaves out each tag but one in n.
func every(n int) change {
	i := 0
	return func(_ string, s ipranges.Set) *ipranges.Set {
		if i++; i%n != 0 {
			return nil
		}
		return &s
	}
}

// widen makes the first prefix of a family in all tags so much shorter.
func widen(f ipranges.Family, bits int) change {
	var widest netip.Prefix
	return func(name string, s ipranges.Set) *ipranges.Set {
		for p := range s.Prefixes(f) {
			if !widest.IsValid() {
				widest = p
			}
			if p == widest {
				wider, err := ipranges.FromPrefixes(netip.PrefixFrom(p.Addr(), p.Bits()-bits).Masked())
				if err != nil {
					panic(err)
				}
				s = s.Union(wider)
			}
		}
		return &s
	}
}

func only(f ipranges.Family) change {
	return func(_ string, s ipranges.Set) *ipranges.Set {
		s = s.Only(f)
		return &s
	}
}

func entry(name string, prefixes ...string) catalog.Entry {
	return catalog.Entry{Tag: catalog.Tag{Name: name}, Set: ipranges.MustParse(prefixes...)}
}

// bases are feeds that steps start from.
func bases(t *testing.T) map[string]*catalog.Catalog {
	t.Helper()
	public, err := azure.Decode(yearfeed.Year()[0].JSON, azure.Options{})
	if err != nil {
		t.Fatal(err)
	}
	// A small cloud: one prefix of IPv6 is most of it.
	small := []catalog.Entry{
		entry("AzureCloud", "40.72.0.0/15", "42.159.0.0/16", "52.130.0.0/15", "52.80.0.0/16", "2406:e500:4000::/40", "2406:e500:100::/48", "2406:e500:200::/48"),
		entry("AzureCloud.chinanorth", "40.72.0.0/16", "42.159.0.0/17", "2406:e500:100::/48"),
		entry("AzureCloud.chinaeast", "40.73.0.0/16", "42.159.128.0/17", "2406:e500:200::/48"),
	}
	for i := range 30 {
		small = append(small, entry(fmt.Sprintf("Service%d", i), fmt.Sprintf("40.72.%d.0/24", i), fmt.Sprintf("40.73.%d.0/26", i), fmt.Sprintf("2406:e500:100:%d::/64", i+1)))
	}
	var hosts, nets, halves []string
	for i := range 60 {
		halves = append(halves, fmt.Sprintf("33.0.%d.0/25", i))
	}
	for i := range 40 {
		hosts = append(hosts, fmt.Sprintf("33.%d.7.9", i))
		nets = append(nets, fmt.Sprintf("33.%d.7.0/24", i))
	}
	var early []catalog.Entry // a feed before it had IPv6, but for a handful of prefixes
	for tag := range public.Tags() {
		set, _ := public.Set(tag.Name)
		early = append(early, catalog.Entry{Tag: tag, Set: set.Only(ipranges.IPv4)})
	}
	early = append(early, entry("AzureActiveDirectory", "20.190.128.0/18", "2603:1006:2000::/48", "2603:1007:200::/48"))
	return map[string]*catalog.Catalog{
		"public": public,
		"early":  newCatalog(t, early),
		"none6":  newCatalog(t, early[:len(early)-1]),
		"small":  newCatalog(t, small),
		"hosts":  newCatalog(t, []catalog.Entry{entry("all", hosts...)}),
		"nets":   newCatalog(t, []catalog.Entry{entry("all", nets...)}),
		"halves": newCatalog(t, []catalog.Entry{entry("all", halves...)}),
		"two":    newCatalog(t, []catalog.Entry{entry("all", "33.0.7.0/24", "33.9.7.0/24")}),
		"one":    newCatalog(t, []catalog.Entry{entry("all", "33.0.0.0/10")}),
	}
}

// TestSteps is what the guard thinks of steps as they come, and of damaged files.
func TestSteps(t *testing.T) {
	const taken = ""
	all := bases(t)
	introduced := func(name string, s ipranges.Set) *ipranges.Set { // IPv6 as Azure Public got it in August 2020
		for i := range 40 {
			if strings.HasSuffix(name, ".westeurope") || name == "AzureCloud" {
				s = s.Union(ipranges.MustParse(fmt.Sprintf("2603:10%02d:4::/47", i), fmt.Sprintf("2603:10%02d:a00::/44", i)))
			}
		}
		return &s
	}
	for _, tt := range []struct {
		name, base string
		step       change
		more       []catalog.Entry
		want       string // a part of the error, or taken
	}{
		// Real kinds of steps.
		{"nothing", "public", same, nil, taken},
		{"a /40 becomes a /39", "small", plus("AzureCloud", "2406:e500:4000::/39"), nil, taken},
		{"a /39 becomes a /40 again", "small", minus("2406:e500:4000::/41", "2406:e500:4080::/41"), nil, taken},
		{"one /40 of a few prefixes goes", "small", minus("2406:e500:4000::/40"), nil, taken},
		{"IPv6 begins", "early", introduced, nil, taken},
		{"IPv6 begins from nothing", "none6", introduced, nil, taken},
		{"a region opens", "public", plus("AzureCloud", "33.8.0.0/14", "2603:1200::/40"), []catalog.Entry{entry("AzureCloud.new", "33.8.0.0/14", "2603:1200::/40"), entry("Sql.new", "33.8.1.0/24")}, taken},
		{"a region closes", "public", func(n string, s ipranges.Set) *ipranges.Set {
			if strings.HasSuffix(n, ".uksouth") {
				return nil
			}
			return &s
		}, nil, taken},
		{"a service moves", "public", func(n string, s ipranges.Set) *ipranges.Set {
			if strings.HasPrefix(n, "Sql.") {
				s = ipranges.MustParse("33.70.0.0/24", "33.71.0.0/24", "33.72.0.0/25")
			}
			return &s
		}, nil, taken},
		{"a region of a small cloud", "small", plus("AzureCloud", "143.64.0.0/16"), nil, taken},
		{"a wider prefix than any before, by a bit", "small", plus("AzureCloud", "143.64.0.0/15"), nil, "grew by 34 %"},
		{"a service's tags are split", "small", same, func() (list []catalog.Entry) {
			for i := range 60 {
				list = append(list, entry(fmt.Sprintf("Service%d.chinaeast2", i), "40.73.200.0/24"))
			}
			return list
		}(), taken},
		{"a list of hosts doubles", "hosts", plus("all", "34.0.0.0/26"), nil, taken},
		{"a network among hosts", "hosts", plus("all", "34.0.0.0/22"), nil, taken},
		{"a /64 among hosts", "hosts", plus("all", "2d00:1000::/64"), nil, taken},
		{"one of two goes", "two", minus("33.9.7.0/24"), nil, taken},
		{"a third more networks", "nets", plus("all", "34.0.0.0/21", "34.9.0.0/24"), nil, taken},
		{"networks join", "halves", func(_ string, s ipranges.Set) *ipranges.Set {
			for i := range 60 { // fewer prefixes, and none is lost
				s = s.Union(ipranges.MustParse(fmt.Sprintf("33.0.%d.0/24", i)))
			}
			return &s
		}, nil, taken},

		// Damaged and hostile files.
		{"half the tags are gone", "public", every(2), nil, "tags of change 100 are gone"},
		{"half the tags of a small cloud", "small", every(2), nil, "are gone"},
		{"two thirds of the tags stay", "public", func() change {
			i := 0
			return func(_ string, s ipranges.Set) *ipranges.Set {
				if i++; i%5 == 0 {
					return nil
				}
				return &s
			}
		}(), nil, taken},
		{"all tables are cut", "public", firstOf("", 2), nil, "39 of the 44 tags of change 100 lost most of their prefixes"},
		{"all tables of a small cloud are cut", "small", firstOf("", 1), nil, "tag AzureCloud lost most of its prefixes"},
		{"the table of the cloud is cut", "public", firstOf("AzureCloud", 10), nil, "tag AzureCloud lost most of its prefixes"},
		{"the table of the cloud is empty", "public", firstOf("AzureCloud", 0), nil, "tag AzureCloud lost most"},
		{"no IPv6 is left", "public", only(ipranges.IPv4), nil, "no IPv6 address"},
		{"no IPv4 is left", "public", only(ipranges.IPv6), nil, "lost most of their prefixes"},
		{"no IPv6 of a small cloud is left", "small", only(ipranges.IPv4), nil, "no IPv6 address"},
		{"a list is cut", "hosts", firstOf("", 20), nil, "20 of the 40 IPv4 prefixes"},
		{"a list loses a third", "hosts", firstOf("", 26), nil, "14 of the 40 IPv4 prefixes"},
		{"much of one prefix is gone", "one", minus("33.0.0.0/11", "33.32.0.0/12"), nil, "shrank by 75 %"},
		{"a length is wrong", "nets", widen(ipranges.IPv4, 8), nil, "wider than any prefix"},
		{"a /40 becomes a /32", "small", plus("AzureCloud", "2406:e500::/32"), nil, "2406:e500::/32 is new, and wider than any prefix"},
		{"a /40 becomes a /36", "small", plus("AzureCloud", "2406:e500:4000::/36"), nil, "2406:e500:4000::/36 is new, and wider"},
		{"a /30 of IPv6 among others", "public", plus("Sql.westeurope", "2a00::/30"), nil, "2a00::/30 is new, and wider"},
		{"a /8", "public", plus("AzureCloud", "33.0.0.0/8"), nil, "33.0.0.0/8 is new, and wider"},
		{"a /11 where a /16 is the widest", "public", plus("AzureCloud.westeurope", "33.0.0.0/11"), nil, "wider"},
		{"a /16 among hosts", "hosts", plus("all", "34.0.0.0/16"), nil, "34.0.0.0/16 is new, and wider"},
		{"a /12 where a /16 is the widest", "public", plus("AzureCloud.westeurope", "33.0.0.0/12"), nil, "wider"},
		{"many /16s", "public", func(n string, s ipranges.Set) *ipranges.Set {
			for i := range 200 {
				if n == "AzureCloud" {
					s = s.Union(ipranges.MustParse(fmt.Sprintf("%d.%d.0.0/16", 130+i/100, 2*(i%100))))
				}
			}
			return &s
		}, nil, "grew by"},
		{"as many /40s as a /33", "public", func(n string, s ipranges.Set) *ipranges.Set {
			for i := range 128 {
				if n == "AzureCloud" {
					s = s.Union(ipranges.MustParse(fmt.Sprintf("2a00:%x:100::/40", i+1)))
				}
			}
			return &s
		}, nil, "IPv6 addresses of all tags grew"},
		{"IPv6 begins with a /24", "none6", plus("AzureCloud", "2a00::/24"), nil, "IPv6 addresses of all tags grew"},
		{"a tag takes in the cloud", "public", func(n string, s ipranges.Set) *ipranges.Set {
			if n == yearfeed.Watched {
				cloud, _ := all["public"].Set("AzureCloud")
				s = s.Union(cloud)
			}
			return &s
		}, nil, "tag Calls grew more than 4-fold"},
	} {
		base := all[tt.base]
		err := guard(base.AppendIndex(nil), apply(t, base, tt.step, tt.more...))
		if tt.want == taken {
			if err != nil {
				t.Errorf("%s (%s): %v", tt.name, tt.base, err)
			}
		} else if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s (%s): %v, want %q", tt.name, tt.base, err, tt.want)
		}
	}
}

// TestStepsOfReal are the same kinds of steps from real feeds.
func TestStepsOfReal(t *testing.T) {
	decode := func(name string) *catalog.Catalog {
		data := realfeed.Read(t, name)
		c, err := azure.Decode(data, azure.Options{})
		if strings.HasPrefix(name, "m365") {
			c, err = m365.Decode(data, m365.Options{})
		}
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	const older, newer = "azure/ServiceTags_Public_change396.json", "azure/ServiceTags_Public_change398.json"
	for _, pair := range [][2]string{{older, newer}, {newer, older}} {
		a, b := decode(pair[0]), decode(pair[1])
		if err := guard(a.AppendIndex(nil), b); err != nil {
			t.Errorf("%s to %s: %v", pair[0], pair[1], err)
		}
		for _, f := range families { // a family that begins, and one that ends
			if err := guard(apply(t, a, only(f.Family)).AppendIndex(nil), b); (err == nil) != (f.Family == ipranges.IPv4) {
				t.Errorf("only %s to both: %v", f, err)
			}
			if err := guard(a.AppendIndex(nil), apply(t, b, only(f.Family))); err == nil {
				t.Errorf("only %s is left, and it is taken", f)
			}
		}
	}
	for _, name := range []string{newer, "azure/ServiceTags_AzureGovernment_20260720.json", "azure/ServiceTags_China_20260720.json", "azure/ServiceTags_AzureGermany_20220307.json", "m365/endpoints-worldwide-older.json"} {
		c := decode(name)
		index := c.AppendIndex(nil)
		for step, f := range map[string]change{
			"as it is":                 same,
			"a /24 more in each tag":   plus("", "33.0.0.0/24", "2a00:1000::/48"),
			"an IPv6 prefix is double": widen(ipranges.IPv6, 1),
		} {
			if err := guard(index, apply(t, c, f)); err != nil {
				t.Errorf("%s, %s: %v", name, step, err)
			}
		}
		for step, f := range map[string]change{
			"half the tags":       every(2),
			"one table in three":  every(3),
			"tables cut to three": firstOf("", 3),
			"tables cut to one":   firstOf("", 1),
			"a /8 more":           plus("", "33.0.0.0/8"),
			"a /24 of IPv6 more":  plus("", "2a00::/24"),
		} {
			if err := guard(index, apply(t, c, f)); err == nil {
				t.Errorf("%s, %s: it is taken", name, step)
			}
		}
	}
}

// TestYear: no week of a year is refused, also after a long time without one.
func TestYear(t *testing.T) {
	var all []*catalog.Catalog
	for _, w := range yearfeed.Year() {
		c, err := azure.Decode(w.JSON, azure.Options{})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	for i := 1; i < len(all); i++ {
		for _, back := range []int{1, 4} {
			if i >= back {
				if err := guard(all[i-back].AppendIndex(nil), all[i]); err != nil {
					t.Errorf("week %d after %d: %v", i, i-back, err)
				}
			}
		}
	}
}
