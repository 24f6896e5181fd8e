package routes

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

func row(_ ipranges.Family, way rules.Verdict) Rows {
	return Rows{Row: Row{Before: way.String() + " ", Mask: "/"}}
}

// forms are one of each kind that targets have.
var forms = map[string]Form{
	"lines": {Mark: "#", Rows: row},
	"around": {Mark: "!", Rows: row, Around: func(_ rules.RouteList, f ipranges.Family) ([]string, []string) {
		return []string{"begin " + f.String()}, []string{"end"}
	}},
	"twice on a line": {Mark: "#", Rows: func(_ ipranges.Family, way rules.Verdict) Rows {
		return Rows{Row: Row{Before: way.String() + " ", After: " }",
			Write: func(dst []byte, p netip.Prefix) []byte { return fmt.Appendf(dst, "%[1]s { %[1]s", p) },
			Find:  func(text string) string { return strings.Split(text, " { ")[0] }}}
	}},
	"slash":      {Mark: "#", Rows: func(ipranges.Family, rules.Verdict) Rows { return Rows{Row: Row{Before: "<", Slash: "><", After: ">"}} }},
	"complement": {Mark: "#", Rows: row, Complement: rules.OnlyIPv6},
	"script": {Mark: "#", Rows: row, Script: true, First: Shell, Body: func(_ rules.RouteList, rows []byte) ([]byte, error) {
		return slices.Concat([]byte("\nlist='\n"), rows, []byte("'\n\n# a comment\nload\n")), nil
	}},
	"other script": {Mark: "//", Rows: row, Script: true, Body: func(_ rules.RouteList, rows []byte) ([]byte, error) {
		return slices.Concat([]byte("\nf(\n"), rows, []byte(")\n")), nil
	}},
}

func file(form Form) *File {
	return &File{Form: form, Env: renderers.Env{Name: "edge", Path: "edge.txt"}}
}

// text is a file of a form as targets frame it, without a template.
func text(t testing.TB, form Form, list rules.RouteList) []byte {
	t.Helper()
	body, err := form.Text(list)
	if err != nil {
		t.Fatal(err)
	}
	p := rules.RoutePlan("edge", list.Families, list.Way, list.Set)
	if !form.Script {
		var b bytes.Buffer
		for _, l := range renderers.RouteHeader(p) {
			b.WriteString(form.Mark + " " + l + "\n")
		}
		return append(append(b.Bytes(), '\n'), body...)
	}
	files, err := file(form).Render(p)
	if err != nil {
		t.Fatal(err)
	}
	return files[0].Data
}

func lists() []rules.RouteList {
	var all []rules.RouteList
	for _, way := range []rules.Verdict{rules.Bypass, rules.Tunnel} {
		for _, set := range []ipranges.Set{
			ipranges.MustParse("52.112.0.0/14", "2603:1063::/38"), ipranges.MustParse("9.9.9.9"), ipranges.MustParse("8000::/1"),
			ipranges.Full(ipranges.IPv4), ipranges.MustParse("0.0.0.0/0", "2001:db8::/32").Minus(ipranges.MustParse("10.1.2.3")),
		} {
			for _, fams := range []rules.Families{rules.BothFamilies, rules.OnlyIPv4, rules.OnlyIPv6} {
				for _, f := range (rules.BothFamilies &^ fams).List() {
					set = set.Minus(set.Only(f))
				}
				if !set.IsEmpty() {
					all = append(all, rules.RouteList{Set: set, Way: way, Families: fams})
				}
			}
		}
	}
	return all
}

func TestForms(t *testing.T) {
	for name, form := range forms {
		for _, list := range lists() {
			data := text(t, form, list)
			got, err := form.Read(data)
			if err != nil || !got.Set.Equal(list.Set) || got.Way != list.Way || got.Families != list.Families {
				t.Errorf("%s: %v reads as %v, %v:\n%s", name, list, got, err, data)
			}
		}
	}
}

// TestElsewhere: a family of another file is neither written nor read, and a file of it
// alone has no line.
func TestElsewhere(t *testing.T) {
	form := Form{Mark: "#", Rows: row, Elsewhere: rules.OnlyIPv6}
	for _, list := range lists() {
		data := text(t, form, list)
		got, err := form.Read(data)
		if err != nil || !got.Set.Equal(list.Set.Only(ipranges.IPv4)) || got.Families != list.Families {
			t.Errorf("%v reads as %v, %v:\n%s", list, got, err, data)
		}
		if got, err := form.Read(append(data, list.Way.String()+" 2001:db8::/32\n"...)); err == nil {
			t.Errorf("a route of another file is read: %v", got)
		}
	}
}

// TestReadRefuses: a line more or less, or another one, is no file of sallyport's.
func TestReadRefuses(t *testing.T) {
	list := rules.RouteList{Set: ipranges.MustParse("20.202.0.0/16", "52.112.0.0/14", "2603:1063::/38"), Way: rules.Bypass, Families: rules.BothFamilies}
	for name, form := range forms {
		lines := strings.SplitAfter(string(text(t, form, list)), "\n")
		refused := func(what string, lines []string) {
			data := strings.Join(lines, "")
			if got, err := form.Read([]byte(data)); err == nil && got.Set.Equal(list.Set) && got.Way == list.Way && got.Families == list.Families {
				t.Errorf("%s: with %s it is read as before:\n%s", name, what, data)
			}
		}
		for i, l := range lines {
			if l == "" || l == "\n" || strings.HasPrefix(l, form.Mark) && !strings.Contains(l, "routes: ") || l == Shell && i > 0 {
				continue
			}
			refused("no "+l, slices.Delete(slices.Clone(lines), i, i+1))
			refused("twice "+l, slices.Insert(slices.Clone(lines), i, l))
			if !strings.HasPrefix(l, form.Mark) {
				refused("x behind "+l, slices.Replace(slices.Clone(lines), i, i+1, strings.TrimSuffix(l, "\n")+"x\n"))
			}
		}
	}
}

func TestRouteBytes(t *testing.T) {
	set := ipranges.MustParse("52.112.0.0/14", "9.9.9.9", "2603:1063::/38")
	for _, way := range []rules.Verdict{rules.Bypass, rules.Tunnel} {
		body, err := forms["lines"].Text(rules.RouteList{Set: set, Way: way, Families: rules.BothFamilies})
		if err != nil {
			t.Fatal(err)
		}
		n, bytesOf := 0, forms["lines"].RouteBytes(way)
		for _, f := range rules.BothFamilies.List() {
			for p := range set.Prefixes(f) {
				n += bytesOf(p)
			}
		}
		if n != len(body) {
			t.Errorf("%v: %d bytes are counted, and %d written", way, n, len(body))
		}
	}
	exceptions := Form{Rows: func(ipranges.Family, rules.Verdict) Rows { return Rows{Other: &Row{Before: "!"}} }}
	if exceptions.RouteBytes(rules.Bypass) != nil {
		t.Error("a list with exceptions has a line for each prefix")
	}
}

// FuzzRead: whatever a file holds, what is read from it is written as it stands there.
func FuzzRead(f *testing.F) {
	for _, form := range forms {
		for _, list := range lists() {
			f.Add(text(f, form, list))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for name, form := range forms {
			list, err := form.Read(data)
			if err != nil {
				continue
			}
			again, err := form.Read(text(t, form, list))
			if err != nil || !again.Set.Equal(list.Set) || list.Set.IsEmpty() {
				t.Errorf("%s: %v, written again, reads as %v, %v", name, list, again, err)
			}
		}
	})
}
