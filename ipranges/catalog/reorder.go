package catalog

import (
	"slices"
	"strings"
	"unicode"
)

// maxReordered bounds the words whose orders are tried; names of tags have at most six.
const maxReordered = 8

// reordered reports whether a and b are made of the same words in another order:
// "EuropeWest" and "WestEurope", whatever the case and the punctuation. Where words
// begin has to show in one of the two, unless they are two words that changed places.
func reordered(a, b string) bool {
	x, y := flatten(a), flatten(b)
	if len(x) != len(y) || x == y {
		return false
	}
	return turned(x, y) || tiles(wordsOf(a), y) || tiles(wordsOf(b), x)
}

// turned reports whether b is a with its end moved to the start. Both parts must have
// at least two letters, or "12" would match "21".
func turned(a, b string) bool {
	for i := 2; i+2 <= len(a); i++ {
		if a[i:]+a[:i] == b {
			return true
		}
	}
	return false
}

// tiles reports whether the words in some order make text.
func tiles(words []string, text string) bool {
	if len(words) == 0 {
		return text == ""
	}
	if len(words) > maxReordered {
		return false
	}
	for i, w := range words {
		rest, ok := strings.CutPrefix(text, w)
		if !ok || slices.Contains(words[:i], w) { // an equal word was tried here
			continue
		}
		others := slices.Concat(words[:i], words[i+1:])
		if tiles(others, rest) {
			return true
		}
	}
	return false
}

// wordsOf is the words of a name in lower case. A word begins after punctuation, with a
// capital and with a number: "UKSouth2" is uk, south, 2.
func wordsOf(s string) []string {
	var words []string
	runes := []rune(s)
	start := 0
	end := func(i int) {
		if w := flatten(string(runes[start:i])); w != "" {
			words = append(words, w)
		}
		start = i
	}
	for i, r := range runes {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			end(i)
		case i > 0 && unicode.IsDigit(r) != unicode.IsDigit(runes[i-1]):
			end(i)
		case i > 0 && unicode.IsUpper(r) && (!unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])):
			end(i)
		}
	}
	end(len(runes))
	return words
}
