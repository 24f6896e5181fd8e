package m365

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sallyport/ipranges"
	"sallyport/ipranges/catalog"
	"sallyport/ipranges/jsonfeed"
)

// Options say what [Decode] takes. The zero value takes an answer for any
// instance within the default limits.
type Options struct {
	// Instance is named as in [Instances] and goes into the catalog's Info. The
	// answer does not say which instance it is of, so that it cannot be checked.
	Instance string
	Limits   Limits
}

// Limits are the guard rails against a file that would open too much, or
// exhaust memory. A field that is zero has its default. No limit lets
// 0.0.0.0/0 or ::/0 pass: they hold special-use addresses.
type Limits struct {
	MinBits4    int // shorter IPv4 prefixes are refused; default 8 (the widest real one: /13)
	MinBits6    int // shorter IPv6 prefixes are refused; default 24 (the widest real one: /36)
	MaxSets     int // default 5,000 (real: 107)
	MaxElements int // prefixes, names and stretches of ports of all sets together; default 200,000 (real: 797)
}

func (l Limits) withDefaults() Limits {
	for _, f := range [...]struct {
		field *int
		value int
	}{{&l.MinBits4, 8}, {&l.MinBits6, 24}, {&l.MaxSets, 5_000}, {&l.MaxElements, 200_000}} {
		if *f.field == 0 {
			*f.field = f.value
		}
	}
	return l
}

// Decode reads the endpoints of an instance. The catalog's Info has kind and
// cloud; the version is not in the answer. Nothing refers to data afterwards.
//
// The file must be one JSON list (RFC 8259; a byte order mark is skipped) of
// objects without duplicate member names. A set must have an "id" that no other
// has, from 1; a "serviceArea", a "category" (Optimize, Allow or Default) and
// "required". "ips", "urls", "tcpPorts" and "udpPorts" may be missing; other
// members are ignored, and members come in any order. Prefixes must be well
// formed, without host bits, not IPv4-mapped, not wider than the limits, and
// free of special-use addresses (see [ipranges.FindSpecial]). Ports are
// numbers and ranges with commas between, "80,443,3478-3481". What the service
// calls urls are host names, or patterns with "*" whose last two labels have none.
//
// An error about the file is an *[Error]; only options that make no sense give another.
func Decode(data []byte, opt Options) (*catalog.Catalog, error) {
	info := catalog.Info{Kind: "m365"}
	if opt.Instance != "" {
		i, err := FindInstance(opt.Instance)
		if err != nil {
			return nil, err
		}
		info.Cloud = i.Name
	}
	d := &decoder{Reader: jsonfeed.NewReader(data, form), limits: opt.Limits.withDefaults(), seen: map[int]bool{}, areas: map[string]string{}}
	if err := d.File("list", d.file); err != nil {
		return nil, err
	}
	c, err := catalog.New(info, entries(d.sets))
	if err != nil { // only when the limits are beyond what a catalog takes
		return nil, fmt.Errorf("the Microsoft 365 feed is refused: %w; %s", err, fixFile)
	}
	return c, nil
}

// endpoints is one set of the file.
type endpoints struct {
	id       int
	area     string // as tags are called
	category string
	required bool
	ports    []catalog.Port
	names    []string
	set      ipranges.Set
}

// decoder reads one file.
type decoder struct {
	*jsonfeed.Reader
	limits   Limits
	set      string // the number of the set being read
	sets     []endpoints
	elements int               // in all sets so far
	seen     map[int]bool      // ids
	areas    map[string]string // how each is written, by its lower case
}

func (d *decoder) file() error {
	n, before := 0, d.Noted()
	err := d.Array("the file", func() error {
		if n++; n > d.limits.MaxSets {
			return fmt.Errorf("the file has more than %d sets", d.limits.MaxSets)
		}
		return d.Unit(d.endpoints)
	})
	if err == nil && n == 0 && d.Noted() == before {
		d.Problem(0, "the file has no sets", fixKind)
	}
	return err
}

