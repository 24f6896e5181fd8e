package conformance

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os/exec"
	"reflect"
	"strings"
	"sync"
	"testing"
	"unicode"
	"unicode/utf8"

	"sallyport/renderers"
	"sallyport/rules"
)

// strange is what can stand in a string of a policy and means something to XML, JSON, a
// shell, PowerShell, a device's command line or a terminal.
var strange = []string{
	"&", "&amp;", "<", ">", "<b>", "]]>", "<!--", "--", "-->", `"`, "'", "''", "\u2019", `'"`, "`", "`id`", "$(id)", "$HOME", "${HOME}", "$_", `\`, `\n`, `\'`,
	" ", "  ", "\t", "\n", "\r\n", "\nno shutdown", "\x00", "\x1b[31m", "\x7f", "\u0085", "\u2028", "\u202e", "\ufeff", "\ufffe", "é", "日本", "\U0001F600",
	";", "; id", "|", "&& id", "#", "# x", "!", "?", "*", "%", "%s", "%0a", "{", "}", "{{.}}", "{}", "[", "]", "(", ")", "=", ",", "~", "^", "@", ":", "/", "//", "..", "../x", "/x", ".", "-", "-x",
	"0", "none", "any", "all", "null", "true", strings.Repeat("x", 40), strings.Repeat("x", 300), strings.Repeat("ab-", 3000),
}

// hostile gives each option that is text, and the output path, each strange string: alone,
// at its beginning and at its end. It is refused as a mistake in that option, or what is
// rendered is well-formed in its format and reads back as the plan. What a plan says of its
// origin is never refused.
func (s *suite) hostile(t testing.TB) {
	plan := lower(t, s.build(t, "edge"), s.plan(t, cloud))
	standard := "edge" + s.Kind.Extension
	for _, field := range textsOf(reflect.ValueOf(s.variant.Options).Elem(), "") {
		for i, x := range strange {
			for j, text := range []string{x, field.text + x, x + field.text} {
				if testing.Short() && i%3 != j {
					continue
				}
				s.strange(t, fmt.Sprintf("%s = %.60q", field.name, text), field.with(s.variant.Options, text), standard, plan)
			}
		}
	}
	for _, x := range strange {
		for _, where := range []string{x + s.Kind.Extension, "fw/" + x + "edge" + s.Kind.Extension, x + "/edge" + s.Kind.Extension, "edge" + x, "edge" + s.Kind.Extension + x} {
			if isOutputPath(where) {
				s.strange(t, fmt.Sprintf("path = %.60q", where), s.variant.Options, where, plan)
			}
		}
		odd := *plan
		odd.Provenance = rules.Provenance{Version: x, Policy: x, PolicyHash: x, Notes: []string{x}, Feeds: []rules.Feed{{Name: x, Kind: x, Cloud: x, Change: x, SHA256: x}}}
		if !s.strange(t, fmt.Sprintf("an origin of %.60q", x), s.variant.Options, standard, &odd) {
			t.Errorf("an origin of %.60q is refused", x)
		}
	}
}

// strange renders plan with options and an output path that hold a strange string. It
// reports whether they were taken.
func (s *suite) strange(t testing.TB, name string, options any, where string, plan *rules.Plan) bool {
	t.Helper()
	env := renderers.Env{Name: "edge", Path: where, PathGiven: where != "edge"+s.Kind.Extension, Read: s.readFile}
	r, err := s.Kind.Build(options, env)
	var files []renderers.File
	if err == nil {
		files, err = r.Render(plan)
	}
	if err != nil {
		checkMistake(t, name, err)
		return false
	}
	for _, f := range files {
		checkText(t, f)
		checkForm(t, name, f)
	}
	if got, err := r.ReadBack(files); !s.variant.NoReadBack && (err != nil || rules.Compare(plan, got) != nil) {
		t.Errorf("%s: it does not read back as the plan: %v", name, err)
	}
	if r.Advice != nil {
		for _, e := range r.Advice(plan) {
			if e.Cause == "" || e.Fix == "" || s.Kind.Warnings[e.ID] == "" {
				t.Errorf("%s: advice without a cause or a fix, or with an ID that the kind does not list: %+v", name, e)
			}
		}
	}
	return true
}

