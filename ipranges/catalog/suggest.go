package catalog

import (
	"cmp"
	"math/bits"
	"slices"
	"strings"
	"unicode"

	"github.com/agext/levenshtein"
)

// Suggest returns at most n names of tags that somebody who wrote name may have meant,
// best first. It ignores case, dots and other punctuation ("storage-west-europe"), and
// recognises the feed's own words for region and service ("AzureStorage" for Storage),
// words in another order ("Storage.EuropeWest"), a region that is missing or that the
// tag does not have, a name that was cut short, and typing errors.
func (c *Catalog) Suggest(name string, n int) []string {
	q := newQuery(name)
	if q.flat == "" || n <= 0 {
		return nil
	}
	for t := range c.Tags() {
		q.learnRegion(t)
	}
	type guess struct {
		name string
		cost int
	}
	var guesses []guess
	for t := range c.Tags() {
		if cost, ok := q.cost(t); ok {
			guesses = append(guesses, guess{t.Name, cost})
		}
	}
	slices.SortFunc(guesses, func(a, b guess) int {
		return cmp.Or(cmp.Compare(a.cost, b.cost), cmp.Compare(len(a.name), len(b.name)), cmp.Compare(a.name, b.name))
	})
	var names []string
	for _, g := range guesses[:min(n, len(guesses))] {
		if guesses[0].cost == costCase && g.cost > costFlat {
			break // it means this tag, and no other is needed
		}
		names = append(names, g.name)
	}
	return names
}

// query is a misspelt name, prepared for comparison with many tags.
type query struct {
	name    string // as written
	word           // the whole name
	base    word   // the part before the first dot
	suffix  string // the part after it
	regions map[string]bool
}

// word is a text without case, dots and blanks, which people often write differently.
type word struct {
	flat    string
	runes   []rune
	letters uint64 // which letters it has, see letterSet
}

func newWord(s string) word {
	flat := flatten(s)
	return word{flat, []rune(flat), letterSet(flat)}
}

func newQuery(name string) query {
	const longest = 2 * maxText // a longer name is no misspelt tag
	if len(name) > longest {
		name = ""
	}
	base, suffix, _ := strings.Cut(name, ".")
	return query{name, newWord(name), newWord(base), suffix, map[string]bool{}}
}

// learnRegion notes the region of t if its name ends like q, or in the same words.
// Feeds write one region in several ways: Azure has Sql.GermanyWestCentral and
// AzureCloud.germanywc, both of region "germanywc".
func (q *query) learnRegion(t Tag) {
	if q.suffix == "" || t.Region == "" || q.regions[t.Region] {
		return
	}
	_, suffix, ok := strings.Cut(t.Name, ".")
	if ok && (flatten(suffix) == flatten(q.suffix) || reordered(q.suffix, suffix)) {
		q.regions[t.Region] = true
	}
}

// flatten returns the letters and digits of s in lower case.
func flatten(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, s)
}

// The costs of kinds of mistakes. A typing error costs typo for each edit, so that one
// edit is likelier than a cut name, and a cut name likelier than two edits.
const (
	costCase    = 0
	costFlat    = 5
	costRegion  = 8
	costService = 9
	costOrder   = 9
	typo        = 10
	costCut     = 15 // plus what is missing, at most typo
	costBase    = 30 // the tag without the region that was asked for
	costWithin  = 40 // plus what is missing, at most typo
)

// cost tells how far q is from t, and whether that is near enough to mention.
func (q *query) cost(t Tag) (int, bool) {
	if strings.EqualFold(q.name, t.Name) {
		return costCase, true
	}
	w := newWord(t.Name)
	base, _, dotted := strings.Cut(t.Name, ".")
	switch {
	case w.flat == q.flat:
		return costFlat, true
	case t.Region != "" && flatten(base+t.Region) == q.flat || q.regions[t.Region] && flatten(base) == q.base.flat:
		return costRegion, true
	case t.Service != "" && (flatten(t.Service+t.Region) == q.flat || q.regions[t.Region] && flatten(t.Service) == q.base.flat):
		return costService, true
	case w.letters == q.letters && reordered(q.name, t.Name):
		return costOrder, true
	}
	best := costWithin + typo + 1
	missing := min(len(w.flat)-len(q.flat), typo)
	if strings.HasPrefix(w.flat, q.flat) {
		best = costCut + missing
	} else if len(q.flat) >= 4 && strings.Contains(w.flat, q.flat) {
		best = costWithin + missing
	}
	if d, ok := q.word.edits(w); ok {
		best = min(best, typo*d)
	}
	if !dotted && q.base.flat != q.flat {
		if d, ok := q.base.edits(w); ok {
			best = min(best, costBase+typo*d)
		}
	}
	return best, best <= costWithin+typo
}

// edits returns the Levenshtein distance from a to b, and whether it is small
// for a word of a's length: one edit, and one more for every five letters.
func (a word) edits(b word) (int, bool) {
	limit := 1 + len(a.runes)/5
	// Two cheap lower bounds avoid computing most distances.
	if diff := len(a.runes) - len(b.runes); diff > limit || -diff > limit ||
		bits.OnesCount64(a.letters&^b.letters) > limit || bits.OnesCount64(b.letters&^a.letters) > limit {
		return 0, false
	}
	// No limit for the library: with one, version 1.2.3 returns 1 for pairs
	// that are 17 edits apart.
	d, _, _ := levenshtein.Calculate(a.runes, b.runes, 0, 1, 1, 1)
	return d, d <= limit
}

// letterSet has a bit for each letter and digit of s; the rest share one.
func letterSet(s string) (set uint64) {
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z':
			set |= 1 << (r - 'a')
		case r >= '0' && r <= '9':
			set |= 1 << (26 + r - '0')
		default:
			set |= 1 << 63
		}
	}
	return set
}