// endpoints reads one set.
func (d *decoder) endpoints() (id string, err error) {
	start, before := d.Next(), d.Noted()
	var e endpoints
	var b ipranges.Builder
	have := map[string]bool{}
	d.set = ""
	err = d.Object("a set", func(name []byte) error {
		key := string(name)
		have[key] = true
		switch key {
		case "id":
			return d.number("id", func(s string) (string, string) { return d.id(s, &e.id) })
		case "serviceArea":
			return d.text("serviceArea", func(s string) (string, string) { return d.area(s, &e.area) })
		case "category":
			return d.text("category", func(s string) (string, string) { e.category = s; return checkCategory(s) })
		case "required":
			return d.truth("required", &e.required)
		case "ips":
			return d.list("ips", func(s string) (string, string) { return d.prefix(s, &b) })
		case "urls":
			return d.list("urls", func(s string) (string, string) { e.names = append(e.names, s); return checkName(s) })
		case "tcpPorts", "udpPorts":
			return d.text(key, func(s string) (string, string) { return d.ports(key[:3], s, &e.ports) })
		}
		return d.Skip()
	})
	for _, key := range []string{"id", "serviceArea", "category", "required"} {
		if err == nil && d.Noted() == before && !have[key] {
			d.Problem(start, fmt.Sprintf("the set has no %q", key), fixFile)
		}
	}
	e.set = b.Set()
	d.sets = append(d.sets, e)
	return d.set, err
}

// list reads a list of strings, none of which may exhaust the limits.
func (d *decoder) list(what string, take func(string) (problem, fix string)) error {
	return d.Array(what, func() error {
		if err := d.count(1); err != nil {
			return err
		}
		return d.text("an element of "+what, take)
	})
}

func (d *decoder) count(n int) error {
	if d.elements += n; d.elements > d.limits.MaxElements {
		return fmt.Errorf("the file has more than %d prefixes, names and ports", d.limits.MaxElements)
	}
	return nil
}

func (d *decoder) id(s string, id *int) (problem, fix string) {
	n, err := strconv.Atoi(s)
	switch {
	case err != nil || n < 1 || n > 1_000_000 || strconv.Itoa(n) != s:
		return "id must be a whole number from 1, not " + clean(s, 30), fixFile
	case d.seen[n]:
		d.set = s
		return "a set of this number came before", fixFile
	}
	d.seen[n] = true
	*id, d.set = n, s
	return "", ""
}

// teams is the name that tags give to the area that the service calls Skype.
const teams = "Teams"

func (d *decoder) area(s string, area *string) (problem, fix string) {
	lower := strings.ToLower(s)
	switch {
	case !isWord(s):
		return fmt.Sprintf("serviceArea %s is not a word of ASCII letters and digits", quoted(s, 60)), fixFile
	case slices.Contains([]string{"optimize", "allow", "default", "required"}, lower):
		return fmt.Sprintf("serviceArea %s is the name of something else", quoted(s, 60)), fixFile
	case d.areas[lower] != "" && d.areas[lower] != s:
		return fmt.Sprintf("serviceArea is written %s here, and %s before", quoted(s, 60), quoted(d.areas[lower], 60)), fixFile
	}
	d.areas[lower] = s
	if *area = s; lower == "skype" || lower == "teams" {
		*area = teams
	}
	return "", ""
}

func isWord(s string) bool {
	for i := range len(s) {
		letter := s[i] >= 'a' && s[i] <= 'z' || s[i] >= 'A' && s[i] <= 'Z'
		if !letter && (i == 0 || s[i] < '0' || s[i] > '9') {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

func checkCategory(s string) (problem, fix string) {
	if s != "Optimize" && s != "Allow" && s != "Default" {
		return fmt.Sprintf("category %s is none of Optimize, Allow and Default", quoted(s, 60)), fixFile
	}
	return "", ""
}
