package azure

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"sallyport/ipranges"
	"sallyport/ipranges/catalog"
)

// Options say what [Decode] takes. The zero value takes a file of any cloud
// within the default limits.
type Options struct {
	Cloud  string // the cloud that the file must be of, named as in [Clouds]; "": any
	Limits Limits
}

// Limits are the guard rails against a file that would open too much, or
// exhaust memory. A field that is zero has its default. No limit lets
// 0.0.0.0/0 or ::/0 pass: they hold special-use addresses.
type Limits struct {
	MinBits4    int // shorter IPv4 prefixes are refused; default 8 (the widest real one, July 2026: /14)
	MinBits6    int // shorter IPv6 prefixes are refused; default 24 (the widest real one: /39)
	MaxTags     int // default 50,000 (real: 3,136)
	MaxPrefixes int // in all tags together; default 5,000,000 (real: 101,842)
}

func (l Limits) withDefaults() Limits {
	for _, f := range [...]struct {
		field *int
		value int
	}{{&l.MinBits4, 8}, {&l.MinBits6, 24}, {&l.MaxTags, 50_000}, {&l.MaxPrefixes, 5_000_000}} {
		if *f.field == 0 {
			*f.field = f.value
		}
	}
	return l
}

// maxName bounds the bytes of names, regions, services and the cloud; the
// longest real name has 47.
const maxName = 128

// Decode reads a Service Tags file. The catalog's Info has kind, cloud and
// change number; the caller adds what it knows of the source. Nothing refers
// to data afterwards.
//
// The file must be one JSON object (RFC 8259; a byte order mark is skipped)
// without duplicate member names, with "changeNumber", "cloud" and at least
// one tag in "values". A tag must have a "name" that no other tag has, in any
// case of letters, and "properties" with "addressPrefixes". That list may be
// empty, although no real file of 2022 or 2026 has such a tag: the tag is
// then in the catalog with an empty set, for whoever uses it to judge.
// Prefixes must be well formed, without host bits, not IPv4-mapped, not wider
// than the limits, and free of special-use addresses (see
// [ipranges.FindSpecial]). "region" and "systemService" may be missing, other
// members are ignored, and members come in any order.
//
// An error about the file is an *[Error]; only options that make no sense give another.
func Decode(data []byte, opt Options) (*catalog.Catalog, error) {
	d := &decoder{err: Error{Feed: "Azure", Unit: "tag"}, limits: opt.Limits.withDefaults(), words: map[string]string{}, seen: map[string]bool{}}
	if opt.Cloud != "" {
		c, err := FindCloud(opt.Cloud)
		if err != nil {
			return nil, err
		}
		d.want = &c
	}
	d.data = data
	json := bytes.TrimPrefix(data, []byte("\ufeff"))
	d.base = int64(len(data) - len(json))
	d.json = jsontext.NewDecoder(bytes.NewBuffer(json))
	if err := d.file(); err != nil && err != errStopped {
		d.stop(err, "")
	}
	if d.err.Problems != nil {
		slices.SortStableFunc(d.err.Problems, func(a, b Problem) int { return cmp.Compare(a.Offset, b.Offset) })
		return nil, &d.err
	}
	c, err := catalog.New(catalog.Info{Kind: "azure", Cloud: d.cloud, Change: d.change}, d.entries)
	if err != nil { // only when MaxTags is beyond what a catalog takes
		return nil, fmt.Errorf("the Azure feed is refused: %w; %s", err, fixFile)
	}
	return c, nil
}

// decoder reads one file. Its methods return an error only when reading cannot
// go on; mistakes in content are collected.
type decoder struct {
	data   []byte // the whole file
	base   int64  // bytes before the JSON
	json   *jsontext.Decoder
	limits Limits
	want   *Cloud

	cloud, change string
	entries       []catalog.Entry
	prefixes      int               // in all tags so far
	seen          map[string]bool   // tag names in lower case
	words         map[string]string // regions, services and numbers come many times
	set           ipranges.Builder  // of the tag being read
	list          list              // of the tag being read
	err           Error
}

