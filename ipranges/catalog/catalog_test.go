package catalog

import (
	"iter"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/ipranges"
)

var testInfo = Info{
	Kind: "azure", Cloud: "Public", Change: "7", Source: "https://download.example/ServiceTags.json",
	SHA256: strings.Repeat("ab", 32), Fetched: time.Date(2026, 7, 21, 8, 30, 0, 123, time.UTC),
}

// entries is a small feed: a cloud, two regions, services within them, one
// region whose tags spell it in two ways, and a tag without addresses.
func entries() []Entry {
	e := func(name, region, service string, prefixes ...string) Entry {
		return Entry{Tag: Tag{name, region, service, "3"}, Set: ipranges.MustParse(prefixes...)}
	}
	list := []Entry{
		e("Storage", "", "AzureStorage", "33.16.4.0/24", "33.16.6.0/23", "33.17.4.0/22", "2d00:4::/48"),
		e("Storage.WestEurope", "westeurope", "AzureStorage", "33.16.4.0/24", "33.16.6.0/23", "2d00:4::/48"),
		e("StorageMover", "", "StorageMover", "33.16.99.0/28"),
		e("Sql", "", "AzureSQL", "33.16.64.0/22", "33.20.10.0/24"),
		e("Sql.GermanyWestCentral", "germanywc", "AzureSQL", "33.20.10.0/24"),
		e("AzureCloud", "", "", "33.16.0.0/16", "33.17.0.0/17", "33.20.8.0/21", "2d00::/32"),
		e("AzureCloud.westeurope", "westeurope", "", "33.16.0.0/16", "2d00:0:4000::/36"),
		e("AzureCloud.northeurope", "northeurope", "", "33.17.0.0/17"),
		e("AzureCloud.germanywc", "germanywc", "", "33.20.8.0/21"),
		e("Empty", "", ""),
	}
	list[3].Details = &Details{Ports: []Port{{"tcp", 1433, 1433}, {"udp", 1434, 1440}}, Names: []string{"*.sql.example", "sql.example"}}
	list[5].Details = &Details{Parts: []string{"Sql", "Storage"}}
	return list
}

// both returns the same catalog in memory and opened from its index: what is
// true of one must be true of the other.
func both(t testing.TB, entries []Entry) map[string]*Catalog {
	t.Helper()
	c, err := New(testInfo, entries)
	if err != nil {
		t.Fatal(err)
	}
	x, err := OpenIndex(c.AppendIndex(nil))
	if err != nil {
		t.Fatal(err)
	}
	return map[string]*Catalog{"memory": c, "index": x}
}

func names(tags iter.Seq[Tag]) (names []string) {
	for t := range tags {
		names = append(names, t.Name)
	}
	return names
}

func TestCatalog(t *testing.T) {
	for kind, c := range both(t, entries()) {
		t.Run(kind, func(t *testing.T) {
			if got := c.Info(); got != testInfo {
				t.Errorf("Info() = %+v, want %+v", got, testInfo)
			}
			if c.Len() != len(entries()) {
				t.Errorf("Len() = %d, want %d", c.Len(), len(entries()))
			}
			got := names(c.Tags())
			if !slices.IsSorted(got) || len(got) != len(entries()) {
				t.Errorf("Tags() = %q, want every name, sorted", got)
			}
			for _, e := range entries() {
				if tag, ok := c.Tag(e.Name); !ok || tag != e.Tag {
					t.Errorf("Tag(%q) = %+v, %v, want %+v", e.Name, tag, ok, e.Tag)
				}
				if set, ok := c.Set(e.Name); !ok || !set.Equal(e.Set) {
					t.Errorf("Set(%q) = %v, %v, want %v", e.Name, set, ok, e.Set)
				}
			}
			for _, absent := range []string{"", "A", "AzureCloud.", "azurecloud", "Storage.WestEurope2", "zzz", "\xff"} {
				if _, ok := c.Tag(absent); ok {
					t.Errorf("Tag(%q) is there", absent)
				}
				if _, ok := c.Set(absent); ok {
					t.Errorf("Set(%q) is there", absent)
				}
			}
			other := c.WithInfo(Info{Source: "feed.json"})
			if other.Info() != (Info{Source: "feed.json"}) || other.Len() != c.Len() || c.Info() != testInfo {
				t.Errorf("WithInfo changed more than the Info of its result")
			}
			for range c.Tags() {
				break // an early end must be possible
			}
		})
	}
}

