package templates

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"text/template"
)

func TestOverrides(t *testing.T) {
	own := fstest.MapFS{
		"nftables/fragment.nft.tmpl": {Data: []byte("mine")},
		"iptables/load.sh.tmpl":      {Data: []byte("exit 0")},
	}
	for _, tt := range []struct {
		target, name string
		overridden   bool
	}{{"nftables", "fragment.nft.tmpl", true}, {"nftables", "remove.nft.tmpl", false}, {"iptables", "load.sh.tmpl", false}} {
		_, overridden, err := Load(tt.target, tt.name, own)
		if err != nil || overridden != tt.overridden {
			t.Errorf("%s/%s: overridden %v, %v", tt.target, tt.name, overridden, err)
		}
	}
	if _, _, err := Load("nftables", "nothing.tmpl", own); err == nil {
		t.Error("a template that is not there is loaded")
	}
	names := Names()
	if !slices.Contains(names, "nftables/fragment.nft.tmpl") || slices.Contains(names, "iptables/load.sh.tmpl") {
		t.Errorf("names that can be overridden: %v", names)
	}
}

func TestMissingKeysAreErrors(t *testing.T) {
	tmpl, err := Own("x", "{{.Absent}}")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Execute(tmpl, true, map[string]string{}); err == nil {
		t.Error("a key that is not there prints nothing")
	}
}

// A template of the user's ends, whatever it says, and in bounded memory.
func TestBounds(t *testing.T) {
	data := map[string]any{"List": strings.Split(strings.Repeat("20.0.0.0/8 ", 2000), " "), "Text": strings.Repeat("a", 1<<20)}
	for _, tt := range []struct{ name, src, want string }{
		{"a plain one", `{{range .List}}{{printf "%-20s" .}}{{end}}{{lines "# " .List | html}}`, ""},
		{"a long one", `{{range $i := 10}}{{range $.List}}{{.}} {{end}}{{end}}`, ""},
		{"an endless loop", `{{range 1000000000000}}{{end}}`, "steps"},
		{"with a condition", `{{range 1000000000000}}{{if false}}x{{end}}{{end}}`, "steps"},
		{"inside of branches", `{{if true}}{{with 1}}{{range 1000000000000}}{{continue}}{{end}}{{end}}{{end}}`, "steps"},
		{"in an else", `{{range 0}}{{else}}{{range 1000000000000}}{{end}}{{end}}`, "steps"},
		{"exponential calls", `{{define "a"}}{{template "b"}}{{template "b"}}{{end}}{{define "b"}}{{template "a"}}{{template "a"}}{{end}}{{template "a"}}`, "steps|depth"},
		{"doubling", `{{$x := "aaaaaaaaaa"}}{{range 40}}{{$x = printf "%s%s" $x $x}}{{end}}{{len $x}}`, "text"},
		{"doubling by print", `{{$x := "aaaaaaaaaa"}}{{range 40}}{{$x = print $x $x}}{{end}}{{len $x}}`, "text"},
		{"doubling by escapes", `{{$x := "<<<<<<<<<<"}}{{range 40}}{{$x = html $x $x}}{{end}}{{len $x}}`, "text"},
		{"widths", `{{range 100}}{{$x := printf "%999999d%999999d%999999d" 1 1 1}}{{end}}`, "text"},
		{"indexes", `{{len (printf "%[1]s%[1]s%[1]s%[1]s%[1]s%[1]s%[1]s%[1]s%[1]s%[1]s%[1]s%[1]s%[1]s%[1]s%[1]s%[1]s%[1]s%[1]s" .Text)}}`, "text"},
		{"joins", `{{range 100}}{{$x := join $.List $.Text}}{{end}}`, "text"},
		{"prefixes", `{{range 100}}{{$x := lines $.Text $.List}}{{end}}`, "text"},
		{"output", `{{range 100}}{{$.Text}}{{end}}`, "writes more"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tmpl, err := own("own.tmpl", tt.src, &budget{100_000, maxText}) // as in Own, with fewer steps
			if err != nil {
				t.Fatal(err)
			}
			_, err = Execute(tmpl, true, data)
			switch {
			case tt.want == "":
				if err != nil {
					t.Error(err)
				}
			case err == nil || !regexp.MustCompile(tt.want).MatchString(err.Error()):
				t.Errorf("it ends with %v, want %s", err, tt.want)
			}
		})
	}
}

// The functions of ours say what text/template's own say.
func TestOwnFunctions(t *testing.T) {
	for _, src := range []string{`{{print 1 "a" 2 3}}`, `{{println "a" 1}}`, `{{printf "%5.2f|%-4s|%q|%%" 1.5 "x" "y"}}`,
		`{{html "<a&b>" 1}}`, `{{js "it's"}}`, `{{urlquery "a b" "&"}}`, `{{"x" | printf "%s-%s" "y"}}`} {
		own, err := Own("x", src)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Execute(own, true, nil)
		if err != nil {
			t.Fatal(err)
		}
		var want strings.Builder
		if err := template.Must(template.New("x").Parse(src)).Execute(&want, nil); err != nil || string(got) != want.String() {
			t.Errorf("%s gives %q, want %q, %v", src, got, want.String(), err)
		}
	}
}
