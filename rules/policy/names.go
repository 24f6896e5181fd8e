package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/hashicorp/hcl/v2"
)

const maxNameLength = 40

// reserved names have a meaning in the language.
func reserved(name string) bool {
	switch name {
	case "any", "var", "variable", "feed", "set", "names", "service", "rule", "target", "probe", "deploy", "tag",
		"true", "false", "null", "for", "in", "if":
		return true
	}
	return false
}

// checkName reports a name that cannot be part of the names of objects in all targets.
func (c *compiler) checkName(kind, name string, r hcl.Range) bool {
	switch {
	case reserved(name):
		c.error(r, fmt.Sprintf("%q is a word of the language and cannot name a %s", name, kind), "", "choose another name")
		return false
	case len(name) > maxNameLength:
		c.error(r, fmt.Sprintf("the name of this %s has %d characters", kind, len(name)),
			fmt.Sprintf("Names go into the objects of every target, some of which are short; the limit is %d.", maxNameLength), "choose a shorter name")
		return false
	case !plainName(name):
		c.error(r, fmt.Sprintf("%q cannot name a %s", name, kind),
			"A name begins with a letter and is made of ASCII letters, digits and underscores, because targets make object names of it.",
			plainFix(name))
		return false
	}
	return true
}

func plainName(s string) bool {
	for i := range len(s) {
		b := s[i]
		letter := 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z'
		if !letter && (i == 0 || b != '_' && (b < '0' || b > '9')) {
			return false
		}
	}
	return s != ""
}

// plainFix suggests the most similar valid name.
func plainFix(s string) string {
	plain := strings.Map(func(r rune) rune {
		if r == '-' || r == '.' || r == ' ' || r == '/' {
			return '_'
		}
		return r
	}, s)
	if plain != s && plainName(plain) && len(plain) <= maxNameLength && !reserved(plain) {
		return fmt.Sprintf("write %q", plain)
	}
	return "choose another name"
}

// suggest returns the candidate that is most likely meant by name, or "".
func suggest(name string, candidates []string) string {
	best, bestDist := "", max(2, len(name)/4)+1
	for _, cand := range candidates {
		if len(cand) > 4*maxNameLength || len(name) > 4*maxNameLength {
			continue
		}
		d := levenshtein.Distance(strings.ToLower(name), strings.ToLower(cand), nil)
		if d < bestDist && d < len(cand) {
			best, bestDist = cand, d
		}
	}
	return best
}

// didYouMean is a fix with the likely candidate, or else with all of them.
func didYouMean(prefix, name string, candidates []string) string {
	return meantOrKnown(prefix, suggest(name, candidates), candidates)
}

// meantOrKnown is a fix with what is meant, or else with all candidates.
func meantOrKnown(prefix, meant string, candidates []string) string {
	if meant != "" {
		return fmt.Sprintf("did you mean %s%s?", prefix, meant)
	}
	if len(candidates) == 0 {
		return ""
	}
	sorted := slices.Sorted(slices.Values(candidates))
	for i := range sorted {
		sorted[i] = prefix + sorted[i]
	}
	const shown = 12
	if n := len(sorted); n > shown {
		return fmt.Sprintf("known are %s and %d more", strings.Join(sorted[:shown], ", "), n-shown)
	}
	if len(sorted) == 1 {
		return "the only one is " + sorted[0]
	}
	return "known are " + wordList(sorted, "and")
}

// wordList joins words for a sentence: a, b and c.
func wordList(words []string, last string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	n := len(words) - 1
	return strings.Join(words[:n], ", ") + " " + last + " " + words[n]
}

// counted is a number of things: "1 label", "2 labels".
func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %s", n, plural(thing))
}

// plural is the plural of a word; "names" is one already.
func plural(thing string) string {
	if strings.HasSuffix(thing, "s") {
		return thing
	}
	return thing + "s"
}

// article is the word with "a" or "an" before it.
func article(word string) string {
	if strings.ContainsRune("aeio", rune(word[0])) {
		return "an " + word
	}
	return "a " + word
}

// misspelt returns the candidate that is so similar to name that it is meant, or "".
func misspelt(name string, candidates []string) string {
	best, bestDist, tie := "", 4, false
	for _, cand := range candidates {
		if len(name) > maxNameLength || len(cand) > maxNameLength {
			continue
		}
		a, b := strings.ToLower(name), strings.ToLower(cand)
		d := levenshtein.Distance(a, b, nil)
		if transposed(a, b) {
			d = 1
		}
		switch near := 1 + min(len(a), len(b))/7; {
		case d > near || d >= len(cand)-1 || d > bestDist:
		case d == bestDist:
			tie = tie || cand != best
		default:
			best, bestDist, tie = cand, d, false
		}
	}
	if tie {
		return ""
	}
	return best
}

// transposed reports words that differ in the order of two neighbouring letters.
func transposed(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	return i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:]
}

// otherWords are names of arguments in other programs. If such an argument has the same
// meaning, its value is checked as that of the argument here.
var otherWords = map[string]struct {
	argument string
	same     bool
}{
	"rule source": {"from", true}, "rule sources": {"from", true}, "rule src": {"from", true},
	"rule destination": {"to", true}, "rule destinations": {"to", true}, "rule dst": {"to", true}, "rule dest": {"to", true},
	"rule ports": {"services", false}, "rule port": {"services", false}, "rule protocol": {"services", false}, "rule proto": {"services", false},
	"rule verdict": {"action", true}, "rule policy": {"action", true}, "rule logging": {"log", true}, "rule until": {"expires", true},
	"set addresses": {"include", true}, "set prefixes": {"include", true}, "set ranges": {"include", true}, "set networks": {"include", true},
	"set except": {"exclude", true}, "names hosts": {"include", true}, "names domains": {"include", true}, "names except": {"exclude", true},
	"feed path": {"file", true}, "feed type": {"kind", true},
	"variable value": {"default", true}, "probe name": {"host", true}, "probe address": {"host", true},
	"target file": {"path", true}, "target output": {"path", true}, "target family": {"families", true},
}

// argumentMeant is the argument that is most likely meant by name, or "". same says that the
// value can be checked as that argument's.
func argumentMeant(kind, name string, args []string) (meant string, same bool) {
	if m := misspelt(name, args); m != "" {
		return m, true
	}
	if w := otherWords[kind+" "+name]; slices.Contains(args, w.argument) {
		return w.argument, w.same
	}
	return suggest(name, args), false
}