func TestZeroCatalog(t *testing.T) {
	empty, err := New(Info{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := OpenIndex(empty.AppendIndex(nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []*Catalog{{}, empty, opened} {
		_, isTag := c.Tag("x")
		_, isSet := c.Set("x")
		if c.Len() != 0 || isTag || isSet || len(names(c.Tags())) != 0 || len(c.Search("")) != 0 ||
			len(c.Suggest("x", 3)) != 0 || len(c.Lookup(prefix("0.0.0.0/0"))) != 0 || len(Diff(c, empty)) != 0 || c.Info() != (Info{}) {
			t.Errorf("%+v: a catalog without tags has some, or has an Info", c)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	long := strings.Repeat("x", maxText+1)
	for name, tags := range map[string][]Tag{
		"no name":              {{Name: ""}},
		"twice":                {{Name: "B"}, {Name: "A"}, {Name: "B"}},
		"escape in name":       {{Name: "a\x1b[31mb"}},
		"newline in name":      {{Name: "a\nb"}},
		"tab in region":        {{Name: "a", Region: "x\ty"}},
		"DEL in service":       {{Name: "a", Service: "x\x7f"}},
		"NUL in change number": {{Name: "a", Change: "1\x00"}},
		"bad UTF-8":            {{Name: "a\xff"}},
		"right-to-left":        {{Name: "a\u202eb"}},
		"no-break space":       {{Name: "a\u00a0b"}},
		"long name":            {{Name: long}},
		"long region":          {{Name: "a", Region: long}},
		"long service":         {{Name: "a", Service: long}},
		"long change number":   {{Name: "a", Change: long}},
	} {
		var in []Entry
		for _, tag := range tags {
			in = append(in, Entry{Tag: tag})
		}
		if _, err := New(Info{}, in); err == nil {
			t.Errorf("%s: no error", name)
		} else if !printable(err.Error()) {
			t.Errorf("%s: the error cannot be printed: %q", name, err)
		}
	}
}

func TestNewCopies(t *testing.T) {
	in := entries()
	c, err := New(Info{}, in)
	if err != nil {
		t.Fatal(err)
	}
	if in[0].Name != "Storage" {
		t.Error("New sorted its argument")
	}
	for i := range in {
		in[i] = Entry{}
	}
	if set, ok := c.Set("Sql"); !ok || set.IsEmpty() {
		t.Error("changing the argument of New changed the catalog")
	}
}

func TestUnicodeNames(t *testing.T) {
	in := []Entry{{Tag: Tag{Name: "Zürich Süd", Region: "schweiz", Service: "Dienst „A“"}}, {Tag: Tag{Name: "北京"}}}
	for kind, c := range both(t, in) {
		if tag, ok := c.Tag("Zürich Süd"); !ok || tag != in[0].Tag {
			t.Errorf("%s: %+v, %v", kind, tag, ok)
		}
		if got := c.Search("ZÜRICH"); len(got) != 1 {
			t.Errorf("%s: Search finds %v", kind, got)
		}
		if got := c.Suggest("zürich-sud", 1); len(got) != 1 {
			t.Errorf("%s: Suggest finds %v", kind, got)
		}
	}
}

func TestDiff(t *testing.T) {
	from := both(t, entries())
	changed := slices.Clone(entries())
	changed = slices.DeleteFunc(changed, func(e Entry) bool { return e.Name == "StorageMover" || e.Name == "Empty" })
	for i := range changed {
		switch e := &changed[i]; e.Name {
		case "Sql":
			e.Set = ipranges.MustParse("33.16.64.0/23", "33.20.10.0/24", "33.21.0.0/24")
			e.Change = "4"
		case "Storage":
			e.Change = "4" // no address differs
		}
	}
	changed = append(changed, Entry{Tag: Tag{Name: "Relay"}, Set: ipranges.MustParse("33.16.1.0/24")}, Entry{Tag: Tag{Name: "Void"}})
	to := both(t, changed)
	for _, kind := range []string{"memory", "index"} {
		got := Diff(from[kind], to["memory"])
		if indexed := Diff(from[kind], to["index"]); !reflect.DeepEqual(indexed, got) {
			t.Errorf("%s: to an index it is %+v, and to memory %+v", kind, indexed, got)
		}
		want := []struct {
			name           string
			isNew, gone    bool
			added, removed ipranges.Set
		}{
			{"Empty", false, true, ipranges.Set{}, ipranges.Set{}},
			{"Relay", true, false, ipranges.MustParse("33.16.1.0/24"), ipranges.Set{}},
			{"Sql", false, false, ipranges.MustParse("33.21.0.0/24"), ipranges.MustParse("33.16.66.0/23")},
			{"StorageMover", false, true, ipranges.Set{}, ipranges.MustParse("33.16.99.0/28")},
			{"Void", true, false, ipranges.Set{}, ipranges.Set{}},
		}
		if len(got) != len(want) {
			t.Fatalf("%s: %d tags differ, want %d: %+v", kind, len(got), len(want), got)
		}
		for i, w := range want {
			g := got[i]
			if g.Name != w.name || g.New != w.isNew || g.Gone != w.gone || !g.Added.Equal(w.added) || !g.Removed.Equal(w.removed) {
				t.Errorf("%s: %+v, want %+v", kind, g, w)
			}
		}
		if got[2].Change != "4" {
			t.Errorf("%s: a changed tag must be the new one, not %+v", kind, got[2].Tag)
		}
		if d := Diff(from[kind], from["memory"]); len(d) != 0 {
			t.Errorf("%s: a catalog differs from itself: %+v", kind, d)
		}
		// The other direction swaps everything.
		back := Diff(to["memory"], from[kind])
		for i, b := range back {
			if g := got[i]; b.Name != g.Name || b.New != g.Gone || b.Gone != g.New || !b.Added.Equal(g.Removed) || !b.Removed.Equal(g.Added) {
				t.Errorf("%s: back: %+v, forth: %+v", kind, b, g)
			}
		}
	}
}

func TestTooManyTags(t *testing.T) {
	if _, err := New(Info{}, make([]Entry, maxTags+1)); err == nil {
		t.Error("no limit on the number of tags")
	}
}
