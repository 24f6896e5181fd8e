package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/hashicorp/hcl/v2"
)

const maxNameLength = 40

// reserved names mean something in the language.
func reserved(name string) bool {
	switch name {
	case "any", "var", "variable", "feed", "set", "names", "service", "rule", "target", "probe", "tag",
		"true", "false", "null", "for", "in", "if":
		return true
	}
	return false
}

// checkName reports a name that cannot become part of an object's name in every
// target's own language.
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

// plainFix offers the nearest valid name.
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

// suggest returns the candidate that name was most likely meant to be, or "".
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

// didYouMean is a fix that names the likely candidate, or otherwise all of them.
func didYouMean(prefix, name string, candidates []string) string {
	if s := suggest(name, candidates); s != "" {
		return fmt.Sprintf("did you mean %s%s?", prefix, s)
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

// wordList joins words as a sentence does: a, b and c.
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

// plural is the word for several things. Names are several already.
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
