// Package feeds opens the feeds that a policy names: it ties the download and its
// cache to the decoder of each kind of feed, and guards against a file that
// changed more than a week's file does, or opens more than any feed should.
//
//	spec -> fetch (file, cache or network) -> decode, or the cached index -> catalog
package feeds

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"sallyport/internal/fetch"
	"sallyport/ipranges/catalog"
	"sallyport/ipranges/kinds"
)

// AnyCloud accepts a file of any cloud.
const AnyCloud = "any"

// Feed is an open feed.
type Feed struct {
	Catalog *catalog.Catalog
	Result  *fetch.Result
}

// Opener opens feeds. It is safe for concurrent use once its Fetcher is set.
type Opener struct {
	Fetcher *fetch.Fetcher
	// AcceptChange turns off the guard against sudden change, and against a feed that
	// opens too much.
	AcceptChange bool
	// Accept turns the guard off for the files whose SHA-256, in hex, begins with one of
	// these: see [CheckAccept].
	Accept []string
}

// NewOpener is an opener with the user's cache, if there is one, and the usual limits.
// version is that of sallyport, as servers are told.
func NewOpener(version string) *Opener {
	cache, err := fetch.OpenCache("")
	if err != nil {
		cache = nil // then nothing is kept
	}
	return &Opener{Fetcher: &fetch.Fetcher{Cache: cache, UserAgent: "sallyport/" + version}}
}

// AtHand returns an opener that needs no network. It opens files, and cached copies of
// any age.
func (o *Opener) AtHand() *Opener {
	f := o.Fetcher
	return &Opener{AcceptChange: o.AcceptChange, Accept: o.Accept, Fetcher: &fetch.Fetcher{
		Cache: f.Cache, Offline: true, Insecure: f.Insecure, MaxBytes: f.MaxBytes, Stdin: f.Stdin, Now: f.Now,
	}}
}

func (o *Opener) accepts(sum string) bool {
	return o.AcceptChange || slices.ContainsFunc(o.Accept, func(a string) bool { return len(a) >= acceptLeast && strings.HasPrefix(sum, a) })
}

// Open fetches the feed and returns its catalog. The error says what to do.
func (o *Opener) Open(ctx context.Context, spec catalog.FeedSpec) (*Feed, error) {
	d, ok := decoders()[spec.Kind]
	if !ok {
		return nil, fmt.Errorf("feed %s: no kind of feed is called %q: use one of %s", spec.Name, spec.Kind, strings.Join(kinds.Names(), ", "))
	}
	if kind, _ := kinds.Named(spec.Kind); spec.Cloud == "" && len(kind.Clouds) > 0 {
		spec.Cloud = kind.Clouds[0]
	}
	var fresh *catalog.Catalog
	overruled := false // the guard refused it, and the user accepted it
	src, err := d.source(spec)
	if err != nil {
		return nil, err
	}
	src.Check = func(raw []byte) (fetch.Checked, error) {
		c, err := d.decode(raw, spec.Cloud)
		if err == nil && spec.File != "" && d.checkEnd != nil { // of a download, the answer shows the end
			err = d.checkEnd(raw)
		}
		if err != nil {
			return fetch.Checked{}, cmp.Or(misplaced(raw, spec.Kind), err)
		}
		fresh = c
		if spec.File == "-" || spec.File != "" && o.Fetcher.Cache == nil { // nothing would use an index
			return fetch.Checked{Change: c.Info().Change}, nil
		}
		return fetch.Checked{Compiled: c.AppendIndex(nil), Change: c.Info().Change}, nil
	}
	src.Guard = func(before []byte, sum string) error {
		err := guard(before, fresh)
		if overruled = err != nil && o.accepts(sum); err == nil || overruled {
			return nil
		}
		return fmt.Errorf("%w: look at the file, and accept it with --accept-feed-change=%s if it is right", err, sum[:acceptLength])
	}
	src.Keep = func() bool { return !overruled }
	src.Open = func(index []byte) error {
		_, err := catalog.OpenIndex(index)
		return err
	}
	result, err := o.Fetcher.Fetch(ctx, src)
	if err != nil {
		return nil, err
	}
	c := fresh
	if index := result.Compiled(); index != nil {
		if c, err = catalog.OpenIndex(index); err != nil {
			return nil, fmt.Errorf("feed %s: the cached index: %w: run again with --refresh", spec.Name, err)
		}
	}
	info := c.Info()
	if d.cloud != nil {
		info.Cloud = d.cloud(info.Cloud)
	}
	if info.Change == "" { // the file does not say: its publisher did
		info.Change = result.Change
	}
	info.Source, info.SHA256, info.Fetched = result.From, result.SHA256, result.Fetched
	return &Feed{Catalog: c.WithInfo(info), Result: result}, nil
}
