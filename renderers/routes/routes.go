// Package routes is the kit for targets that carry a list of routes.
//
// Most of them write one file: a header, lines before, a line for each prefix, and lines
// after. Such a file is a Form, as data: from it follow how a list is written, how it is
// read back, and how many bytes a route takes. A File is a Form with what else a target of
// one file has to say, and is its renderer.
//
// Reading back finds the routes in a file by their rows, writes the file again for them,
// and takes it only where both are the same. So a file that is accepted has
// nothing in it but what its routes make.
//
// The packages below are for programs of Linux: nexthop for the options that say where
// routes lead, linuxroutes for ip -batch files, uplink for a script that finds the
// default route.
package routes

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path"
	"strings"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// Caps is what targets of routes can express that have both directions and both families,
// within limits.
func Caps(limits ...rules.RouteLimit) rules.Caps {
	return rules.Caps{
		Families: rules.BothFamilies,
		Verdicts: []rules.Verdict{rules.Bypass, rules.Tunnel},
		Defaults: []rules.Verdict{rules.Tunnel, rules.Bypass}, RouteLimits: limits,
	}
}

// Form is how a target writes a list of routes.
type Form struct {
	Mark string // begins a comment: "#"
	// Rows are the lines of a family in a list that goes a way.
	Rows func(f ipranges.Family, way rules.Verdict) Rows
	// Around are the lines before and after the rows of a family, even of one that the list
	// does not cover. Nil: there are none.
	Around func(list rules.RouteList, f ipranges.Family) (before, after []string)
	// Body is all of the file that is no comment, for a list whose rows are given, IPv4
	// before IPv6, with the lines around them. Nil: these alone.
	Body func(list rules.RouteList, rows []byte) ([]byte, error)
	// Script says that the file is First, a header whose lines begin with Mark and a blank, and
	// Body with its own comments. Otherwise comments and empty lines can stand anywhere.
	Script bool
	First  string // what a script begins with: Shell; empty: the header
	// Divide splits a file into its comments and the rest, in place of Mark and Script.
	Divide func(data []byte) (comments []string, body []byte, err error)
	// Complement are the families of a bypass that are written as all other addresses.
	Complement rules.Families
	// Elsewhere are the families that stand in another file: here they are neither written nor
	// read, and a file with no route of the others is a list, too.
	Elsewhere rules.Families
	// Check is an error for a list that the target cannot carry; nil: there is none.
	Check func(list rules.RouteList) error
}

// written is what stands in the file for the addresses of a family in a list.
func (x Form) written(list rules.RouteList, f ipranges.Family) ipranges.Set {
	switch {
	case x.Elsewhere.Has(f):
		return ipranges.Set{}
	case list.Way == rules.Bypass && x.Complement.Has(f) && list.Families.Has(f):
		return list.Set.Complement(f)
	}
	return list.Set.Only(f)
}

// Text is the body of the file for a list.
func (x Form) Text(list rules.RouteList) ([]byte, error) {
	if x.Check != nil {
		if err := x.Check(list); err != nil {
			return nil, err
		}
	}
	var rows []byte
	for _, f := range rules.BothFamilies.List() {
		var before, after []string
		if x.Around != nil {
			before, after = x.Around(list, f)
		}
		rows = appendLines(rows, before)
		if set := x.written(list, f); set.Has(f) {
			rows = x.Rows(f, list.Way).Append(rows, set, f)
		}
		rows = appendLines(rows, after)
	}
	if x.Body == nil {
		return rows, nil
	}
	return x.Body(list, rows)
}

func appendLines(dst []byte, lines []string) []byte {
	for _, l := range lines {
		dst = append(append(dst, l...), '\n')
	}
	return dst
}

// Read is the list that a file carries out.
func (x Form) Read(data []byte) (list rules.RouteList, err error) {
	comments, body, err := x.divide(data)
	if err != nil {
		return list, err
	}
	if list.Way, list.Families, err = renderers.ReadRouteHeader(comments); err != nil {
		return list, err
	}
	lines := strings.Split(string(body), "\n")
	for _, f := range (list.Families &^ x.Elsewhere).List() {
		part, err := x.Rows(f, list.Way).Find(lines, f)
		if err != nil {
			return list, err
		}
		if list.Way == rules.Bypass && x.Complement.Has(f) {
			part = part.Complement(f)
		}
		list.Set = list.Set.Union(part)
	}
	if list.Set.IsEmpty() && x.Elsewhere == 0 {
		return list, errors.New("there is no route")
	}
	want, err := x.Text(list)
	if err != nil {
		return list, err
	}
	if !x.Script {
		want = withoutBlanks(want)
	}
	if !bytes.Equal(body, want) {
		return list, fmt.Errorf("it is not what sallyport writes for the routes in it, from %.80q on", firstDifference(body, want))
	}
	return list, nil
}

