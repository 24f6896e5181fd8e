package catalog

import (
	"cmp"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"sallyport/ipranges"
)

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

func TestSearch(t *testing.T) {
	for kind, c := range both(t, entries()) {
		for _, tt := range []struct {
			query string
			want  []string
		}{
			{"storage", []string{"Storage", "Storage.WestEurope", "StorageMover"}},
			{"STORAGE", []string{"Storage", "Storage.WestEurope", "StorageMover"}},
			{"storage westeurope", []string{"Storage.WestEurope"}},
			{"  westeurope\tstorage ", []string{"Storage.WestEurope"}},
			{"westeurope", []string{"AzureCloud.westeurope", "Storage.WestEurope"}},
			{"germanywc", []string{"AzureCloud.germanywc", "Sql.GermanyWestCentral"}}, // the second by its region
			{"azurestorage", []string{"Storage", "Storage.WestEurope"}},               // by their service
			{"cloud", []string{"AzureCloud", "AzureCloud.germanywc", "AzureCloud.northeurope", "AzureCloud.westeurope"}},
			{"europe sql", nil},
			{"nothing", nil},
		} {
			var got []string
			for _, tag := range c.Search(tt.query) {
				got = append(got, tag.Name)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("%s: Search(%q) = %q, want %q", kind, tt.query, got, tt.want)
			}
		}
		if got := c.Search(" "); len(got) != c.Len() {
			t.Errorf("%s: a search without words finds %d of %d tags", kind, len(got), c.Len())
		}
	}
}

func TestSuggest(t *testing.T) {
	for kind, c := range both(t, entries()) {
		for _, tt := range []struct{ wrong, want string }{
			{"azurecloud", "AzureCloud"}, // case
			{"AZURECLOUD.WESTEUROPE", "AzureCloud.westeurope"},
			{"AzureCloudWestEurope", "AzureCloud.westeurope"}, // dot missing
			{"Storage.West.Europe", "Storage.WestEurope"},     // dot too much
			{"storage-west_europe", "Storage.WestEurope"},
			{"Storage West Europe", "Storage.WestEurope"},
			{"Storge", "Storage"}, // one letter missing
			{"Sotrage", "Storage"},
			{"Storage.WestEuorpe", "Storage.WestEurope"},
			{"Storag", "Storage"},
			{"Sq", "Sql"},
			{"AzureStorage", "Storage"},                       // the feed's word for the service
			{"AzureStorage.WestEurope", "Storage.WestEurope"}, // with a region
			{"Sql.germanywc", "Sql.GermanyWestCentral"},       // the feed's word for the region
			{"AzureCloud.GermanyWestCentral", "AzureCloud.germanywc"},
			{"Storage.EuropeWest", "Storage.WestEurope"}, // words in another order
			{"storage.europewest", "Storage.WestEurope"},
			{"WestEurope.Storage", "Storage.WestEurope"},
			{"EuropeWest.Storage", "Storage.WestEurope"},
			{"AzureStorage.EuropeWest", "Storage.WestEurope"},
			{"AzureCloud.europewest", "AzureCloud.westeurope"},
			{"AzureCloud.europe-west", "AzureCloud.westeurope"},
			{"Sql.CentralWestGermany", "Sql.GermanyWestCentral"},
			{"AzureCloud.CentralWestGermany", "AzureCloud.germanywc"},
			{"CloudAzure", "AzureCloud"},
			{"Storage.NorthEurope", "Storage"}, // a region the tag lacks
			{"Storge.Mars", "Storage"},
			{"Mover", "StorageMover"},
			{"Storage", "Storage"},
		} {
			got := c.Suggest(tt.wrong, 3)
			if len(got) == 0 || got[0] != tt.want {
				t.Errorf("%s: Suggest(%q) = %q, want %s first", kind, tt.wrong, got, tt.want)
			}
		}
		for _, far := range []string{"", ".", "Teams", "AzureCommunicationServices", "x", "\x00\xff", string(make([]byte, 10_000))} {
			if got := c.Suggest(far, 3); len(got) != 0 {
				t.Errorf("%s: Suggest(%.40q) = %q, want nothing", kind, far, got)
			}
		}
		for _, n := range []int{-1, 0, 1, 2, 100} {
			got := c.Suggest("AzureCloud.", n)
			if len(got) > max(n, 0) || n == 100 && len(got) != 4 {
				t.Errorf("%s: Suggest with n = %d gives %q", kind, n, got)
			}
		}
	}
}

