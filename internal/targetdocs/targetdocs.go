// Package targetdocs turns what targets declare about themselves into tables: for the
// targets command, for scripts, and for docs/targets/README.md, which is generated
// so that it cannot drift.
package targetdocs

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"

	"sallyport/renderers"
	"sallyport/rules"
)

// Target is one kind of target as data.
type Target struct {
	Name       string   `json:"name"`
	Title      string   `json:"title"`
	Summary    string   `json:"summary"`
	Load       string   `json:"load"`
	Placements []string `json:"placements"`
	ReadBack   string   `json:"read_back"`
	Features   Features `json:"features"`
	Options    []Option `json:"options"`
	Limits     []Limit  `json:"limits"`
}

// Features is what a target can say, in a fixed order.
type Features []Feature

// Feature is one thing that a policy can ask for.
type Feature struct {
	Name string `json:"name"`
	Has  bool   `json:"has"`
}

// Option is one option of a target.
type Option struct {
	Name     string `json:"name"`
	Doc      string `json:"doc"`
	Required bool   `json:"required"`
	Default  string `json:"default"`
}

// Limit is one number that the target or its device imposes.
type Limit struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Source string `json:"source"`
	Option string `json:"option,omitempty"`
}

// Yes is the names of the features that are there.
func (fs Features) Yes() []string { return fs.names(true) }

// No is the names of the features that are not.
func (fs Features) No() []string { return fs.names(false) }

func (fs Features) names(has bool) []string {
	var list []string
	for _, f := range fs {
		if f.Has == has {
			list = append(list, f.Name)
		}
	}
	return list
}

// Of describes kinds in their order.
func Of(kinds []renderers.Kind) []Target {
	var list []Target
	for _, k := range kinds {
		t := Target{Name: k.Name, Title: k.Title, Summary: k.Summary, Load: string(k.Load), Placements: k.Placements,
			ReadBack: "yes", Features: featuresOf(k.Caps), Options: optionsOf(k.NewOptions())}
		if k.NoReadBack != "" {
			t.ReadBack = "not with " + k.NoReadBack
		}
		for _, l := range k.Limits {
			t.Limits = append(t.Limits, Limit(l))
		}
		list = append(list, t)
	}
	return list
}

func featuresOf(c rules.Caps) Features {
	verdict := func(v rules.Verdict) bool {
		for _, have := range c.Verdicts {
			if have == v {
				return true
			}
		}
		return false
	}
	deny := false
	for _, d := range c.Defaults {
		deny = deny || d == rules.Deny
	}
	return Features{
		{"IPv4", c.Families&rules.OnlyIPv4 != 0},
		{"IPv6", c.Families&rules.OnlyIPv6 != 0},
		{"allow", verdict(rules.Allow)},
		{"deny", verdict(rules.Deny)},
		{"reject", c.Reject},
		{"default deny", deny},
		{"VPN bypass", verdict(rules.Bypass)},
		{"VPN include", verdict(rules.Tunnel)},
		{"sources", c.Sources},
		{"host names", c.Names},
		{"wildcards in names", c.Wildcards},
		{"ports", c.Ports},
		{"ICMP types", c.ICMP},
		{"other protocols", c.Protocols},
		{"logging", c.Log},
		{"ranges", c.Ranges},
	}
}

// optionsOf reads the tags of the options' fields; nested blocks are named with a
// dot, as in policies' error messages.
func optionsOf(options any) []Option {
	return fieldsOf("", reflect.ValueOf(options).Elem())
}

