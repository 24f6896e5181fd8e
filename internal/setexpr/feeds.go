package setexpr

import (
	"cmp"
	"os"
	"slices"
	"strings"

	"sallyport/internal/feeds"
	"sallyport/ipranges/catalog"
	"sallyport/ipranges/kinds"
)

// Feeds are the feeds that a command line names. The zero value is the published feed of
// the usual kind.
type Feeds struct {
	Kind, Cloud string
	// Files are read instead of the published feeds. Each is FILE or KIND=FILE, where FILE
	// is a path, "-" or an address.
	Files []string
}

// usualKind is the kind of feed where none is named.
const usualKind = "azure"

// Spec returns the one feed that f names. A mistake in f is a usage error; then the spec
// has the kind if it is known.
func (f Feeds) Spec() (catalog.FeedSpec, error) {
	spec := catalog.FeedSpec{Name: f.Kind, Kind: f.Kind, Cloud: f.Cloud}
	if len(f.Files) > 1 {
		return spec, usage("--feed is given %d times, and this command reads one feed", len(f.Files))
	}
	file := ""
	if len(f.Files) == 1 {
		file = f.Files[0]
		kind, rest, ok := strings.Cut(file, "=")
		switch {
		case ok && isKind(kind):
			if f.Kind != "" && f.Kind != kind {
				return spec, usage("--kind %s and --feed %s=... are of two kinds: leave one out", f.Kind, kind)
			}
			f.Kind, file = kind, rest
		case ok && !strings.ContainsAny(kind, "/\\.?") && !isFile(file):
			return spec, usage("--feed %s: no kind of feed is called %q: choose one of %s, or name a file", file, kind, kindNames())
		}
		if file == "" {
			return spec, usage("--feed %s names no file", f.Files[0])
		}
	}
	f.Kind = cmp.Or(f.Kind, usualKind)
	spec.Name, spec.Kind = f.Kind, f.Kind
	if !isKind(f.Kind) {
		return spec, usage("--kind %s: choose one of %s", f.Kind, kindNames())
	}
	if f.Cloud != "" {
		if err := feeds.CheckCloud(f.Kind, f.Cloud); err != nil {
			return spec, usage("--cloud: %v", err)
		}
	}
	if file != "" {
		spec = spec.From(file)
	}
	if f.Cloud == "" && spec.File != "" {
		spec.Cloud = feeds.AnyCloud
	}
	return spec, nil
}

// usual is the kind of feed that tags without a kind are of.
func (f Feeds) usual() string {
	if f.Kind != "" {
		return f.Kind
	}
	if len(f.Files) == 1 {
		if kind, _, ok := strings.Cut(f.Files[0], "="); ok && isKind(kind) {
			return kind
		}
	}
	return usualKind
}

// of is the feed of a kind.
func (f Feeds) of(kind string) Feeds {
	own := Feeds{Kind: kind}
	if kind == f.usual() {
		own.Cloud = f.Cloud
	}
	for _, file := range f.Files {
		its, _, ok := strings.Cut(file, "=")
		if !ok || !isKind(its) {
			its = f.usual()
		}
		if its == kind {
			own.Files = append(own.Files, file)
		}
	}
	return own
}

func isKind(word string) bool { return slices.Contains(kinds.Names(), word) }

func kindNames() string { return strings.Join(kinds.Names(), ", ") }

func isFile(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}
