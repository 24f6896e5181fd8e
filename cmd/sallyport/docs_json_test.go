package main

import (
	"reflect"
	"strings"
	"testing"

	"sallyport/diag"
	"sallyport/internal/targetdocs"
	"sallyport/verifier"
	"sallyport/verifier/sizing"
)

// TestJSONIsDocumented holds that each member of the JSON that commands print is named on
// the page about it, in the way that the page marks code.
func TestJSONIsDocumented(t *testing.T) {
	for name, documents := range map[string][]any{
		"docs/commands.md": {generateJSON{}, failureJSON{}, diag.JSON{}, tagJSON{}, tagDiffJSON{}, matchJSON{}, coverageJSON{}, shareJSON{},
			targetdocs.Target{}, versionJSON{}, outputJSON{}, rangesDiffJSON{}, setJSON{}, coveragesJSON{}},
		"docs/budget.md":        {budgetJSON{}},
		"docs/size.md":          {sizing.Result{}},
		"docs/reflect.md":       {reflectJSON{}},
		"docs/verify-report.md": {verifier.Report{}},
	} {
		text := page(t, name)
		for _, d := range documents {
			for _, field := range membersOf(reflect.TypeOf(d), map[reflect.Type]bool{}) {
				if !strings.Contains(text, "`"+field+"`") && !strings.Contains(text, "."+field+"`") && !strings.Contains(text, "`"+field+"[]") &&
					!strings.Contains(text, "."+field+"[]") && !strings.Contains(text, "`"+field+".") {
					t.Errorf("%s does not name %s of %T", name, field, d)
				}
			}
		}
	}
}

// membersOf are the names of the members of a type's JSON, and of those within it.
func membersOf(t reflect.Type, seen map[reflect.Type]bool) (names []string) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Array || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || seen[t] || !strings.HasPrefix(t.PkgPath(), "sallyport/") && t.PkgPath() != "main" {
		return nil
	}
	seen[t] = true
	for i := range t.NumField() {
		f := t.Field(i)
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && name != "-" {
			names = append(names, name)
		}
		names = append(names, membersOf(f.Type, seen)...)
	}
	return names
}
