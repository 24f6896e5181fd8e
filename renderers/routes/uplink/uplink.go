// Package uplink writes and reads a shell script that keeps a list of addresses on a
// Linux machine's uplink while a VPN has the rest.
//
// The script finds gateway and device of each family when it runs: the first default
// route that is not the tunnel's, of the tables in which any packet is looked up. So it serves a laptop on any
// network, needs no options for them, and can run again whenever the network changes.
// A family without a default route is left out, and it says so. Its routes are known
// by a protocol number, as those of package linuxroutes, whose order of commands it
// follows: a later list replaces an earlier one without a gap. Runs take turns, and one
// that was cut short is put right by the next.
//
// It needs a POSIX shell and iproute2. Its template (templates/uplink) cannot be
// overridden, because Read takes a script only if it is, but for comments, the one
// that its list makes.
package uplink

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/renderers/routes"
	"sallyport/renderers/routes/linuxroutes"
	"sallyport/rules"
	"sallyport/templates"
)

// Script is what a script has besides its list. The zero value is not valid: use Check.
type Script struct {
	Name     string            // of the target: letters, digits, underscores
	File     string            // of the script where it is installed: a plain path
	Past     string            // what it leads past, for its comments: "the tunnel"
	Families []ipranges.Family // that it keeps; routes of another list of theirs go
	Protocol int               // our number; the next higher one is ours, too
	Metric   int               // of every route
}

// Check returns what is wrong with protocol and metric as renderers.Mistakes, or nil.
func (s Script) Check() error { return s.routes().Check() }

func (s Script) routes() linuxroutes.Routes {
	return linuxroutes.Routes{Table: "main", Protocol: s.Protocol, Metric: s.Metric}
}

// Claims is what the script takes for itself on a machine. Cost is what becomes of two
// that have it, as a clause.
func (s Script) Claims(cost string) []renderers.Claim { return s.routes().Claims(s.Families, cost) }

// IsPath reports whether a path means the same to a shell, with and without quotes, to
// OpenVPN and to wg-quick.
func IsPath(s string) bool { return renderers.IsName(s, len(s), "._-/") && s[0] != '-' }

// Render returns the script for the addresses of set, under a header whose lines come
// without comment marks.
func (s Script) Render(header []string, set ipranges.Set) ([]byte, error) {
	t, _, err := templates.Load("uplink", "routes.sh.tmpl", nil)
	if err != nil {
		return nil, err
	}
	shell, err := renderers.ShellOf(s.Name)
	if err != nil {
		return nil, err
	}
	var ours, listed []string
	for _, f := range s.Families {
		ours = append(ours, fmt.Sprint(int(f)))
		if set.Has(f) {
			listed = append(listed, fmt.Sprint(int(f)))
		}
	}
	return templates.Execute(t, false, map[string]any{
		"Header": header, "File": s.File, "Past": s.Past, "Turns": shell.Turns, "Protocol": s.Protocol, "Next": s.Protocol + 1, "Metric": s.Metric,
		"Ours": strings.Join(ours, " "), "Listed": strings.Join(listed, " "),
		"List4": s.list(set, ipranges.IPv4), "List6": s.list(set, ipranges.IPv6),
	})
}

func (s Script) list(set ipranges.Set, f ipranges.Family) string {
	if !slices.Contains(s.Families, f) {
		return ""
	}
	return string(set.AppendPrefixes(nil, f, "", "\n"))
}

// Read returns the addresses that a script lists. Its header has to be the one of a list
// that goes a way and speaks of families.
func (s Script) Read(data []byte, way rules.Verdict, fams rules.Families) (set ipranges.Set, err error) {
	comments, lines := uncomment(data)
	if v, of, err := renderers.ReadRouteHeader(comments); err != nil || v != way || of != fams {
		return set, errors.New("it has another header than the configuration")
	}
	for _, f := range rules.BothFamilies.List() {
		part, err := routes.Rows{}.Find(lines, f)
		if err != nil {
			return set, err
		}
		if !part.IsEmpty() && !fams.Has(f) {
			return set, fmt.Errorf("it has %s, and its header speaks of %s", f, fams)
		}
		set = set.Union(part)
	}
	want, err := s.Render(nil, set)
	if err != nil {
		return set, err
	}
	if _, own := uncomment(want); !slices.Equal(lines, own) {
		return set, errors.New("it is not the script that its list makes")
	}
	return set, nil
}

// uncomment divides a script into whole lines of comments, and others.
func uncomment(data []byte) (comments, lines []string) {
	for l := range strings.Lines(string(data)) {
		l = strings.TrimSuffix(l, "\n")
		if c, ok := strings.CutPrefix(l, "#"); ok {
			comments = append(comments, strings.TrimPrefix(c, " "))
		} else {
			lines = append(lines, l)
		}
	}
	return comments, lines
}
