package catalog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"sort"
	"time"

	"sallyport/ipranges"
)

// IndexFormat names the layout of the index, and changes whenever that layout
// or the binary form of a set does. An index in another format does not open:
// make it anew from the feed. It fits a file name.
const IndexFormat = "catalog2"

// The index, all numbers big-endian:
//
//	8   IndexFormat
//	4   CRC-32C of all bytes that follow
//	4   number of tags
//	4   bytes of the info
//	4   bytes of the texts
//	    info: kind, cloud, change, source, sha256, each a uvarint length and
//	    its bytes; then seconds (varint) and nanoseconds (uvarint) of the time
//	    of fetching, since 1970
//	28  for each tag, by name: offset of its texts (4); bytes of its name,
//	    region, service and change number (1 each) and of its details (4);
//	    offset (8) and bytes (8) of its set
//	    texts: of each tag in turn, name, region, service, change number,
//	    details
//	    sets: the binary form of ipranges.Set, one after another
//
// Opening checks the checksum and walks the directory, so that incomplete or damaged
// bytes are found at once; it allocates nothing that grows with the number of tags, and
// decodes no set. For the public Azure cloud that is less than a megabyte to read.
const (
	headerSize = len(IndexFormat) + 16
	recordSize = 28
)

// damaged is the text of details that can't be read. No valid details have it.
const damaged = "?"

// crcTable is made on first use.
func crcTable() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// AppendIndex appends the index of c, which [OpenIndex] opens.
func (c *Catalog) AppendIndex(dst []byte) []byte {
	n, start := c.Len(), len(dst)
	dst = append(dst, IndexFormat...)
	dst = append(dst, make([]byte, headerSize-len(IndexFormat))...)
	dst = appendInfo(dst, c.info)
	infoSize := len(dst) - start - headerSize

	dir := len(dst)
	dst = append(dst, make([]byte, n*recordSize)...)
	texts, room := len(dst), 0
	for i := range n {
		t := c.store.tag(i)
		if s, ok := c.store.set(i); ok {
			room += 22 + 8*s.NumRanges(ipranges.IPv4) + 32*s.NumRanges(ipranges.IPv6)
		}
		from := uint32(len(dst) - texts)
		fields := [...]string{t.Name, t.Region, t.Service, t.Change}
		for _, s := range fields {
			dst = append(dst, s...)
		}
		details := damaged // stays damaged, like a set
		if d, ok := c.store.details(i); ok {
			details = d.text()
		}
		dst = append(dst, details...)
		r := dst[dir+i*recordSize:]
		binary.BigEndian.PutUint32(r, from)
		for k, s := range fields {
			r[4+k] = byte(len(s))
		}
		binary.BigEndian.PutUint32(r[8:], uint32(len(details)))
	}
	sets := len(dst)
	dst = slices.Grow(dst, room) // an upper bound for the sets
	for i := range n {
		from := len(dst)
		if s, ok := c.store.set(i); ok { // a damaged set stays damaged: no bytes are no set
			dst, _ = s.AppendBinary(dst)
		}
		r := dst[dir+i*recordSize:]
		binary.BigEndian.PutUint64(r[12:], uint64(from-sets))
		binary.BigEndian.PutUint64(r[20:], uint64(len(dst)-from))
	}

	h := dst[start+len(IndexFormat):]
	binary.BigEndian.PutUint32(h[4:], uint32(n))
	binary.BigEndian.PutUint32(h[8:], uint32(infoSize))
	binary.BigEndian.PutUint32(h[12:], uint32(sets-texts))
	binary.BigEndian.PutUint32(h, crc32.Checksum(h[4:], crcTable()))
	return dst
}

func appendInfo(dst []byte, in Info) []byte {
	for _, s := range [...]string{in.Kind, in.Cloud, in.Change, in.Source, in.SHA256} {
		dst = binary.AppendUvarint(dst, uint64(len(s)))
		dst = append(dst, s...)
	}
	dst = binary.AppendVarint(dst, in.Fetched.Unix())
	return binary.AppendUvarint(dst, uint64(in.Fetched.Nanosecond()))
}

// index is a store in the bytes of an index.
type index struct {
	n     int
	dir   []byte // n records
	texts []byte
	sets  []byte
}

var errIndex = errors.New("the catalog index is damaged: delete it, it is made anew from the feed")

// OpenIndex opens what [Catalog.AppendIndex] made. It checks everything but the content
// of sets and details, which [Catalog.Set] and [Catalog.Details] check. The catalog
// refers to data, which must not change for as long as the catalog is used; tags, sets
// and Info that come out of the catalog do not refer to it.
func OpenIndex(data []byte) (*Catalog, error) {
	if len(data) < headerSize || string(data[:len(IndexFormat)]) != IndexFormat {
		return nil, fmt.Errorf("this is no catalog index in format %s: delete it, it is made anew from the feed", IndexFormat)
	}
	rest := data[len(IndexFormat):]
	u32 := binary.BigEndian.Uint32
	if u32(rest) != crc32.Checksum(rest[4:], crcTable()) {
		return nil, errIndex
	}
	n, infoSize, textSize := uint64(u32(rest[4:])), uint64(u32(rest[8:])), uint64(u32(rest[12:]))
	rest = data[headerSize:]
	if n > maxTags || infoSize+n*recordSize+textSize > uint64(len(rest)) {
		return nil, errIndex
	}
	info, err := readInfo(rest[:infoSize])
	if err != nil {
		return nil, err
	}
	x := &index{n: int(n)}
	rest = rest[infoSize:]
	x.dir, rest = rest[:n*recordSize], rest[n*recordSize:]
	x.texts, x.sets = rest[:textSize], rest[textSize:]
	if err := x.check(); err != nil {
		return nil, err
	}
	return &Catalog{info, x}, nil
}

