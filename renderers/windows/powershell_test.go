package windows

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"sallyport/internal/testkit/rendered"
	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

func script(o *Options) { o.Form, o.Server, o.Connection = formPowerShell, "", "Office" }

func include() *rules.Plan {
	return rules.RoutePlan("edge", rules.BothFamilies, rules.Tunnel, ipranges.MustParse("10.0.0.0/8", "fd20::/48"))
}

// TestScriptIncludesAlone, and says why.
func TestScriptIncludesAlone(t *testing.T) {
	r := rendered.Target(t, Kind(), options(script))
	caps := r.Caps
	_, _, errs := rules.Lower(rules.RoutePlan("edge", rules.BothFamilies, rules.Bypass, relays), caps)
	var text string
	for _, e := range errs {
		text += e.Cause + "\n"
	}
	if !strings.Contains(text, "Add-VpnConnectionRoute knows no exclusion") || !strings.Contains(text, `form = "profile"`) {
		t.Errorf("a bypass: %s", text)
	}
	if _, _, errs := rules.Lower(include(), caps); len(errs) > 0 {
		t.Errorf("an include: %v", errs[0])
	}
}

// TestScriptPath holds the path to what PowerShell runs.
func TestScriptPath(t *testing.T) {
	for _, tt := range []struct {
		path  string
		given bool
		want  string // empty: refused
	}{
		{"edge.xml", false, "edge.ps1"}, {"fw/routes.ps1", true, "fw/routes.ps1"}, {"routes.PS1", true, "routes.PS1"},
		{"edge.xml", true, ""}, {"edge", true, ""}, {"edge.ps1.txt", true, ""},
	} {
		r, err := Kind().Build(options(script), renderers.Env{Name: "edge", Path: tt.path, PathGiven: tt.given})
		if tt.want == "" {
			var wrong *renderers.OptionError
			if !errors.As(err, &wrong) || wrong.Option != "path" || wrong.Fix == "" {
				t.Errorf("%s: %v", tt.path, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		files, err := r.Render(include())
		if err != nil || files[0].Path != tt.want {
			t.Errorf("%s: %s, %v", tt.path, files[0].Path, err)
		}
	}
}

// literal is a string in single quotes as PowerShell reads it: a quote of any kind ends
// it, and two stand for the first of them (about_Quoting_Rules).
var literal = regexp.MustCompile("^'((?:[^'\u2018\u2019\u201a\u201b]|['\u2018\u2019\u201a\u201b]{2})*)'\n")

var doubled = regexp.MustCompile("(['\u2018\u2019\u201a\u201b])['\u2018\u2019\u201a\u201b]")

// TestScriptQuotes reads the name back as PowerShell would.
func TestScriptQuotes(t *testing.T) {
	for _, name := range []string{"Office", "Bob's", "'; Remove-Item C:\\ -Recurse; '", "$(calc)", "`n", "\"x\"", "a\u2019; calc; \u2018", "\u201a\u201b''", "Büro"} {
		_, files := render(t, options(func(o *Options) { script(o); o.Connection = name }), include())
		text := string(files[0].Data)
		_, rest, _ := strings.Cut(text, "\n$name = ")
		m := literal.FindStringSubmatch(rest)
		if m == nil || doubled.ReplaceAllString(m[1], "$1") != name {
			t.Errorf("%q is written as %.80q", name, rest)
		}
		if ascii := !strings.ContainsFunc(name, func(c rune) bool { return c > 127 }); strings.HasPrefix(text, "\ufeff") == ascii {
			t.Errorf("%q: the mark of UTF-8 is wrong", name)
		}
	}
}

func TestScriptLeavesNothingBehind(t *testing.T) {
	_, files := render(t, options(script), include())
	env := renderers.Env{Name: "edge", Path: "edge.xml", Previous: func(path string) []byte {
		if path == files[0].Path {
			return files[0].Data
		}
		return nil
	}}
	for all, refused := range map[bool]bool{false: false, true: true} {
		r, err := Kind().Build(options(func(o *Options) { script(o); o.AllUsers = all }), env)
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.Render(include())
		var e *rules.RuleError
		if errors.As(err, &e) != refused || refused && (e.Option != "all_users" || !strings.Contains(e.Fix, "-Remove")) {
			t.Errorf("all users %v: %v", all, err)
		}
	}
}

// TestAdvice: who excludes IPv6 is told what becomes of it without a gateway.
func TestAdvice(t *testing.T) {
	for _, tt := range []struct {
		change func(*Options)
		plan   *rules.Plan
		told   bool
	}{
		{func(*Options) {}, rules.RoutePlan("edge", rules.BothFamilies, rules.Bypass, relays), true},
		{func(*Options) {}, rules.RoutePlan("edge", rules.OnlyIPv4, rules.Bypass, relays.Only(ipranges.IPv4)), false},
		{func(*Options) {}, rules.RoutePlan("edge", rules.BothFamilies, rules.Tunnel, relays), false},
		{script, include(), false},
	} {
		r := rendered.Target(t, Kind(), options(tt.change))
		advice := r.Advice(tt.plan)
		if (len(advice) == 1) != tt.told || tt.told && (advice[0].Option != "families" || advice[0].Fix == "") {
			t.Errorf("%v: %v", tt.plan.Families, advice)
		}
	}
}
