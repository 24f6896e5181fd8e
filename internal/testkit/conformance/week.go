package conformance

import (
	"strings"
	"testing"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// week renders AzureCloud of change 396 and of change 398: no more than three times as many
// lines change as prefixes do; and no more than four times where the one is published
// before the other, which then may have to take away what left the list. The target is
// taken to have room for all of it.
//
// The yardstick: the prefixes of the shortest list of a set that one of the lists has and
// the other has not, as a target without ranges writes it. From change 396 to 398 these
// are 212 prefixes. In the outputs, what one of them has and the other has not is counted
// in lines, whose order does not count, or in words where a line has more than fifty: some
// formats have all addresses on one line. What the headers say counts, too.
func (s *suite) week(t testing.TB) {
	weeks := [2]ipranges.Set{AzureCloud(t, 396), AzureCloud(t, 398)}
	entries := 0
	for _, f := range s.plan(t, cloud).Families.List() {
		before, after := weeks[0].Only(f), weeks[1].Only(f)
		if s.variant.Complement {
			before, after = weeks[0].Complement(f), weeks[1].Complement(f)
		}
		entries += changedPrefixes(before, after)
	}
	before, fresh := s.weekOf(t, weeks[0], "396", nil), s.weekOf(t, weeks[1], "398", nil)
	changed, published := changedUnits(before, fresh), changedUnits(before, s.weekOf(t, weeks[1], "398", before))
	t.Logf("%d changed prefixes, %d changed lines, %d after publishing", entries, changed, published)
	if entries == 0 || changed == 0 || changed > 3*entries || published > 4*entries {
		t.Errorf("%d changed prefixes change %d lines, and %d after publishing", entries, changed, published)
	}
}

// weekOf is the output for the set of a change, after an earlier output.
func (s *suite) weekOf(t testing.TB, set ipranges.Set, change string, before []renderers.File) []renderers.File {
	r := s.buildAfter(t, before)
	p := s.plan(t, rules.In("cloud", set))
	p.Provenance.Feeds[0].Change = change
	r.Caps.RouteLimits, r.Caps.MaxElements = nil, 0
	return s.render(t, r, lower(t, r, p))
}

// changedPrefixes counts the prefixes that one of the sets' shortest lists has
// and the other has not.
func changedPrefixes(a, b ipranges.Set) int {
	var lists [2][]byte
	for i, set := range []ipranges.Set{a, b} {
		lists[i] = set.AppendPrefixes(set.AppendPrefixes(nil, ipranges.IPv4, "", "\n"), ipranges.IPv6, "", "\n")
	}
	return changedLines(lists[0], lists[1])
}

// changedUnits counts what changes in outputs. A file that only one of them has
// changes as a whole.
func changedUnits(before, after []renderers.File) int {
	texts := map[string][2][]byte{}
	for i, files := range [][]renderers.File{before, after} {
		for _, f := range files {
			pair := texts[f.Path]
			pair[i] = f.Data
			texts[f.Path] = pair
		}
	}
	changed := 0
	for _, pair := range texts {
		changed += changedLines(units(pair[0]), units(pair[1]))
	}
	return changed
}

// units is a text with its long lines divided, one word a line.
func units(text []byte) []byte {
	const long = 50
	var out strings.Builder
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if len(words) <= long {
			out.WriteString(line)
			continue
		}
		out.WriteString(strings.Join(words, "\n") + "\n")
	}
	return []byte(out.String())
}

// changedLines counts the lines that a has and b lacks, and the other way round. A line
// that is somewhere else is no change.
func changedLines(a, b []byte) int {
	count := map[string]int{}
	for _, l := range strings.Split(string(a), "\n") {
		count[l]++
	}
	for _, l := range strings.Split(string(b), "\n") {
		count[l]--
	}
	changed := 0
	for _, n := range count {
		changed += max(n, -n)
	}
	return changed
}

// smallChange renders two versions of a long list that differ in few prefixes: the
// changed lines, counted as in the week, must be within three times as many, and a handful
// for counts and a checksum.
func (s *suite) smallChange(t testing.TB) {
	r := s.build(t, "edge")
	n := 2000
	for ; n > 20; n /= 2 { // as much as the target has room for
		if _, _, errs := rules.Lower(s.plan(t, rules.In("cloud", manyRanges(3, n))), r.Caps); len(errs) == 0 {
			break
		}
	}
	before := manyRanges(3, n)
	gone := ipranges.MustParse("52.112.0.0/14")
	added := ipranges.MustParse("203.0.114.0/24", "203.0.120.0/22", "203.0.130.7", "2a01:111:f400::/48", "20.33.128.0/17")
	after := before.Minus(gone).Union(added)
	prefixes := changedPrefixes(before, after)
	if s.variant.Complement {
		prefixes = changedPrefixes(complement(before), complement(after))
	}
	var texts [2][]renderers.File
	for i, set := range []ipranges.Set{before, after} {
		texts[i] = s.render(t, r, lower(t, r, s.plan(t, rules.In("cloud", set))))
	}
	changed := changedUnits(texts[0], texts[1])
	if limit := 3*prefixes + 6; changed > limit {
		t.Errorf("%d changed prefixes change %d lines, more than %d", prefixes, changed, limit)
	}
}

func complement(s ipranges.Set) ipranges.Set {
	return s.Complement(ipranges.IPv4).Union(s.Complement(ipranges.IPv6))
}
