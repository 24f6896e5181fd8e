package catalog

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"testing"
	"time"

	"sallyport/ipranges"
)

func testIndex(t testing.TB) []byte {
	t.Helper()
	c, err := New(testInfo, entries())
	if err != nil {
		t.Fatal(err)
	}
	return c.AppendIndex(nil)
}

// forge puts the right checksum on an index that was tampered with.
func forge(index []byte) []byte {
	if len(index) >= headerSize {
		body := index[len(IndexFormat)+4:]
		binary.BigEndian.PutUint32(index[len(IndexFormat):], crc32.Checksum(body, crcTable()))
	}
	return index
}

// use calls everything that reads an index.
func use(c *Catalog) {
	for tag := range c.Tags() {
		c.Tag(tag.Name)
		c.Set(tag.Name)
		c.Details(tag.Name)
		c.Ports(tag.Name)
		c.Names(tag.Name)
	}
	c.Info()
	c.Search("a")
	c.Suggest("storag", 3)
	c.Lookup(prefix("33.16.0.0/15"))
	c.AppendIndex(nil)
	Diff(c, c)
}

// TestIndexFormat fails when the bytes of an index change. That is fine, when
// it is meant: then give IndexFormat a new name, so that programs do not open
// each other's files, and put the new hash here.
func TestIndexFormat(t *testing.T) {
	const format, hash = "catalog2", "4674ee44f6ab1f88"
	got := fmt.Sprintf("%x", sha256.Sum256(testIndex(t)))
	if IndexFormat != format || got[:len(hash)] != hash {
		t.Errorf("index in format %s has SHA-256 %s, want %s and %s...", IndexFormat, got, format, hash)
	}
}

func TestIndexIsStable(t *testing.T) {
	index := testIndex(t)
	c, err := OpenIndex(index)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(c.AppendIndex(nil), index) {
		t.Error("the index of an opened index has other bytes")
	}
	if got := c.AppendIndex([]byte("before")); string(got[:6]) != "before" || !bytes.Equal(got[6:], index) {
		t.Error("AppendIndex does not append")
	}
}

