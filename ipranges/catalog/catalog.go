// Package catalog names sets of addresses: it is the table of contents of a feed. A
// [Catalog] maps tag names to [ipranges.Set] and knows each tag's region and service,
// the ports and host names of those feeds that publish them, and where the feed came
// from. It finds tags by words, by a misspelt name, and by an address; it compares two
// catalogs; and it has a binary form, the index, that opens in a fraction of a
// millisecond because the sets in it stay encoded until somebody asks for one.
//
// The package does no I/O and knows no feed: packages such as
// sallyport/ipranges/azure turn a feed's bytes into a Catalog.
//
// A tag lives in one of two stores, [Entry] values in memory or the bytes of
// an index. Both number the tags in the order of their names, and everything
// else is built on that numbering.
package catalog

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"time"
	"unicode"
	"unicode/utf8"

	"sallyport/ipranges"
)

// Info tells where a catalog came from. Every field may be empty.
type Info struct {
	Kind    string    // the feed's kind: "azure"
	Cloud   string    // the feed's own name of its part of the world: "Public"
	Change  string    // the feed's own number of its state: "398"
	Source  string    // the file or URL that was read
	SHA256  string    // of the bytes that were read, in hexadecimal
	Fetched time.Time // when they were read from the publisher; zero: unknown
}

// Tag is the name of a set, and what its feed says about it.
type Tag struct {
	Name    string // unique in its catalog, and written as the feed writes it
	Region  string // the feed's word for the region, often not the name's suffix; "" is none
	Service string // the feed's word for the service, often not the name's start; "" is none
	Change  string // the tag's own change number; "" is unknown
}

// Entry is a tag with its addresses. The set may be empty: a feed may publish
// a tag without addresses.
type Entry struct {
	Tag
	Set     ipranges.Set
	Details *Details // what else the feed says of the tag; nil: nothing
}

// Catalog is a collection of tags, ordered by name in byte order. It never
// changes and is safe for concurrent use. Make one with [New] or [OpenIndex];
// the zero value has no tags.
type Catalog struct {
	info  Info
	store store
}

// store holds tags, numbered in the order of their names.
type store interface {
	len() int
	find(name string) (int, bool)
	tag(i int) Tag
	set(i int) (ipranges.Set, bool)        // false: damaged
	mayOverlap(i int, s ipranges.Set) bool // false: the set has no address of s, or is damaged
	details(i int) (Details, bool)         // false: damaged
}

const (
	maxText = 255     // bytes in a name, region, service or change number
	maxTags = 1 << 20 // 300 times the largest real feed; keeps the index's offsets within 32 bits
)

// New returns a catalog of the entries, which may come in any order and are copied.
// Names must be unique and not empty. Names, regions, services and change numbers must
// be printable (a feed's text ends up on terminals) and at most 255 bytes long; the
// words of [Details] must also be ASCII without blanks and semicolons. Details are not
// copied: they must not change afterwards.
func New(info Info, entries []Entry) (*Catalog, error) {
	if len(entries) > maxTags {
		return nil, fmt.Errorf("%d tags are more than a catalog takes (%d): split the feed", len(entries), maxTags)
	}
	for _, e := range entries {
		if err := check(e.Tag); err != nil {
			return nil, err
		}
		if err := e.Details.check(e.Name); err != nil {
			return nil, err
		}
	}
	sorted := inOrder(entries)
	for i, e := range sorted {
		if i > 0 && e.Name == sorted[i-1].Name {
			return nil, fmt.Errorf("tag %q comes twice: names must be unique", e.Name)
		}
	}
	return &Catalog{info, inMemory(sorted)}, nil
}

// inOrder returns a copy of entries by name. It sorts names with indexes, because an entry
// is fifteen words long.
func inOrder(entries []Entry) []Entry {
	type key struct {
		name string
		i    int
	}
	keys := make([]key, len(entries))
	for i, e := range entries {
		keys[i] = key{e.Name, i}
	}
	slices.SortFunc(keys, func(a, b key) int { return cmp.Compare(a.name, b.name) })
	sorted := make([]Entry, len(entries))
	for i, k := range keys {
		sorted[i] = entries[k.i]
	}
	return sorted
}

// check returns which of New's rules t breaks.
func check(t Tag) error {
	if t.Name == "" {
		return fmt.Errorf("a tag has no name")
	}
	for _, f := range [...]struct{ what, text string }{
		{"name", t.Name}, {"region", t.Region}, {"service", t.Service}, {"change number", t.Change},
	} {
		if len(f.text) > maxText {
			return fmt.Errorf("tag %.60q: its %s has %d bytes, more than %d", t.Name, f.what, len(f.text), maxText)
		}
		if !printable(f.text) {
			return fmt.Errorf("tag %.60q: its %s %.60q holds a character that cannot be printed", t.Name, f.what, f.text)
		}
	}
	return nil
}

// printable reports whether s is valid UTF-8 without control, format or
// unassigned characters and without blanks other than the space.
func printable(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] > '~' {
			return utf8.ValidString(s) && !slices.ContainsFunc([]rune(s), notPrint)
		}
	}
	return true
}

func notPrint(r rune) bool { return !unicode.IsPrint(r) }

// Info tells where c came from.
func (c *Catalog) Info() Info { return c.info }

// WithInfo returns a catalog with the tags of c and another Info. It copies no
// tags.
func (c *Catalog) WithInfo(info Info) *Catalog { return &Catalog{info, c.store} }

// Len returns the number of tags.
func (c *Catalog) Len() int {
	if c.store == nil {
		return 0
	}
	return c.store.len()
}

// Tags yields every tag by name, in byte order.
func (c *Catalog) Tags() iter.Seq[Tag] {
	return func(yield func(Tag) bool) {
		for i := range c.Len() {
			if !yield(c.store.tag(i)) {
				return
			}
		}
	}
}

// Tag returns the tag of that exact name, and whether there is one.
func (c *Catalog) Tag(name string) (Tag, bool) {
	i, ok := c.find(name)
	if !ok {
		return Tag{}, false
	}
	return c.store.tag(i), true
}

// Set returns the addresses of the tag of that exact name, and whether there
// is one. When c comes from an index the set is decoded at each call.
//
// A tag of an index that was forged, so that its checksum is right and its
// content is not, may have no usable set: then Tag knows the name and Set says
// false.
func (c *Catalog) Set(name string) (ipranges.Set, bool) {
	i, ok := c.find(name)
	if !ok {
		return ipranges.Set{}, false
	}
	return c.store.set(i)
}

func (c *Catalog) find(name string) (int, bool) {
	if c.store == nil {
		return 0, false
	}
	return c.store.find(name)
}

// inMemory is a store of entries, sorted by name.
type inMemory []Entry

func (m inMemory) len() int      { return len(m) }
func (m inMemory) tag(i int) Tag { return m[i].Tag }

func (m inMemory) set(i int) (ipranges.Set, bool)        { return m[i].Set, true }
func (m inMemory) mayOverlap(i int, s ipranges.Set) bool { return m[i].Set.Overlaps(s) }
func (m inMemory) details(i int) (Details, bool)         { return m[i].Details.clone(), true }

func (m inMemory) find(name string) (int, bool) {
	return slices.BinarySearchFunc(m, name, func(e Entry, name string) int { return cmp.Compare(e.Name, name) })
}
