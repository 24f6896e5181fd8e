package renderers

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"sallyport/ipranges"
	"sallyport/rules"
	"sallyport/templates"
)

// RouteHeader is Header for a plan of routes. It also says which addresses go which
// way, on a line that ReadRouteHeader understands: a list of prefixes alone
// does not tell its direction.
func RouteHeader(p *rules.Plan) []string {
	way, rest := "go past the VPN", "through it"
	if p.Default == rules.Bypass {
		way, rest = "go through the VPN", "past it"
	}
	var names []string
	for i := range p.Rules {
		if p.Rules[i].Verdict != p.Default {
			names = append(names, p.Rules[i].To.Name())
		}
	}
	list := Clean(strings.Join(names, ", "))
	lines := append(Header(p),
		fmt.Sprintf("%s%s of %s: the addresses of %s %s, the rest %s", routesMark, words[p.Default], p.Families, list, way, rest),
		"on every protocol and port: routes cannot tell ports apart")
	for _, f := range (rules.BothFamilies &^ p.Families).List() {
		lines = append(lines, fmt.Sprintf("%s is left as your VPN has it, and clients prefer IPv6 where they have it", f))
	}
	return append(lines, NoteLines(p)...)
}

// Routes is p as a list of routes, for targets that carry nothing else.
func Routes(p *rules.Plan) (rules.RouteList, error) {
	list, ok := p.Routes()
	if !ok {
		return list, errors.New("the plan is no list of routes: give the target bypass or include")
	}
	return list, nil
}

// ReadFile reads the file at path back with read. Errors name the path.
func ReadFile(files []File, path string, read func(data []byte) (*rules.Plan, error)) (*rules.Plan, error) {
	f, err := FileAt(files, path)
	if err != nil {
		return nil, err
	}
	p, err := read(f.Data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Path, err)
	}
	return p, nil
}

const routesMark = "routes: "

// words are the policy's words for a list of routes, by the plan's default.
var words = map[rules.Verdict]string{rules.Tunnel: "bypass", rules.Bypass: "include"}

// ReadRouteHeader finds the line of RouteHeader among the comments of a file,
// given without comment marks, and returns which way the listed addresses go
// (Bypass or Tunnel) and the families that the list speaks of.
func ReadRouteHeader(comments []string) (v rules.Verdict, fams rules.Families, err error) {
	for _, c := range comments {
		text, ok := strings.CutPrefix(c, routesMark)
		if !ok {
			continue
		}
		if fams != 0 {
			return 0, 0, fmt.Errorf("two lines begin with %q", routesMark)
		}
		for def, word := range words {
			for _, f := range []rules.Families{rules.OnlyIPv4, rules.OnlyIPv6, rules.BothFamilies} {
				if strings.HasPrefix(text, fmt.Sprintf("%s of %s:", word, f)) {
					fams, v = f, rules.Tunnel
					if def == rules.Tunnel {
						v = rules.Bypass
					}
				}
			}
		}
		if fams == 0 {
			return 0, 0, fmt.Errorf("%q names no direction and family", c)
		}
	}
	if fams == 0 {
		return 0, 0, fmt.Errorf("no line begins with %q", routesMark)
	}
	return v, fams, nil
}

// Uncomment divides text into its comments, without the mark and the blank
// behind it, and its other lines that are not blank.
func Uncomment(text []byte, mark string) (comments, lines []string) {
	for l := range strings.Lines(string(text)) {
		l = strings.TrimRight(l, "\n")
		if c, ok := strings.CutPrefix(l, mark); ok {
			comments = append(comments, strings.TrimPrefix(c, " "))
		} else if l != "" {
			lines = append(lines, l)
		}
	}
	return comments, lines
}

// SameLines refuses lines that are not those that are written for what they were read as:
// so a reader need not know in which other ways a device would take them.
func SameLines(got, want []string) error {
	for i, line := range got {
		if i >= len(want) || line != want[i] {
			return fmt.Errorf("line %d, %.120q, is not what is written there", i+1, strings.TrimSpace(line))
		}
	}
	if len(got) < len(want) {
		return fmt.Errorf("it ends before %.120q", strings.TrimSpace(want[len(got)]))
	}
	return nil
}

// FileAt is the file among files that has the path.
func FileAt(files []File, path string) (File, error) {
	for _, f := range files {
		if f.Path == path {
			return f, nil
		}
	}
	return File{}, fmt.Errorf("no file %s among the rendered ones", path)
}

// FamilyPath is the path of one family's part of an output: vpn.batch is divided into
// vpn.v4.batch and vpn.v6.batch.
func FamilyPath(p string, f ipranges.Family) string {
	ext := path.Ext(p)
	return fmt.Sprintf("%s.v%d%s", strings.TrimSuffix(p, ext), f, ext)
}

// Execute fills in the template name of a target, which own may override, and
// ends the text with one newline.
func Execute(target, name string, own fs.FS, data any) ([]byte, error) {
	t, users, err := templates.Load(target, name, own)
	if err != nil {
		return nil, err
	}
	text, err := templates.Execute(t, users, data)
	if err != nil {
		return nil, err
	}
	return append(bytes.TrimRight(text, "\n"), '\n'), nil
}