func readInfo(b []byte) (Info, error) {
	var in Info
	for _, s := range [...]*string{&in.Kind, &in.Cloud, &in.Change, &in.Source, &in.SHA256} {
		n, k := binary.Uvarint(b)
		if k <= 0 || n > uint64(len(b)-k) {
			return Info{}, errIndex
		}
		*s = string(b[k : k+int(n)])
		b = b[k+int(n):]
	}
	sec, k := binary.Varint(b)
	if k <= 0 {
		return Info{}, errIndex
	}
	nsec, k2 := binary.Uvarint(b[k:])
	if k2 <= 0 || nsec > 999_999_999 || k+k2 != len(b) {
		return Info{}, errIndex
	}
	in.Fetched = time.Unix(sec, int64(nsec)).UTC()
	return in, nil
}

// check walks the directory: every offset in bounds, names ascending, texts
// printable.
func (x *index) check() error {
	ascii := isASCII(x.texts)
	var last []byte
	for i := range x.n {
		r := x.dir[i*recordSize:]
		from, size := uint64(binary.BigEndian.Uint32(r)), x.tagSize(i)+uint64(binary.BigEndian.Uint32(r[8:]))
		setFrom, setSize := binary.BigEndian.Uint64(r[12:]), binary.BigEndian.Uint64(r[20:])
		if from+size > uint64(len(x.texts)) || setFrom > uint64(len(x.sets)) || setSize > uint64(len(x.sets))-setFrom {
			return errIndex
		}
		name := x.name(i)
		if len(name) == 0 || i > 0 && string(name) <= string(last) {
			return errIndex
		}
		if !ascii && check(x.tag(i)) != nil {
			return errIndex
		}
		last = name
	}
	return nil
}

// isASCII reports whether b holds printable ASCII characters only. It looks
// at eight bytes at a time, because opening an index spends most of its time
// here and in the checksum.
func isASCII(b []byte) bool {
	const each = 0x0101_0101_0101_0101
	for ; len(b) >= 8; b = b[8:] {
		c := binary.BigEndian.Uint64(b)
		// The top bit of a byte gets set by being set, by adding 1 to DEL, or
		// by taking a blank from less than a blank. A carry or borrow into the
		// next byte comes only from a byte that is bad itself.
		if (c|(c+each)|(c-' '*each)&^c)&(0x80*each) != 0 {
			return false
		}
	}
	for _, c := range b {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

func (x *index) len() int { return x.n }

func (x *index) name(i int) []byte {
	r := x.dir[i*recordSize:]
	from := binary.BigEndian.Uint32(r)
	return x.texts[from : from+uint32(r[4])]
}

// tagSize is the bytes of the texts of a tag, without its details.
func (x *index) tagSize(i int) uint64 {
	r := x.dir[i*recordSize:]
	return uint64(r[4]) + uint64(r[5]) + uint64(r[6]) + uint64(r[7])
}

func (x *index) find(name string) (int, bool) {
	i := sort.Search(x.n, func(i int) bool { return string(x.name(i)) >= name })
	return i, i < x.n && string(x.name(i)) == name
}

func (x *index) tag(i int) Tag {
	r := x.dir[i*recordSize:]
	rest := x.texts[binary.BigEndian.Uint32(r):]
	var t Tag
	for k, s := range [...]*string{&t.Name, &t.Region, &t.Service, &t.Change} {
		*s, rest = string(rest[:r[4+k]]), rest[r[4+k]:]
	}
	return t
}

func (x *index) details(i int) (Details, bool) {
	r := x.dir[i*recordSize:]
	from := uint64(binary.BigEndian.Uint32(r)) + x.tagSize(i)
	return parseDetails(string(x.texts[from : from+uint64(binary.BigEndian.Uint32(r[8:]))]))
}

// binary is the binary form of a set.
func (x *index) binary(i int) []byte {
	r := x.dir[i*recordSize:]
	from, size := binary.BigEndian.Uint64(r[12:]), binary.BigEndian.Uint64(r[20:])
	return x.sets[from : from+size]
}

func (x *index) set(i int) (s ipranges.Set, ok bool) {
	err := s.UnmarshalBinary(x.binary(i))
	return s, err == nil
}

func (x *index) mayOverlap(i int, s ipranges.Set) bool { return ipranges.MayOverlap(x.binary(i), s) }
