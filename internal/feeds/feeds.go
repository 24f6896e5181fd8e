// Package feeds opens the feeds that a policy names: it ties the download and its
// cache to the decoder of each kind of feed, and guards against a file that
// changed more than a week's file does.
//
//	spec -> fetch (file, cache or network) -> decode, or the cached index -> catalog
package feeds

import (
	"context"
	"fmt"
	"strings"
	"time"

	"sallyport/internal/fetch"
	"sallyport/ipranges/azure"
	"sallyport/ipranges/catalog"
)

// Spec says which feed is meant. File and URL are alternatives; with neither, the
// publisher's current file is discovered.
type Spec struct {
	Name   string // its label, for messages
	Kind   string
	Cloud  string // empty: the kind's usual one
	File   string // a path, or "-" for standard input
	URL    string
	MaxAge time.Duration // how old a cached copy may be; zero: the default
}

// AnyCloud takes a file of whichever cloud it is of.
const AnyCloud = "any"

// Feed is an open feed.
type Feed struct {
	Catalog *catalog.Catalog
	Result  *fetch.Result
}

// Opener opens feeds. It is safe for concurrent use once its Fetcher is set.
type Opener struct {
	Fetcher *fetch.Fetcher
	// AcceptChange turns off the guard against a sudden growth or shrink.
	AcceptChange bool
}

// decoder is what a kind of feed brings along.
type decoder struct {
	version  string // of the decoder: raise it when it accepts or makes something else
	decode   func(raw []byte, cloud string) (*catalog.Catalog, error)
	discover func(cloud string) fetch.Discover
	defaults string // the cloud meant by none
}

// decoders are the kinds of feed, by the policy's word for them.
func decoders() map[string]decoder {
	return map[string]decoder{
		"azure": {
			version: "1",
			decode: func(raw []byte, cloud string) (*catalog.Catalog, error) {
				if cloud == AnyCloud {
					cloud = ""
				}
				return azure.Decode(raw, azure.Options{Cloud: cloud})
			},
			discover: discoverAzure,
			defaults: "public",
		},
	}
}

func discoverAzure(cloud string) fetch.Discover {
	return func(ctx context.Context, get fetch.Getter) (string, error) {
		return azure.Discover(ctx, cloud, func(ctx context.Context, url string) ([]byte, error) {
			page, err := get(ctx, url)
			return page.Body, err
		})
	}
}

// Open fetches the feed and returns its catalog. The error says what to do.
func (o *Opener) Open(ctx context.Context, spec Spec) (*Feed, error) {
	d, ok := decoders()[spec.Kind]
	if !ok {
		return nil, fmt.Errorf("feed %s: no kind of feed is called %q: use azure", spec.Name, spec.Kind)
	}
	if spec.Cloud == "" {
		spec.Cloud = d.defaults
	}
	var fresh *catalog.Catalog
	src := fetch.Source{
		Name: spec.Name, Kind: spec.Kind, Cloud: spec.Cloud, File: spec.File, URL: spec.URL, MaxAge: spec.MaxAge,
		Format: strings.Join([]string{catalog.IndexFormat, spec.Kind, d.version}, "/"),
		Check: func(raw, before []byte) (fetch.Checked, error) {
			c, err := d.decode(raw, spec.Cloud)
			if err != nil {
				return fetch.Checked{}, err
			}
			fresh = c
			if spec.File != "" { // never cached: an index would be for nothing
				return fetch.Checked{Change: c.Info().Change}, nil
			}
			if !o.AcceptChange {
				if err := guard(before, c); err != nil {
					return fetch.Checked{}, err
				}
			}
			return fetch.Checked{Compiled: c.AppendIndex(nil), Change: c.Info().Change}, nil
		},
	}
	if spec.File == "" && spec.URL == "" {
		src.Discover = d.discover(spec.Cloud)
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
	info.Source, info.SHA256, info.Fetched = result.From, result.SHA256, result.Fetched
	return &Feed{Catalog: c.WithInfo(info), Result: result}, nil
}
