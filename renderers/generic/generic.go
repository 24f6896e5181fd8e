// Package generic renders plans for programs of the user's own: as JSON, as CSV,
// or through a text/template that the user writes.
//
// JSON is the whole plan, documented in docs/targets/generic.md and versioned by
// its format field. CSV is one row per rule and destination range, in the order
// in which rules decide. Both can be read back. A template sees the same document
// as JSON with ranges and prefixes at hand; what it writes cannot be read back,
// so its author answers for it.
//
// A rule to host names has a set without addresses, which a reader that knows of
// addresses alone would take for an empty one. So JSON says another format then, and a
// template that never looks at hosts gets no such rule.
package generic

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"sallyport/renderers"
	"sallyport/rules"
	"sallyport/templates"
)

// Options are the target's options in a policy.
type Options struct {
	Format   string `policy:"format" doc:"json, csv or template; absent: template where one is named, json otherwise"`
	Template string `policy:"template" doc:"template: the file, relative to the policy's folder"`
	Header   bool   `policy:"header" doc:"csv: begin with comment lines that say where the rows come from"`
}

var info = renderers.Info{
	Name:    "generic",
	Title:   "Generic",
	Summary: "the plan as JSON or CSV, or through your own template",
	Caps: rules.Caps{
		Families: rules.BothFamilies,
		Verdicts: []rules.Verdict{rules.Allow, rules.Deny, rules.Bypass, rules.Tunnel},
		Defaults: []rules.Verdict{rules.Continue, rules.Deny, rules.Bypass, rules.Tunnel},
		Sources:  true, Names: true, Wildcards: true, Ports: true, ICMP: true, Protocols: true, Reject: true, Log: true, Ranges: true,
	},
	Load:       renderers.NotLoaded,
	NoReadBack: `format = "template": only its author knows what the text means`,
	Extension:  ".json",
}

// Kind is the target as policies name it.
func Kind() renderers.Kind {
	return renderers.Define(info, Options{Header: true}, build)
}

// format is one way to write a plan.
type format interface {
	write(p *rules.Plan) ([]byte, error)
	read(data []byte) (*rules.Plan, error)
}

type renderer struct {
	format   format
	path     string
	template string // the user's, where the format is one
}

func build(opt Options, env renderers.Env) (*renderers.Target, error) {
	switch {
	case opt.Format == "" && opt.Template != "":
		opt.Format = "template"
	case opt.Format == "":
		opt.Format = "json"
	case opt.Template != "" && opt.Format != "template":
		return nil, &renderers.OptionError{Option: "template", Cause: fmt.Sprintf("a template takes no part in format %q", opt.Format),
			Fix: `say format = "template", or remove template`}
	}
	r := &renderer{path: env.Path, template: opt.Template}
	switch opt.Format {
	case "json":
		r.format = jsonFormat{}
	case "csv":
		r.format = csvFormat{header: opt.Header}
		r.path = r.defaultPath(env, ".csv")
	case "template":
		f, err := newTemplate(opt, env)
		if err != nil {
			return nil, err
		}
		r.format = f
		r.path = r.defaultPath(env, ".txt")
	default:
		return nil, &renderers.OptionError{Option: "format", Cause: fmt.Sprintf("no format %q", opt.Format), Fix: "json, csv or template"}
	}
	return &renderers.Target{Renderer: r, Caps: r.caps()}, nil
}

// caps says that rows of CSV hold addresses alone.
func (r *renderer) caps() rules.Caps {
	caps := info.Caps
	if _, isCSV := r.format.(csvFormat); isCSV {
		caps.Names, caps.Wildcards = false, false
	}
	return caps
}

// defaultPath is the output path, with the extension where the policy names no path.
func (r *renderer) defaultPath(env renderers.Env, extension string) string {
	if env.PathGiven {
		return env.Path
	}
	return strings.TrimSuffix(env.Path, info.Extension) + extension
}

// Render implements renderers.Renderer.
func (r *renderer) Render(p *rules.Plan) ([]renderers.File, error) {
	data, err := r.format.write(p)
	if err != nil {
		return nil, err
	}
	return []renderers.File{{Path: r.path, Mode: fs.FileMode(0o644), Data: data, From: r.template}}, nil
}

// ReadBack implements renderers.Renderer.
func (r *renderer) ReadBack(files []renderers.File) (*rules.Plan, error) {
	for _, f := range files {
		if f.Path == r.path {
			p, err := r.format.read(f.Data)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", f.Path, err)
			}
			return p, nil
		}
	}
	return nil, fmt.Errorf("no file %s among the rendered ones", r.path)
}

// templateFormat is a template of the user's.
type templateFormat struct {
	name, src string
}

func newTemplate(opt Options, env renderers.Env) (*templateFormat, error) {
	if opt.Template == "" {
		return nil, &renderers.OptionError{Option: "format", Cause: "no template is named", Fix: `add template = "mine.tmpl"`}
	}
	src, err := env.Read(opt.Template)
	if err != nil {
		return nil, &renderers.OptionError{Option: "template", Cause: err.Error(), Fix: "paths are relative to the policy's folder"}
	}
	f := &templateFormat{path.Base(opt.Template), string(src)}
	if _, err := templates.Own(f.name, f.src); err != nil {
		return nil, &renderers.OptionError{Option: "template", Cause: templateCause(err), Fix: "see docs/targets/generic.md for what a template can use"}
	}
	return f, nil
}

func (f *templateFormat) write(p *rules.Plan) ([]byte, error) {
	t, err := templates.Own(f.name, f.src)
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(p.Rules, func(r rules.Rule) bool { return r.To.ByName() }); i >= 0 && !mentions(t, "Hosts") {
		return nil, &rules.RuleError{Rule: p.Rules[i].Name, Place: p.Rules[i].Place,
			Cause: fmt.Sprintf("it goes to host names, and the template %s has no place for them: it never uses .Hosts of a set", renderers.Clean(f.name)),
			Fix:   "write .Hosts in the template too, or leave the rule out of this target"}
	}
	d, err := newDocument(p)
	if err != nil {
		return nil, err
	}
	text, err := templates.Execute(t, true, d)
	if err != nil {
		return nil, &renderers.OptionError{Option: "template", Cause: templateCause(err), Fix: "see docs/targets/generic.md for what a template can use"}
	}
	return text, nil
}

func (f *templateFormat) read([]byte) (*rules.Plan, error) {
	return nil, fmt.Errorf("%w: %s", renderers.ErrNoReadBack, info.NoReadBack)
}

// templateCause is text/template's message without its own prefix.
func templateCause(err error) string {
	return strings.TrimSuffix(strings.TrimPrefix(err.Error(), "template: "), ": correct the template")
}
