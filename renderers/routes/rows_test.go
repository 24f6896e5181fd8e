package routes

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"sallyport/ipranges"
	"sallyport/rules"
)

func TestRow(t *testing.T) {
	for _, tt := range []struct {
		row  Row
		p    string
		line string
	}{
		{Row{}, "10.0.0.0/8", "10.0.0.0/8"},
		{Row{Before: "route ", After: " gw"}, "9.9.9.9/32", "route 9.9.9.9/32 gw"},
		{Row{Before: "route ", Mask: " "}, "52.112.0.0/14", "route 52.112.0.0 255.252.0.0"},
		{Row{Mask: "/"}, "9.9.9.9/32", "9.9.9.9/255.255.255.255"},
		{Row{Mask: "/"}, "0.0.0.0/0", "0.0.0.0/0.0.0.0"},
		{Row{Mask: " "}, "2603:1063::/38", "2603:1063::/38"},
		{Row{Before: "<a>", Slash: "</a><b>", After: "</b>"}, "2603:1063::/38", "<a>2603:1063::</a><b>38</b>"},
	} {
		p := netip.MustParsePrefix(tt.p)
		if got := tt.row.Line(p); got != tt.line {
			t.Errorf("%+v writes %q, not %q", tt.row, got, tt.line)
		}
		if got := tt.row.Bytes(p); got != len(tt.line)+1 {
			t.Errorf("%q has %d bytes, not %d", tt.line, got, len(tt.line)+1)
		}
		if got, ok := tt.row.Parse(tt.line); !ok || got != p {
			t.Errorf("%q reads as %v, %v", tt.line, got, ok)
		}
	}
}

func TestRowRefuses(t *testing.T) {
	masked, plain := Row{Before: "route ", Mask: " "}, Row{Before: "route ", After: ";"}
	for _, line := range []string{
		"", "route ", "route 10.0.0.0", "route 10.0.0.0/8", "route 10.0.0.0 255.0.255.0", "route 10.0.0.1 255.0.0.0",
		"route 10.0.0.0 8", "route 10.0.0.0 255.0.0.0 ", "Route 10.0.0.0 255.0.0.0", "route 2603:1063::/38 255.0.0.0", "route 2603:1063::1/38",
	} {
		if p, ok := masked.Parse(line); ok {
			t.Errorf("%q is read as %v", line, p)
		}
	}
	for _, line := range []string{"route 10.0.0.0/8", "10.0.0.0/8;", "route 10.0.0.0/08;", "route 10.0.0.1/8;", "route 10.0.0.0 255.0.0.0;", "route 2603:1063:0::/38;"} {
		if p, ok := plain.Parse(line); ok {
			t.Errorf("%q is read as %v", line, p)
		}
	}
}

// slowWay says by which row an address goes: by the longest prefix that holds it.
func slowWay(r Rows, lines []string, a netip.Addr) bool {
	longest, in := -1, false
	for _, l := range lines {
		p, ok := r.Parse(l)
		listed := ok
		if !ok && r.Other != nil {
			p, ok = r.Other.Parse(l)
		}
		if ok && p.Contains(a) && p.Bits() > longest {
			longest, in = p.Bits(), listed
		}
	}
	return in
}

// TestRows writes sets with holes, with exceptions and without, and looks addresses up by
// the longest prefix. Exceptions make the list shorter, and its order does not matter.
func TestRows(t *testing.T) {
	plain := Rows{Row: Row{Before: "route ", After: " eth0"}}
	both := Rows{plain.Row, &Row{Before: "route ", After: " tun0"}}
	holes := ipranges.MustParse("0.0.0.0/1", "2000::/3").Minus(ipranges.MustParse("10.0.0.0/8", "20.5.6.7", "2001:db8::/32"))
	for name, set := range map[string]ipranges.Set{
		"holes": holes, "plain": ipranges.MustParse("52.112.0.0/14", "2603:1063::/38"),
		"everything": ipranges.Full(ipranges.IPv4).Union(ipranges.Full(ipranges.IPv6)),
	} {
		for _, f := range rules.BothFamilies.List() {
			count := map[bool]int{}
			for _, r := range []Rows{plain, both} {
				lines := strings.Split(strings.TrimSuffix(string(r.Append(nil, set, f)), "\n"), "\n")
				count[r.Other != nil] = len(lines)
				for rg := range set.Only(f).All() {
					for a, want := range map[netip.Addr]bool{rg.From(): true, rg.To(): true, rg.From().Prev(): false, rg.To().Next(): false} {
						if a.IsValid() && slowWay(r, lines, a) != want {
							t.Errorf("%s, %v: %s is listed: %v", name, f, a, !want)
						}
					}
				}
				slices.Reverse(lines)
				if got, err := r.Find(append(lines, "something else"), f); err != nil || !got.Equal(set.Only(f)) {
					t.Errorf("%s, %v: %v, %v", name, f, got, err)
				}
			}
			if shorter := count[true] < count[false]; shorter != (name == "holes") && name != "everything" {
				t.Errorf("%s, %v: %d lines with exceptions, %d without", name, f, count[true], count[false])
			}
		}
	}
	for _, lines := range [][]string{
		{"route 9.9.9.0/24 eth0", "route 9.9.9.0/24 eth0"},
		{"route 9.9.9.0/24 eth0", "route 9.9.9.0/24 tun0"},
	} {
		if got, err := both.Find(lines, ipranges.IPv4); err == nil {
			t.Errorf("%q are read as %v", lines, got)
		}
	}
}