// divide splits a file into the comments that its header is among, and its body.
func (x Form) divide(data []byte) (comments []string, body []byte, err error) {
	if x.Divide != nil {
		return x.Divide(data)
	}
	if !x.Script {
		comments, lines := renderers.Uncomment(data, x.Mark)
		return comments, appendLines(nil, lines), nil
	}
	body, begins := bytes.CutPrefix(data, []byte(x.First))
	if !begins {
		return nil, nil, errors.New("it does not begin as a script of sallyport's")
	}
	for bytes.HasPrefix(body, []byte(x.Mark+" ")) {
		line, rest, _ := bytes.Cut(body, []byte("\n"))
		comments, body = append(comments, string(line[len(x.Mark+" "):])), rest
	}
	return comments, body, nil
}

// DivideXML is a Form's Divide for XML, whose comments begin and end on lines of their own.
func DivideXML(data []byte) (comments []string, body []byte, err error) {
	inside := false
	for line := range strings.Lines(string(data)) {
		switch text := strings.TrimSuffix(line, "\n"); {
		case inside && text == "-->" || !inside && text == "<!--":
			inside = !inside
		case inside && strings.Contains(text, "--"):
			return nil, nil, fmt.Errorf("%.80q stands in a comment", text)
		case inside:
			comments = append(comments, text)
		case strings.TrimSpace(text) != "" && text != `<?xml version="1.0"?>`:
			body = append(body, line...)
		}
	}
	if inside {
		return nil, nil, errors.New("a comment does not end")
	}
	return comments, body, nil
}

// Shell is what a shell script begins with.
const Shell = "#!/bin/sh\n"

func withoutBlanks(text []byte) []byte {
	var out []byte
	for line := range bytes.Lines(text) {
		if len(bytes.TrimSpace(line)) > 0 {
			out = append(out, line...)
		}
	}
	return out
}

// RouteBytes counts the line of a prefix in a list that goes a way, its end included. It
// is nil where there are exceptions: such a list has no line for each of its prefixes.
func (x Form) RouteBytes(way rules.Verdict) func(netip.Prefix) int {
	row := map[ipranges.Family]Row{}
	for _, f := range rules.BothFamilies.List() {
		r := x.Rows(f, way)
		if r.Other != nil {
			return nil
		}
		row[f] = r.Row
	}
	return func(p netip.Prefix) int { return row[ipranges.FamilyOf(p.Addr())].Bytes(p) }
}

// File is the renderer of a target that writes one file.
type File struct {
	Form
	Env      renderers.Env
	Kind     string // of the target, whose template it is
	Template string // of a file that is no script; the user may have one of the same name
	// Load is how the file is loaded, and its mode; its path and text are filled in.
	Load renderers.File
	// Before looks at what an earlier run published: an error where this file would leave
	// something of it behind. Nil: nothing can be.
	Before func(list rules.RouteList) error
	// Routes is what the template calls the body; empty: "Routes".
	Routes string
	// Data is what the template gets besides Header, Bypass, File and the body; nil: nothing.
	Data func(list rules.RouteList) map[string]any
	// Comment changes a line of the header where the format needs it; nil: none does.
	Comment func(line string) string
}

// Render implements renderers.Renderer.
func (x *File) Render(p *rules.Plan) ([]renderers.File, error) {
	list, err := renderers.Routes(p)
	if err != nil {
		return nil, err
	}
	body, err := x.Text(list)
	if err != nil {
		return nil, err
	}
	if x.Before != nil {
		if err := x.Before(list); err != nil {
			return nil, err
		}
	}
	header := renderers.RouteHeader(p)
	for i := range header {
		if x.Comment != nil {
			header[i] = x.Comment(header[i])
		}
	}
	out := x.Load
	out.Path = x.Env.Path
	if out.Data, err = x.frame(list, header, body); err != nil {
		return nil, err
	}
	return []renderers.File{out}, nil
}

// frame is the file: the header and a body.
func (x *File) frame(list rules.RouteList, header []string, body []byte) ([]byte, error) {
	if x.Script {
		b := bytes.NewBufferString(x.First)
		for _, l := range header {
			b.WriteString(x.Mark + " " + l + "\n")
		}
		b.Write(body)
		return b.Bytes(), nil
	}
	data := map[string]any{}
	if x.Data != nil {
		data = x.Data(list)
	}
	data["Header"], data["Bypass"] = header, list.Way == rules.Bypass
	data["File"], data[cmp.Or(x.Routes, "Routes")] = x.Name(), string(body)
	return renderers.Execute(x.Kind, x.Template, x.Env.Templates, data)
}

// Name is the name of the file without its folder, fit for a comment.
func (x *File) Name() string { return renderers.Clean(path.Base(x.Env.Path)) }

// ReadBack implements renderers.Renderer.
func (x *File) ReadBack(files []renderers.File) (*rules.Plan, error) {
	if len(files) != 1 {
		return nil, fmt.Errorf("there are %d files, and sallyport writes one", len(files))
	}
	return renderers.ReadFile(files, x.Env.Path, func(data []byte) (*rules.Plan, error) {
		list, err := x.Read(data)
		if err != nil {
			return nil, err
		}
		return rules.RoutePlan(x.Env.Name, list.Families, list.Way, list.Set), nil
	})
}

// Plain is the mode of files that anybody may read, and Runs that of scripts.
const (
	Plain fs.FileMode = 0o644
	Runs  fs.FileMode = 0o755
)