func TestReordered(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"EuropeWest", "WestEurope", true},
		{"europewest", "westeurope", true},
		{"USSouthCentral", "SouthCentralUS", true},
		{"USCentralSouth", "southcentralus", true},
		{"us-central-south", "SouthCentralUS", true},
		{"uscentralsouth", "SouthCentralUS", true},
		{"UKSouth2", "South2UK", true},
		{"uswest2", "WestUS2", true},
		{"WestEurope", "WestEurope", false},
		{"West.Europe", "WestEurope", false}, // the same order
		{"WestEurope2", "WestEurope", false},
		{"12", "21", false},
		{"", "", false},
		{"...", "-", false},
		{"aaaa", "AAAA", false},
		{strings.Repeat("Ab", 200) + "c", "c" + strings.Repeat("Ab", 200), false}, // far more words than any name
	} {
		if reordered(tt.a, tt.b) != tt.want || reordered(tt.b, tt.a) != tt.want {
			t.Errorf("reordered(%.20q, %.20q) is not %v", tt.a, tt.b, tt.want)
		}
	}
}

func TestLookup(t *testing.T) {
	for kind, c := range both(t, entries()) {
		for _, tt := range []struct {
			query string
			want  []Match
		}{
			{"33.16.4.7/32", []Match{
				{Tag{Name: "Storage.WestEurope"}, true, prefix("33.16.4.0/24"), 0},
				{Tag{Name: "Storage"}, true, prefix("33.16.4.0/24"), 0},
				{Tag{Name: "AzureCloud.westeurope"}, true, prefix("33.16.0.0/16"), 0},
				{Tag{Name: "AzureCloud"}, true, prefix("33.16.0.0/16"), 0},
			}},
			// Wider than what some tags hold: these come last, and say which
			// of their prefixes is widest and how many more there are.
			{"33.16.4.0/22", []Match{
				{Tag{Name: "AzureCloud.westeurope"}, true, prefix("33.16.0.0/16"), 0},
				{Tag{Name: "AzureCloud"}, true, prefix("33.16.0.0/16"), 0},
				{Tag{Name: "Storage.WestEurope"}, false, prefix("33.16.6.0/23"), 1},
				{Tag{Name: "Storage"}, false, prefix("33.16.6.0/23"), 1},
			}},
			// Equally many addresses: by name.
			{"33.20.10.0/25", []Match{
				{Tag{Name: "Sql.GermanyWestCentral"}, true, prefix("33.20.10.0/24"), 0},
				{Tag{Name: "Sql"}, true, prefix("33.20.10.0/24"), 0},
				{Tag{Name: "AzureCloud.germanywc"}, true, prefix("33.20.8.0/21"), 0},
				{Tag{Name: "AzureCloud"}, true, prefix("33.20.8.0/21"), 0},
			}},
			{"2d00:0:4000::1/128", []Match{
				{Tag{Name: "AzureCloud.westeurope"}, true, prefix("2d00:0:4000::/36"), 0},
				{Tag{Name: "AzureCloud"}, true, prefix("2d00::/32"), 0},
			}},
			{"2d00:4::/32", []Match{ // host bits are ignored
				{Tag{Name: "Storage"}, false, prefix("2d00:4::/48"), 0},
				{Tag{Name: "Storage.WestEurope"}, false, prefix("2d00:4::/48"), 0},
			}},
			{"::ffff:33.16.99.1/128", []Match{
				{Tag{Name: "StorageMover"}, true, prefix("33.16.99.0/28"), 0},
				{Tag{Name: "AzureCloud.westeurope"}, true, prefix("33.16.0.0/16"), 0},
				{Tag{Name: "AzureCloud"}, true, prefix("33.16.0.0/16"), 0},
			}},
			{"8.8.8.8/32", nil},
			{"::/0", []Match{
				{Tag{Name: "Storage"}, false, prefix("2d00:4::/48"), 0},
				{Tag{Name: "Storage.WestEurope"}, false, prefix("2d00:4::/48"), 0},
				{Tag{Name: "AzureCloud.westeurope"}, false, prefix("2d00:0:4000::/36"), 0},
				{Tag{Name: "AzureCloud"}, false, prefix("2d00::/32"), 0},
			}},
		} {
			got := c.Lookup(prefix(tt.query))
			for i := range got {
				if want, _ := c.Tag(got[i].Name); want != got[i].Tag {
					t.Errorf("%s: %s: tag %+v, want %+v", kind, tt.query, got[i].Tag, want)
				}
				got[i].Tag = Tag{Name: got[i].Name}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("%s: Lookup(%s) =\n%+v, want\n%+v", kind, tt.query, got, tt.want)
			}
		}
		if got := c.Lookup(netip.Prefix{}); got != nil {
			t.Errorf("%s: the zero prefix is in %v", kind, got)
		}
	}
}