// file reads the outermost object and makes sure that nothing follows it.
func (d *decoder) file() error {
	if len(bytes.TrimSpace(d.data[d.base:])) == 0 {
		return errEmpty
	}
	var cloud, change, values bool
	err := d.object(top, func(key []byte) error {
		switch string(key) {
		case "changeNumber":
			change = true
			return d.number(place{tag: -1, member: "/changeNumber"}, &d.change)
		case "cloud":
			cloud = true
			before := d.noted()
			if err := d.text(inCloud, "cloud", &d.cloud); err != nil {
				return err
			}
			if d.noted() == before {
				d.checkCloud()
			}
			return nil
		case "values":
			values = true
			return d.values()
		}
		return d.json.SkipValue()
	})
	if err != nil {
		return err
	}
	if d.noted() == 0 {
		d.checkMembers(change, cloud, values)
	}
	if _, err := d.json.ReadToken(); err != io.EOF {
		if err == nil {
			err = errTrailing
		}
		return err
	}
	return nil
}

// checkMembers notes what the file's object lacks.
func (d *decoder) checkMembers(change, cloud, values bool) {
	for _, m := range [...]struct {
		name string
		ok   bool
	}{{"changeNumber", change}, {"cloud", cloud}, {"values", values}} {
		if !m.ok {
			d.problem(0, top, fmt.Sprintf("the file has no %q", m.name), fixKind)
		}
	}
}

// checkCloud compares the file's cloud with the one asked for.
func (d *decoder) checkCloud() {
	if d.cloud == "" {
		d.problem(d.offset(), inCloud, "cloud is empty", fixKind)
		return
	}
	if d.want == nil || strings.EqualFold(d.cloud, d.want.FileCloud) {
		return
	}
	fix := fixKind
	for _, c := range Clouds {
		if strings.EqualFold(d.cloud, c.FileCloud) {
			fix = fmt.Sprintf("set the feed's cloud to %q, or pass a file of %s", c.Name, d.want.Title)
		}
	}
	d.problem(d.offset(), inCloud, fmt.Sprintf("the file is of cloud %s, not of %s (%q)", quoted(d.cloud, 60), d.want.Title, d.want.FileCloud), fix)
}

// values reads the list of tags.
func (d *decoder) values() error {
	n, before := 0, d.noted()
	err := d.array(inValues, func() error {
		if n++; n > d.limits.MaxTags {
			return tooMany{"tags", d.limits.MaxTags}
		}
		return d.tag(place{tag: n - 1})
	})
	if err == nil && n == 0 && d.noted() == before {
		d.problem(d.offset(), inValues, "the file has no tags", fixKind)
	}
	return err
}

// tag reads one element of values.
func (d *decoder) tag(at place) error {
	start, before, first := d.next(), d.noted(), len(d.err.Problems)
	var e catalog.Entry
	prefixes := false
	d.set.Reset()
	err := d.object(at, func(key []byte) error {
		switch string(key) {
		case "name":
			return d.text(at.in("/name"), "name", &e.Name)
		case "properties":
			return d.properties(at.in("/properties"), &e.Tag, &prefixes)
		}
		return d.json.SkipValue()
	})
	if err != nil && err != errStopped {
		d.stop(err, e.Name)
		err = errStopped
	}
	if err == nil {
		e.Set = d.set.Set()
		if e.Set.Overlaps(ipranges.SpecialUse()) {
			d.blame(d.list)
		}
		d.checkTag(e, prefixes, start, at, before)
		d.entries = append(d.entries, e)
	}
	// The name may stand after what is wrong.
	for i := first; i < len(d.err.Problems); i++ {
		d.err.Problems[i].Part = clean(e.Name, 60)
	}
	return err
}