func TestIndexTime(t *testing.T) {
	for _, at := range []time.Time{
		{}, time.Unix(0, 0).UTC(), time.Unix(-1, 999_999_999).UTC(),
		time.Date(1, 1, 2, 0, 0, 0, 1, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
	} {
		c, err := New(Info{Fetched: at}, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := OpenIndex(c.AppendIndex(nil))
		if err != nil {
			t.Fatal(err)
		}
		if got.Info().Fetched != at {
			t.Errorf("%v came back as %v", at, got.Info().Fetched)
		}
	}
}

// TestIndexRefusesDamage cuts and changes an index in every place.
func TestIndexRefusesDamage(t *testing.T) {
	index := testIndex(t)
	for n := range index {
		if _, err := OpenIndex(index[:n]); err == nil {
			t.Fatalf("opened the first %d of %d bytes", n, len(index))
		}
	}
	if _, err := OpenIndex(append(bytes.Clone(index), 0)); err == nil {
		t.Error("opened an index with a byte too much")
	}
	for i := range index {
		for bit := range 8 {
			bad := bytes.Clone(index)
			bad[i] ^= 1 << bit
			if _, err := OpenIndex(bad); err == nil {
				t.Fatalf("opened an index with bit %d of byte %d flipped", bit, i)
			}
		}
	}
}

// TestForgedIndex changes an index in every byte and puts the checksum right.
// Whatever opens must work, without a panic.
func TestForgedIndex(t *testing.T) {
	index := testIndex(t)
	refused := 0
	for i := len(IndexFormat) + 4; i < len(index); i++ {
		for _, b := range []byte{0, 1, 0x7f, 0x80, 0xff, index[i] + 1, index[i] - 1} {
			bad := bytes.Clone(index)
			bad[i] = b
			c, err := OpenIndex(forge(bad))
			if err != nil {
				refused++
				continue
			}
			use(c)
		}
	}
	if refused == 0 {
		t.Error("no forgery was refused: the structure is not checked")
	}
}

// TestForgedSet damages the sets alone: names stay known, the set is not.
func TestForgedSet(t *testing.T) {
	bad := testIndex(t)
	set, _ := ipranges.MustParse("33.16.4.0/24", "33.16.6.0/23", "33.17.4.0/22", "2d00:4::/48").MarshalBinary()
	i := bytes.Index(bad, set)
	if i < 0 {
		t.Fatal("the set of Storage is not in the index as it is")
	}
	bad[i] ^= 0xff // its version
	c, err := OpenIndex(forge(bad))
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := c.Tag("Storage"); !ok {
		t.Error("the tag is not known any more")
	}
	if set, ok := c.Set("Storage"); ok || !set.IsEmpty() {
		t.Errorf("a damaged set is given out as %v", set)
	}
	if set, ok := c.Set("Sql"); !ok || set.IsEmpty() {
		t.Error("another tag's set is lost too")
	}
	for _, m := range c.Lookup(prefix("33.16.4.0/24")) {
		if m.Name == "Storage" {
			t.Error("Lookup finds the tag with the damaged set")
		}
	}
}

// TestHugeCounts claims more than there is: it must cost no memory.
func TestHugeCounts(t *testing.T) {
	for _, at := range []int{4, 8, 12} { // tags, info, texts
		for _, n := range []uint32{1 << 16, maxTags, maxTags + 1, 1<<31 - 1, 1<<32 - 1} {
			bad := testIndex(t)
			binary.BigEndian.PutUint32(bad[len(IndexFormat)+at:], n)
			forge(bad)
			if _, err := OpenIndex(bad); err == nil {
				t.Errorf("count %d at %d: opened", n, at)
			}
			if got := testing.AllocsPerRun(10, func() { _, _ = OpenIndex(bad) }); got > 20 {
				t.Errorf("count %d at %d: %v allocations", n, at, got)
			}
		}
	}
}

// TestOpenIsCheap makes sure that opening does not allocate for each tag, and
// that taking one set does not decode the others.
func TestOpenIsCheap(t *testing.T) {
	index := bigCatalog(t, 3000).AppendIndex(nil)
	if got := testing.AllocsPerRun(10, func() { _, _ = OpenIndex(index) }); got > 20 {
		t.Errorf("OpenIndex allocates %v times for 3,000 tags", got)
	}
	c, err := OpenIndex(index)
	if err != nil {
		t.Fatal(err)
	}
	if got := testing.AllocsPerRun(10, func() { c.Tag("Tag01234"); c.Set("Tag01234") }); got > 10 {
		t.Errorf("Tag and Set allocate %v times", got)
	}
}

// TestNothingRefersToIndex takes values out of a catalog and then destroys the
// bytes of its index: a mapped file may go away once the catalog is not used.
func TestNothingRefersToIndex(t *testing.T) {
	index := testIndex(t)
	c, err := OpenIndex(index)
	if err != nil {
		t.Fatal(err)
	}
	info, found, suggested := c.Info(), c.Search("storage"), c.Suggest("Storge", 1)
	tag, _ := c.Tag("Sql")
	set, _ := c.Set("Sql")
	clear(index)
	if info != testInfo || tag.Name != "Sql" || tag.Service != "AzureSQL" || found[0].Name != "Storage" || suggested[0] != "Storage" ||
		!set.Equal(ipranges.MustParse("33.16.64.0/22", "33.20.10.0/24")) {
		t.Error("a value taken from a catalog changed with the index's bytes")
	}
}

// bigCatalog returns a catalog of n tags, with sets from a fixed generator.
func bigCatalog(t testing.TB, n int) *Catalog {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	var in []Entry
	for i := range n {
		var b ipranges.Builder
		for range 1 + r.IntN(40) {
			p := prefix(fmt.Sprintf("%d.%d.%d.%d/%d", 1+r.IntN(223), r.IntN(256), r.IntN(256), r.IntN(256), 12+r.IntN(21)))
			if r.IntN(3) == 0 {
				p = prefix(fmt.Sprintf("2%03x:%x::/%d", r.IntN(4096), r.IntN(65536), 24+r.IntN(41)))
			}
			if err := b.AddPrefix(p.Masked()); err != nil {
				t.Fatal(err)
			}
		}
		in = append(in, Entry{Tag: Tag{Name: fmt.Sprintf("Tag%05d", i), Region: fmt.Sprintf("region%d", i%60)}, Set: b.Set()})
	}
	c, err := New(testInfo, in)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// FuzzOpenIndex feeds OpenIndex any bytes, as they are and with the checksum
// put right. What opens must work, and make an index that opens to the same.
func FuzzOpenIndex(f *testing.F) {
	index := testIndex(f)
	f.Add(index)
	f.Add(index[:headerSize])
	f.Add((&Catalog{}).AppendIndex(nil))
	f.Add([]byte(IndexFormat))
	f.Fuzz(func(t *testing.T, data []byte) {
		if c, err := OpenIndex(data); err == nil {
			use(c)
		}
		c, err := OpenIndex(forge(bytes.Clone(data)))
		if err != nil {
			return
		}
		use(c)
		again, err := OpenIndex(c.AppendIndex(nil))
		if err != nil {
			t.Fatalf("what was opened does not open again: %v", err)
		}
		if len(Diff(c, again)) != 0 || c.Info() != again.Info() {
			t.Fatal("what was opened opens again as something else")
		}
	})
}

// TestIndexCut cuts an index at every byte, and flips every bit: it does not open.
func TestIndexCut(t *testing.T) {
	c, err := New(Info{Kind: "k", Cloud: "c", Change: "1"}, entries())
	if err != nil {
		t.Fatal(err)
	}
	data := c.AppendIndex(nil)
	for n := range data {
		if _, err := OpenIndex(data[:n]); err == nil {
			t.Errorf("cut at byte %d it opens", n)
		}
		for bit := range 8 {
			flipped := bytes.Clone(data)
			flipped[n] ^= 1 << bit
			if _, err := OpenIndex(flipped); err == nil {
				t.Errorf("with bit %d of byte %d flipped it opens", bit, n)
			}
		}
	}
}
