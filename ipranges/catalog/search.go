package catalog

import (
	"cmp"
	"slices"
	"strings"
)

// Search returns the tags that match every word of the query, without regard
// to case. A word matches where it stands in the name, the region or the
// service. The best come first: a name that is the word before one that has it
// as a part between dots, then one that starts with it, then one that holds it
// anywhere, then a region or service; equals are ordered by name. A query
// without words matches every tag.
func (c *Catalog) Search(query string) []Tag {
	type hit struct {
		Tag
		rank int
	}
	words := strings.Fields(strings.ToLower(query))
	var hits []hit
	for t := range c.Tags() {
		if rank, ok := rankAll(t, words); ok {
			hits = append(hits, hit{t, rank})
		}
	}
	// Tags come by name, so that a stable sort keeps that order among equals.
	slices.SortStableFunc(hits, func(a, b hit) int { return cmp.Compare(a.rank, b.rank) })
	tags := make([]Tag, len(hits))
	for i, h := range hits {
		tags[i] = h.Tag
	}
	return tags
}

// rankAll adds up how well each word matches t, 0 being best. It reports
// whether all do.
func rankAll(t Tag, words []string) (sum int, ok bool) {
	name, other := strings.ToLower(t.Name), strings.ToLower(t.Region+"\n"+t.Service)
	for _, w := range words {
		rank, ok := rankOf(name, other, w)
		if !ok {
			return 0, false
		}
		sum += rank
	}
	return sum, true
}

func rankOf(name, other, word string) (rank int, ok bool) {
	switch {
	case name == word:
		return 0, true
	case strings.Contains("."+name+".", "."+word+"."):
		return 1, true
	case strings.HasPrefix(name, word):
		return 2, true
	case strings.Contains(name, word):
		return 3, true
	}
	return 4, strings.Contains(other, word)
}
