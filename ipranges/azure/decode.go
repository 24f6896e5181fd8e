package azure

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"sallyport/ipranges"
	"sallyport/ipranges/catalog"
	"sallyport/ipranges/jsonfeed"
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
// The file must be one JSON object (RFC 8259; a byte order mark is skipped) without
// duplicate member names, with "changeNumber", "cloud" and at least one tag in
// "values". A tag must have a "name" that no other tag has, in any case of letters, and
// "properties" with "addressPrefixes". That list may be empty, although no real file of
// 2022 or 2026 has such a tag: the catalog then has the tag with an empty set, and its
// user decides what that means. Prefixes must be well formed, without host bits, not
// IPv4-mapped, not wider than the limits, and free of special-use addresses (see
// [ipranges.FindSpecial]). "region" and "systemService" may be missing, other members
// are ignored, and members come in any order.
//
// An error about the file is an *[Error]; only options that make no sense give another.
func Decode(data []byte, opt Options) (*catalog.Catalog, error) {
	d := &decoder{Reader: jsonfeed.NewReader(data, form), data: data, limits: opt.Limits.withDefaults(), words: map[string]string{}, seen: map[string]bool{}}
	if opt.Cloud != "" {
		c, err := FindCloud(opt.Cloud)
		if err != nil {
			return nil, err
		}
		d.want = &c
	}
	if err := d.File("object", d.file); err != nil {
		return nil, err
	}
	c, err := catalog.New(catalog.Info{Kind: "azure", Cloud: d.cloud, Change: d.change}, d.entries)
	if err != nil { // only when MaxTags is beyond what a catalog takes
		return nil, fmt.Errorf("the Azure feed is refused: %w; %s", err, fixFile)
	}
	return c, nil
}

// decoder reads one file.
type decoder struct {
	*jsonfeed.Reader
	data   []byte // the whole file
	limits Limits
	want   *Cloud

	cloud, change string
	entries       []catalog.Entry
	prefixes      int               // in all tags so far
	seen          map[string]bool   // tag names in lower case
	words         map[string]string // regions, services and numbers come many times
	set           ipranges.Builder  // of the tag being read
	list          list              // of the tag being read
}

func (d *decoder) file() error {
	var cloud, change, values bool
	err := d.Object("", func(key []byte) error {
		switch string(key) {
		case "changeNumber":
			change = true
			return d.number(&d.change)
		case "cloud":
			cloud = true
			before := d.Noted()
			if err := d.text("cloud", &d.cloud); err != nil {
				return err
			}
			if d.Noted() == before {
				d.checkCloud()
			}
			return nil
		case "values":
			values = true
			return d.values()
		}
		return d.Skip()
	})
	if err == nil && d.Noted() == 0 {
		d.checkMembers(change, cloud, values)
	}
	return err
}

// checkMembers notes what the file's object lacks.
func (d *decoder) checkMembers(change, cloud, values bool) {
	for _, m := range [...]struct {
		name string
		ok   bool
	}{{"changeNumber", change}, {"cloud", cloud}, {"values", values}} {
		if !m.ok {
			d.Problem(0, fmt.Sprintf("the file has no %q", m.name), fixKind)
		}
	}
}

