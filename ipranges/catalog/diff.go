package catalog

import (
	"bytes"
	"strings"

	"sallyport/ipranges"
)

// TagDiff is a tag that differs between two catalogs.
type TagDiff struct {
	Tag        // as the new catalog has it, or the old one when Gone
	New   bool // the old catalog has no such tag
	Gone  bool // the new catalog has no such tag
	Added ipranges.Set
	// Removed holds addresses that the old tag has and the new one has not.
	Removed ipranges.Set
}

// Diff returns the tags whose addresses differ between the catalogs, and those
// that only one of them has, by name. A new tag has all its addresses in
// Added, and one that is gone in Removed. Tags that differ in nothing but
// region, service, change number or details are left out.
func Diff(from, to *Catalog) []TagDiff {
	var diffs []TagDiff
	for i, j := 0, 0; i < from.Len() || j < to.Len(); {
		var a, b Tag
		side := 0 // -1: only in from, 1: only in to
		switch {
		case i == from.Len():
			side, b = 1, to.store.tag(j)
		case j == to.Len():
			side, a = -1, from.store.tag(i)
		default:
			a, b = from.store.tag(i), to.store.tag(j)
			side = strings.Compare(a.Name, b.Name)
		}
		var d TagDiff
		switch {
		case side < 0:
			d.Tag, d.Gone = a, true
			d.Removed, _ = from.store.set(i)
			i++
		case side > 0:
			d.Tag, d.New = b, true
			d.Added, _ = to.store.set(j)
			j++
		case sameBytes(from.store, i, to.store, j):
			i, j = i+1, j+1
		default:
			d.Tag = b
			was, _ := from.store.set(i)
			is, _ := to.store.set(j)
			d.Added, d.Removed = ipranges.Diff(was, is)
			i, j = i+1, j+1
		}
		if d.New || d.Gone || !d.Added.IsEmpty() || !d.Removed.IsEmpty() {
			diffs = append(diffs, d)
		}
	}
	return diffs
}

// sameBytes reports whether both tags have one set, which shows without decoding it: equal
// sets of indexes have equal binary forms.
func sameBytes(a store, i int, b store, j int) bool {
	x, inIndex := a.(*index)
	y, alsoInIndex := b.(*index)
	return inIndex && alsoInIndex && bytes.Equal(x.binary(i), y.binary(j))
}
