package catalog

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sallyport/ipranges"
)

func TestDetails(t *testing.T) {
	for kind, c := range both(t, entries()) {
		for _, e := range entries() {
			want := e.Details.clone()
			if got, ok := c.Details(e.Name); !ok || cmp.Diff(want, got) != "" {
				t.Errorf("%s: %s has %+v, %v, want %+v", kind, e.Name, got, ok, want)
			}
		}
		if _, ok := c.Details("sql"); ok {
			t.Errorf("%s: there are details of a tag that is not there", kind)
		}
		mine, _ := c.Details("Sql")
		mine.Ports[0].Lo, mine.Names[0] = 1, "x"
		if d, _ := c.Details("Sql"); d.Ports[0].Lo == 1 || d.Names[0] == "x" {
			t.Errorf("%s: the catalog shares its details", kind)
		}
	}
}

// TestPortsAndNames asks for those of tags that unite others.
func TestPortsAndNames(t *testing.T) {
	web, dns, both443 := []Port{{"tcp", 443, 443}, {"tcp", 80, 80}}, []Port{{"udp", 53, 53}}, []Port{{"tcp", 80, 80}, {"tcp", 443, 443}, {"tcp", 443, 443}}
	tag := func(name, prefix string, d *Details) Entry {
		e := Entry{Tag: Tag{Name: name}, Details: d}
		if prefix != "" {
			e.Set = ipranges.MustParse(prefix)
		}
		return e
	}
	in := []Entry{
		tag("1", "33.0.0.0/24", &Details{Ports: web, Names: []string{"b.example"}}),
		tag("2", "33.0.1.0/24", &Details{Ports: both443, Names: []string{"a.example", "b.example"}}),
		tag("3", "33.0.2.0/24", &Details{Ports: dns}),
		tag("Touch", "33.0.2.0/24", &Details{Ports: []Port{{"udp", 7, 9}, {"tcp", 3, 3}, {"udp", 6, 6}, {"tcp", 4, 5}, {"udp", 8, 20}, {"udp", 65535, 65535}}}),
		tag("4", "", &Details{Ports: dns, Names: []string{"*.example"}}),
		tag("5", "33.0.3.0/24", nil),
		tag("Alike", "33.0.0.0/23", &Details{Parts: []string{"1", "2", "4"}}), // 4 has names only
		tag("Mixed", "33.0.0.0/22", &Details{Parts: []string{"1", "3"}}),
		tag("Half", "33.0.0.0/22", &Details{Parts: []string{"5", "1"}}),
		tag("None", "33.0.3.0/24", &Details{Parts: []string{"5"}}),
		tag("Void", "", &Details{Parts: []string{"4"}}),
	}
	sorted := []Port{{"tcp", 80, 80}, {"tcp", 443, 443}}
	for kind, c := range both(t, in) {
		for name, want := range map[string]struct {
			ports  []Port
			differ []string
			names  []string
		}{
			"1":      {ports: sorted, names: []string{"b.example"}},
			"2":      {ports: sorted, names: []string{"a.example", "b.example"}},
			"4":      {ports: dns, names: []string{"*.example"}},
			"5":      {},
			"Touch":  {ports: []Port{{"tcp", 3, 5}, {"udp", 6, 20}, {"udp", 65535, 65535}}},
			"Alike":  {ports: sorted, names: []string{"*.example", "a.example", "b.example"}},
			"Mixed":  {differ: []string{"1", "3"}, names: []string{"b.example"}},
			"Half":   {differ: []string{"5", "1"}, names: []string{"b.example"}},
			"None":   {},
			"Void":   {names: []string{"*.example"}},
			"absent": {},
		} {
			ports, differ := c.Ports(name)
			if !slices.Equal(ports, want.ports) || !slices.Equal(differ, want.differ) {
				t.Errorf("%s: Ports(%s) = %v, %v, want %v, %v", kind, name, ports, differ, want.ports, want.differ)
			}
			if got := c.Names(name); !slices.Equal(got, want.names) {
				t.Errorf("%s: Names(%s) = %q, want %q", kind, name, got, want.names)
			}
		}
	}
}

func TestNewRefusesDetails(t *testing.T) {
	for name, d := range map[string]Details{
		"port 0":          {Ports: []Port{{"tcp", 0, 80}}},
		"backwards":       {Ports: []Port{{"tcp", 80, 79}}},
		"no protocol":     {Ports: []Port{{"", 80, 80}}},
		"sctp":            {Ports: []Port{{"sctp", 80, 80}}},
		"blank in name":   {Names: []string{"a b"}},
		"empty name":      {Names: []string{""}},
		"semicolon":       {Names: []string{"a;b"}},
		"escape":          {Names: []string{"a\x1bb"}},
		"umlaut":          {Names: []string{"ä.example"}},
		"long name":       {Names: []string{strings.Repeat("x", maxText+1)}},
		"blank in a part": {Parts: []string{"a b"}},
		"very many":       {Names: slices.Repeat([]string{strings.Repeat("x", maxText)}, maxDetails/maxText+1)},
	} {
		if _, err := New(Info{}, []Entry{{Tag: Tag{Name: "A"}, Details: &d}}); err == nil || !printable(err.Error()) {
			t.Errorf("%s: the error is %v", name, err)
		}
	}
}

// TestForgedDetails damages details alone: the tag and its addresses stay known,
// and an index that is made of such a one has them damaged, too.
func TestForgedDetails(t *testing.T) {
	for _, change := range [][2]string{
		{"tcp/1433", "tcp/0433"}, {"tcp/1433", "tcp-1433"}, {"tcp/1433", "tcq/1433"}, {"1434-1440", "1434-1433"},
		{";*.sql.example sql.example;", "?*.sql.example sql.example;"}, {"*.sql.example sql.example;", "*.sql.example  ql.example;"},
	} {
		bad := testIndex(t)
		if bytes.Count(bad, []byte(change[0])) != 1 {
			t.Fatalf("%s is not in the index once", change[0])
		}
		c, err := OpenIndex(forge(bytes.Replace(bad, []byte(change[0]), []byte(change[1]), 1)))
		if err != nil {
			t.Fatal(err)
		}
		again, err := OpenIndex(c.AppendIndex(nil))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []*Catalog{c, again} {
			if d, ok := c.Details("Sql"); ok || !d.isZero() {
				t.Errorf("%q: damaged details are given out as %+v", change, d)
			}
			if set, ok := c.Set("Sql"); !ok || set.IsEmpty() {
				t.Errorf("%q: the addresses are lost too", change)
			}
			if d, ok := c.Details("AzureCloud"); !ok || len(d.Parts) != 2 {
				t.Errorf("%q: another tag's details are lost too", change)
			}
		}
	}
}