// checkTag notes what a tag that was read lacks, unless mistakes in it were
// noted since before, which may be the cause.
func (d *decoder) checkTag(e catalog.Entry, prefixes bool, start int64, at place, before int) {
	if d.noted() == before && e.Name == "" {
		d.problem(start, at, "the tag has no name", fixFile)
	}
	if d.noted() == before && !prefixes {
		d.problem(start, at, "the tag has no list of addressPrefixes", fixFile)
	}
	if lower := strings.ToLower(e.Name); d.seen[lower] {
		d.problem(start, at, "a tag of this name, but for the case of letters, came before", fixFile)
	} else if e.Name != "" {
		d.seen[lower] = true
	}
}

func (d *decoder) properties(at place, t *catalog.Tag, prefixes *bool) error {
	return d.object(at, func(key []byte) error {
		switch string(key) {
		case "changeNumber":
			return d.number(at.in("/properties/changeNumber"), &t.Change)
		case "region":
			return d.text(at.in("/properties/region"), "region", &t.Region)
		case "systemService":
			return d.text(at.in("/properties/systemService"), "systemService", &t.Service)
		case "addressPrefixes":
			*prefixes = true
			return d.addressPrefixes(at.in("/properties/addressPrefixes"))
		}
		return d.json.SkipValue()
	})
}

// addressPrefixes adds the elements of the list to d.set.
func (d *decoder) addressPrefixes(at place) error {
	n := -1
	start := d.next()
	defer func() { d.list = list{at, start, d.offset()} }()
	return d.array(at, func() error {
		n++
		raw, err := d.json.ReadValue()
		if err != nil {
			return err
		}
		if d.prefixes++; d.prefixes > d.limits.MaxPrefixes {
			return tooMany{"prefixes", d.limits.MaxPrefixes}
		}
		p, fix, err := d.prefix(raw)
		if err == nil {
			err = d.set.AddPrefix(p)
		}
		if err != nil {
			d.problem(d.offset()-int64(len(raw)), at.element(n), err.Error(), fix)
		}
		return nil
	})
}

// prefix decodes one element of addressPrefixes and holds it against the
// rules.
func (d *decoder) prefix(raw jsontext.Value) (p netip.Prefix, fix string, err error) {
	text, ok := unquote(raw)
	if !ok {
		return p, fixFile, fmt.Errorf("a prefix must be a string, not %s", kindOf(raw))
	}
	if p, err = ipranges.ParsePrefixBytes(text); err != nil {
		if q, e := netip.ParsePrefix(string(text)); e == nil && q != q.Masked() {
			err = fmt.Errorf("%s has host bits set; without them it is %s", q, q.Masked())
		}
		return netip.Prefix{}, fixFile, errors.New(clean(err.Error(), 200))
	}
	least := d.limits.MinBits4
	if p.Addr().Is6() {
		least = d.limits.MinBits6
	}
	if p.Bits() < least {
		return netip.Prefix{}, fixWide, fmt.Errorf("%s is wider than /%d", p, least)
	}
	return p, "", nil
}

// list is where the file has a list of prefixes.
type list struct {
	at         place
	start, end int64 // bytes before and up to its end
}

// blame reads a list of prefixes once more, to name those that hold
// special-use addresses. The list as a whole was found to; asking that for
// each list instead of each prefix makes decoding a third faster.
func (d *decoder) blame(l list) {
	before := d.noted()
	json := jsontext.NewDecoder(bytes.NewBuffer(d.data[l.start:l.end]))
	_, err := json.ReadToken()
	for n := 0; err == nil && json.PeekKind() != ']'; n++ {
		var raw jsontext.Value
		if raw, err = json.ReadValue(); err != nil {
			break
		}
		p, _, wrong := d.prefix(raw)
		if s, ok := ipranges.FindSpecial(p); wrong == nil && ok {
			d.problem(l.start+json.InputOffset()-int64(len(raw)), l.at.element(n),
				fmt.Sprintf("%s is not public: it holds addresses of %s, %s (%s)", p, s.Prefix, s.Name, s.RFC), fixFile)
		}
	}
	if d.noted() == before { // whatever happened, the list is not taken
		d.problem(l.start, l.at, "the list holds addresses that are not public", fixFile)
	}
}