// isOutputPath is what policies take as an output path.
func isOutputPath(s string) bool {
	odd := func(r rune) bool { return !unicode.IsPrint(r) || strings.ContainsRune(`<>:"|?*\`, r) }
	return fs.ValidPath(s) && s != "." && len(s) <= 255 && !strings.ContainsFunc(s, odd)
}

// checkMistake wants an error that a user can act on.
func checkMistake(t testing.TB, name string, err error) {
	t.Helper()
	for _, e := range renderers.Each(err) {
		var option *renderers.OptionError
		var rule *rules.RuleError
		switch {
		case errors.As(e, &option) && option.Option != "" && option.Cause != "" && option.Fix != "":
		case errors.As(e, &rule) && rule.Cause != "" && rule.Fix != "":
		default:
			t.Errorf("%s: %v is no mistake with a cause and a fix", name, e)
		}
	}
}

// text is an option that is a string, one of a list of them, or a name of a list of hosts.
type text struct {
	name, text string
	index      []int // of the fields on the way to it
	list       bool
}

// textsOf finds the options of v that are text.
func textsOf(v reflect.Value, prefix string) (list []text) {
	for i := range v.NumField() {
		field, name := v.Field(i), prefix+v.Type().Field(i).Name
		add := func(value string, isList bool) {
			list = append(list, text{name, value, []int{i}, isList})
		}
		switch {
		case field.Kind() == reflect.String:
			add(field.String(), false)
		case field.Type() == reflect.TypeFor[[]string]() && field.Len() > 0:
			add(field.Index(0).String(), true)
		case field.Type() == reflect.TypeFor[[]string]():
			add("", true)
		case field.Kind() == reflect.Struct:
			for _, inner := range textsOf(field, name+".") {
				inner.index = append([]int{i}, inner.index...)
				list = append(list, inner)
			}
		}
	}
	return list
}

// with is a copy of options in which the text is s.
func (x text) with(options any, s string) any {
	out := reflect.New(reflect.TypeOf(options).Elem())
	out.Elem().Set(reflect.ValueOf(options).Elem())
	field := out.Elem().FieldByIndex(x.index)
	if !x.list {
		field.SetString(s)
		return out.Interface()
	}
	list := []string{s}
	if field.Len() > 1 {
		list = append(list, field.Slice(1, field.Len()).Interface().([]string)...)
	}
	field.Set(reflect.ValueOf(list))
	return out.Interface()
}

// checkForm holds a file to the syntax of its format, and the commands that load it and
// take it away to a shell's.
func checkForm(t testing.TB, name string, f renderers.File) {
	t.Helper()
	var err error
	switch {
	case !utf8.Valid(f.Data):
		err = errors.New("it is not UTF-8")
	case bytes.HasPrefix(f.Data, []byte("#!/bin/sh\n")) || bytes.HasPrefix(f.Data, []byte("#!/bin/bash\n")):
		err = parsesAsShell(f.Data)
	case bytes.HasPrefix(f.Data, []byte("<")):
		err = parsesAsXML(f.Data)
	case bytes.HasPrefix(f.Data, []byte("{\n")) && !json.Valid(f.Data):
		err = errors.New("it is no JSON")
	}
	if err == nil && bytes.ContainsFunc(f.Data, isHidden) {
		err = errors.New("it holds characters that nobody sees")
	}
	for _, command := range []string{f.Use, f.Undo} {
		if command != "" && err == nil { // {} becomes one word: renderers.ShellWord has its own test
			err = parsesAsShell([]byte(strings.ReplaceAll(command, "{}", "word")))
		}
	}
	if err == nil && !isOutputPath(f.Path) {
		err = errors.New("it cannot be an output path")
	}
	if err != nil {
		t.Errorf("%s: %s: %v", name, f.Path, err)
	}
}

// isHidden reports a character that changes how others are shown, or is none.
func isHidden(r rune) bool {
	return r != '\n' && r != '\t' && r != '\r' && r != '\ufeff' && (unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) || r&0xfffe == 0xfffe)
}

func parsesAsXML(data []byte) error {
	d := xml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(data, []byte("\ufeff"))))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// parsed is what the shell said of texts before.
var parsed sync.Map

// parsesAsShell asks the shell, where there is one.
func parsesAsShell(data []byte) error {
	if _, known := parsed.Load(string(data)); known {
		return nil
	}
	sh, err := exec.LookPath("sh")
	if err != nil {
		return nil
	}
	cmd := exec.Command(sh, "-n")
	cmd.Stdin = bytes.NewReader(data)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("sh -n: %w: %.200s", err, out)
	}
	parsed.Store(string(data), true)
	return nil
}