func fieldsOf(prefix string, v reflect.Value) []Option {
	var list []Option
	for _, field := range reflect.VisibleFields(v.Type()) {
		value := v.FieldByIndex(field.Index)
		tag := field.Tag.Get("policy")
		if tag == "" {
			continue
		}
		name, rest, _ := strings.Cut(tag, ",")
		if field.Type.Kind() == reflect.Struct && field.Tag.Get("doc") == "" {
			list = append(list, fieldsOf(prefix+name+".", value)...)
			continue
		}
		o := Option{Name: prefix + name, Doc: field.Tag.Get("doc"), Required: strings.Contains(rest, "required")}
		if !value.IsZero() {
			o.Default = fmt.Sprint(value.Interface())
		}
		list = append(list, o)
	}
	return list
}

// Markdown is the page docs/targets/README.md.
func Markdown(kinds []renderers.Kind) []byte {
	list := Of(kinds)
	var b bytes.Buffer
	b.WriteString("# Targets\n\nThis page is generated from what each target declares: `go generate ./...` writes it.\n")
	writeFeatures(&b, list)
	writeLoads(&b, list)
	for _, t := range list {
		writeTarget(&b, t)
	}
	return b.Bytes()
}

// heads are short column heads for features: a table of 16 columns has no room for their
// names.
var heads = map[string]string{
	"IPv4": "v4", "IPv6": "v6", "allow": "allow", "deny": "deny", "reject": "rej", "default deny": "def",
	"VPN bypass": "byp", "VPN include": "incl", "sources": "src", "host names": "names", "wildcards in names": "wild",
	"ports": "ports", "ICMP types": "icmp", "other protocols": "proto", "logging": "log", "ranges": "rng",
}

// writeFeatures writes the matrix: a row for each target, a column for each feature.
func writeFeatures(b *bytes.Buffer, list []Target) {
	features := list[0].Features
	b.WriteString("\n## What a target can say\n\n| target |")
	for _, f := range features {
		fmt.Fprintf(b, " %s |", heads[f.Name])
	}
	b.WriteString("\n|---|" + strings.Repeat(":-:|", len(features)) + "\n")
	for _, t := range list {
		fmt.Fprintf(b, "| [%s](%s.md) |", t.Name, t.Name)
		for _, f := range t.Features {
			fmt.Fprintf(b, " %s |", map[bool]string{true: "x", false: ""}[f.Has])
		}
		b.WriteString("\n")
	}
	b.WriteString("\n")
	for _, f := range features {
		fmt.Fprintf(b, "- %s: %s\n", heads[f.Name], f.Name)
	}
	b.WriteString("\nWhat a target cannot say is an error, never left out in silence.\n")
}

func writeLoads(b *bytes.Buffer, list []Target) {
	b.WriteString("\n## How its files are loaded\n\n| target | load contract | placements | reads back |\n|---|---|---|---|\n")
	for _, t := range list {
		fmt.Fprintf(b, "| [%s](%s.md) | %s | %s | %s |\n", t.Name, t.Name, t.Load, orDash(strings.Join(t.Placements, ", ")), t.ReadBack)
	}
	b.WriteString("\n`transaction`: loading B after A equals a fresh B, without a gap. `per family`: the same, a\nfamily and table at a time. `additive`: loading adds; what left the plan needs deleting. `restart`: a\nprogram reads the files when it starts, and takes away what it made when it ends. `not loaded`: the\nfiles are for reading or for a program of yours.\n")
}

func writeTarget(b *bytes.Buffer, t Target) {
	fmt.Fprintf(b, "\n## %s\n\n%s. See [%s.md](%s.md).\n\n| option | meaning | default |\n|---|---|---|\n", t.Name, t.Summary, t.Name, t.Name)
	for _, o := range t.Options {
		def := orDash(o.Default)
		if o.Required {
			def = "required"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", o.Name, cell(o.Doc), cell(def))
	}
	if len(t.Limits) == 0 {
		return
	}
	b.WriteString("\n| limit | value | source | changed by |\n|---|---|---|---|\n")
	for _, l := range t.Limits {
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", cell(l.Name), cell(l.Value), cell(l.Source), cell(orDash(l.Option)))
	}
}

// cell escapes text for a cell of a table.
func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
