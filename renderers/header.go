package renderers

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"sallyport/ipranges"
	"sallyport/rules"
)

// Header is the lines that every output begins with, without comment marks: who
// made it, from what, and how much is in it. It holds no clock unless the plan
// carries one, so that equal inputs give equal bytes.
func Header(p *rules.Plan) []string {
	pv := p.Provenance
	lines := []string{
		fmt.Sprintf("made by sallyport %s for target %s: edits are lost at the next run", Clean(pv.Version), Clean(p.Name)),
		fmt.Sprintf("policy: %s, sha256 %s", Clean(pv.Policy), short(pv.PolicyHash)),
	}
	for _, f := range pv.Feeds {
		line := "feed: " + Clean(f.Name) + " (" + strings.TrimSpace(Clean(f.Kind)+" "+Clean(f.Cloud)) + ")"
		if f.Change != "" { // a plain list has none
			line += ", change " + Clean(f.Change)
		}
		lines = append(lines, line+", sha256 "+short(f.SHA256))
	}
	lines = append(lines, counts(p))
	if !pv.Generated.IsZero() {
		lines = append(lines, "generated: "+pv.Generated.UTC().Format(time.RFC3339))
	}
	for _, n := range pv.Notes {
		lines = append(lines, "note: "+Clean(n))
	}
	return lines
}

// Marked reports whether the beginning of a file carries the first line of Header for
// the target: whether it is an output of sallyport's, of whatever version.
func Marked(head []byte, target string) bool {
	for line := range bytes.Lines(head) {
		_, rest, ok := bytes.Cut(line, []byte("made by sallyport "))
		if ok && bytes.Contains(rest, []byte(" for target "+target+": edits are lost at the next run")) {
			return true
		}
	}
	return false
}

// counts sums up each address set of the plan once.
func counts(p *rules.Plan) string {
	var v4, v6, names int
	seen := map[string]bool{}
	for i := range p.Rules {
		for _, a := range []rules.Addresses{p.Rules[i].From, p.Rules[i].To} {
			if a.IsAny() || seen[a.Name()] {
				continue
			}
			seen[a.Name()] = true
			v4 += a.Set().NumRanges(ipranges.IPv4)
			v6 += a.Set().NumRanges(ipranges.IPv6)
			names += len(a.Patterns())
		}
	}
	text := fmt.Sprintf("counts: %s, %s, %d IPv4 and %d IPv6 ranges", plural(len(p.Rules), "rule"), plural(len(seen), "set"), v4, v6)
	if names > 0 {
		text += ", " + plural(names, "host name")
	}
	return text
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

func short(hash string) string {
	if hash == "" {
		return "none"
	}
	hash = Clean(hash)
	return hash[:min(len(hash), 16)]
}

// Clean makes s safe to stand in a comment line of any target: printable ASCII
// and no line breaks, at most 200 bytes. Feeds and policies are not trusted to
// keep to a line.
func Clean(s string) string {
	var b strings.Builder
	for _, r := range s {
		if b.Len() >= 200 {
			break
		}
		if r < ' ' || r > '~' {
			r = '?'
		}
		b.WriteRune(r)
	}
	return b.String()
}

// XMLComment is Clean for a comment of XML, which "--" must not be in.
func XMLComment(s string) string {
	s = Clean(s)
	for strings.Contains(s, "--") {
		s = strings.ReplaceAll(s, "--", "- -")
	}
	return s
}