// checkCloud compares the file's cloud with the one asked for.
func (d *decoder) checkCloud() {
	if d.cloud == "" {
		d.Problem(d.Offset(), "cloud is empty", fixKind)
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
	d.Problem(d.Offset(), fmt.Sprintf("the file is of cloud %s, not of %s (%q)", quoted(d.cloud, 60), d.want.Title, d.want.FileCloud), fix)
}

// values reads the list of tags.
func (d *decoder) values() error {
	n, before := 0, d.Noted()
	err := d.Array("", func() error {
		if n++; n > d.limits.MaxTags {
			return tooMany{"tags", d.limits.MaxTags}
		}
		return d.Unit(d.tag)
	})
	if err == nil && n == 0 && d.Noted() == before {
		d.Problem(d.Offset(), "the file has no tags", fixKind)
	}
	return err
}

// tag reads one element of values.
func (d *decoder) tag() (name string, err error) {
	start, before := d.Next(), d.Noted()
	var e catalog.Entry
	prefixes := false
	d.set.Reset()
	err = d.Object("", func(key []byte) error {
		switch string(key) {
		case "name":
			return d.text("name", &e.Name)
		case "properties":
			return d.properties(&e.Tag, &prefixes)
		}
		return d.Skip()
	})
	if err != nil {
		return e.Name, err
	}
	e.Set = d.set.Set()
	if e.Set.Overlaps(ipranges.SpecialUse()) {
		d.blame(d.list)
	}
	d.checkTag(e, prefixes, start, before)
	d.entries = append(d.entries, e)
	return e.Name, nil
}

// checkTag notes what a tag that was read lacks, unless mistakes in it were
// noted since before, which may be the cause.
func (d *decoder) checkTag(e catalog.Entry, prefixes bool, start int64, before int) {
	if d.Noted() == before && e.Name == "" {
		d.Problem(start, "the tag has no name", fixFile)
	}
	if d.Noted() == before && !prefixes {
		d.Problem(start, "the tag has no list of addressPrefixes", fixFile)
	}
	if lower := strings.ToLower(e.Name); d.seen[lower] {
		d.Problem(start, "a tag of this name, but for the case of letters, came before", fixFile)
	} else if e.Name != "" {
		d.seen[lower] = true
	}
}

func (d *decoder) properties(t *catalog.Tag, prefixes *bool) error {
	return d.Object("", func(key []byte) error {
		switch string(key) {
		case "changeNumber":
			return d.number(&t.Change)
		case "region":
			return d.text("region", &t.Region)
		case "systemService":
			return d.text("systemService", &t.Service)
		case "addressPrefixes":
			*prefixes = true
			return d.addressPrefixes()
		}
		return d.Skip()
	})
}

// addressPrefixes adds the elements of the list to d.set.
func (d *decoder) addressPrefixes() error {
	start := d.Next()
	defer func() { d.list = list{start, d.Offset()} }()
	return d.Array("", func() error {
		raw, err := d.Value()
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
			d.Wrong(raw, err.Error(), fix)
		}
		return nil
	})
}

// prefix decodes and checks one element of addressPrefixes.
func (d *decoder) prefix(raw jsontext.Value) (p netip.Prefix, fix string, err error) {
	text, ok := jsonfeed.Unquote(raw)
	if !ok {
		return p, fixFile, fmt.Errorf("a prefix must be a string, not %s", d.Kind(raw))
	}
	p, err = jsonfeed.Prefix(text, d.limits.MinBits4, d.limits.MinBits6)
	if err != nil && errors.Is(err, jsonfeed.ErrWide) {
		return p, fixWide, err
	}
	return p, fixFile, err
}

// list is where the file has a list of prefixes.
type list struct {
	start, end int64 // bytes before and up to its end
}

// blame reads the list of prefixes of the tag that was just read once more, to name
// those that hold special-use addresses. The list as a whole is known to hold some. To
// check lists and not each prefix makes decoding a third faster.
func (d *decoder) blame(l list) {
	const pointer = "/properties/addressPrefixes" // from the tag
	before := d.Noted()
	json := jsontext.NewDecoder(bytes.NewBuffer(d.data[l.start:l.end]))
	_, err := json.ReadToken()
	for n := 0; err == nil && json.PeekKind() != ']'; n++ {
		var raw jsontext.Value
		if raw, err = json.ReadValue(); err != nil {
			break
		}
		p, _, wrong := d.prefix(raw)
		if text := jsonfeed.Special(p); wrong == nil && text != "" {
			d.ProblemAt(l.start+json.InputOffset()-int64(len(raw)), fmt.Sprintf("%s/%d", pointer, n), text, fixFile)
		}
	}
	if d.Noted() == before { // in any case the list is refused
		d.ProblemAt(l.start, pointer, "the list holds addresses that are not public", fixFile)
	}
}