// TestLookupAgainstScan compares Lookup with a plain walk over every minimal
// prefix of every tag.
func TestLookupAgainstScan(t *testing.T) {
	c := bigCatalog(t, 100)
	var queries []netip.Prefix
	for tag := range c.Tags() {
		set, _ := c.Set(tag.Name)
		for _, f := range []ipranges.Family{ipranges.IPv4, ipranges.IPv6} {
			for p := range set.Prefixes(f) {
				for _, bits := range []int{p.Bits() - 3, p.Bits(), p.Bits() + 1, p.Addr().BitLen()} {
					if q, err := p.Addr().Prefix(bits); err == nil && len(queries) < 600 {
						queries = append(queries, q)
					}
				}
			}
		}
	}
	x, err := OpenIndex(c.AppendIndex(nil))
	if err != nil {
		t.Fatal(err)
	}
	all, indexed := c.LookupAll(queries...), x.LookupAll(queries...)
	for i, q := range queries {
		if one := c.Lookup(q); !slices.Equal(one, all[i]) || !slices.Equal(one, indexed[i]) {
			t.Errorf("%v is in %v alone, in %v with others, and in %v of an index", q, one, all[i], indexed[i])
		}
	}
	for _, q := range queries {
		got := map[string]Match{}
		matches := c.Lookup(q)
		for _, m := range matches {
			got[m.Name] = m
		}
		if !slices.IsSortedFunc(matches, func(a, b Match) int {
			switch {
			case a.Whole && !b.Whole:
				return -1
			case b.Whole && !a.Whole:
				return 1
			}
			x, _ := c.Set(a.Name)
			y, _ := c.Set(b.Name)
			f := ipranges.FamilyOf(q.Addr())
			return cmp.Or(x.Count(f).Cmp(y.Count(f)), cmp.Compare(a.Name, b.Name))
		}) {
			t.Fatalf("Lookup(%s) is not in the order that it promises: %+v", q, matches)
		}
		for tag := range c.Tags() {
			set, _ := c.Set(tag.Name)
			var want Match
			n := 0
			for p := range set.Prefixes(ipranges.FamilyOf(q.Addr())) {
				if !p.Overlaps(q) {
					continue
				}
				if n == 0 || p.Bits() < want.Prefix.Bits() {
					want.Prefix = p
				}
				want.Whole = p.Bits() <= q.Bits()
				n++
			}
			m, found := got[tag.Name]
			if found != (n > 0) {
				t.Fatalf("Lookup(%s): tag %s found: %v, want %v", q, tag.Name, found, n > 0)
			}
			if found && (m.Whole != want.Whole || m.Prefix != want.Prefix || m.More != n-1) {
				t.Fatalf("Lookup(%s): %+v, want %+v and %d more", q, m, want, n-1)
			}
		}
	}
}

// TestQueriesOverlapping compares with a test of each query by itself.
func TestQueriesOverlapping(t *testing.T) {
	rnd := rand.New(rand.NewPCG(16, 16))
	random := func() netip.Prefix {
		a := netip.AddrFrom4([4]byte{10, 0, 0, byte(rnd.IntN(64))})
		if rnd.IntN(2) == 0 {
			a = netip.AddrFrom16([16]byte{0x20, 15: byte(rnd.IntN(64))})
		}
		return netip.PrefixFrom(a, a.BitLen()-rnd.IntN(7)).Masked()
	}
	for range 3000 {
		var b ipranges.Builder
		for range rnd.IntN(8) {
			if err := b.AddPrefix(random()); err != nil {
				t.Fatal(err)
			}
		}
		set := b.Set()
		prefixes := make([]netip.Prefix, rnd.IntN(12)) // zero prefixes are in no set
		var want []int
		for i := range prefixes {
			if rnd.IntN(10) > 0 {
				prefixes[i] = random()
				if one, _ := ipranges.FromPrefixes(prefixes[i]); set.Overlaps(one) {
					want = append(want, i)
				}
			}
		}
		var got []int
		for q := range newQueries(prefixes).overlapping(set) {
			got = append(got, q.number)
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Fatalf("%v of %v overlap %v, want %v", got, prefixes, set, want)
		}
	}
}
