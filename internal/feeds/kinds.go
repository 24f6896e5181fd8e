package feeds

import (
	"context"
	"fmt"
	"strings"
	"time"

	"sallyport/internal/fetch"
	"sallyport/ipranges/azure"
	"sallyport/ipranges/catalog"
	"sallyport/ipranges/m365"
	"sallyport/ipranges/text"
)

// decoder is how feeds of a kind are found and decoded.
type decoder struct {
	version  string // of the decoder: raise it when it accepts or makes something else
	decode   func(raw []byte, cloud string) (*catalog.Catalog, error)
	checkEnd func(raw []byte) error   // says whether a file is whole, if decode cannot tell; nil: decode can
	accept   string                   // media type to ask for; "": JSON
	fix      string                   // what to do about a file that is refused; "": pass the published one
	cloud    func(word string) string // the policy's word for the file's; nil: they are the same

	// remote says how to get the published file; nil: there is none.
	remote func(cloud string) (remote, error)
}

// remote is where a published file is.
type remote struct {
	discover fetch.Discover
	version  fetch.Version // asks for the current version first; nil: the file itself is asked for
	pause    time.Duration // how long the publisher wants to be left alone
}

// decoders are the kinds of feed, by the policy's word for them.
func decoders() map[string]decoder {
	return map[string]decoder{
		"azure": {
			version: "1",
			decode: func(raw []byte, cloud string) (*catalog.Catalog, error) {
				return azure.Decode(raw, azure.Options{Cloud: known(cloud)})
			},
			cloud:  azureCloud,
			remote: remoteAzure,
		},
		"m365": {
			version: "1",
			decode: func(raw []byte, cloud string) (*catalog.Catalog, error) {
				return m365.Decode(raw, m365.Options{Instance: known(cloud)})
			},
			remote: remoteM365,
		},
		"text": {
			version: "2",
			decode: func(raw []byte, _ string) (*catalog.Catalog, error) {
				return text.Decode(raw, text.Limits{})
			},
			accept:   "text/plain",
			checkEnd: text.CheckEnd,
			fix:      "pass another list with --feed %s=FILE",
		},
	}
}

// CheckCloud says whether a kind of feed, one of those of package kinds, has a cloud of that
// name. The error lists those that it has.
func CheckCloud(kind, cloud string) error {
	remote := decoders()[kind].remote
	if remote == nil {
		return fmt.Errorf("feeds of kind %s have no clouds: leave it out", kind)
	}
	_, err := remote(cloud)
	return err
}

func known(cloud string) string {
	if cloud == AnyCloud {
		return ""
	}
	return cloud
}

func azureCloud(word string) string {
	for _, c := range azure.Clouds {
		if c.FileCloud == word {
			return c.Name
		}
	}
	return word
}

func remoteAzure(cloud string) (remote, error) {
	if _, err := azure.FindCloud(cloud); err != nil {
		return remote{}, err
	}
	return remote{discover: func(ctx context.Context, get fetch.Getter) (string, error) {
		return azure.Discover(ctx, cloud, func(ctx context.Context, url string) ([]byte, error) {
			page, err := get(ctx, url)
			return page.Body, err
		})
	}}, nil
}

// remoteM365 follows the rules of the web service: the version first and at most
// once an hour, the endpoints only when it is new. The id that goes with each
// request is random in each run and kept nowhere.
func remoteM365(instance string) (remote, error) {
	i, err := m365.FindInstance(instance)
	if err != nil {
		return remote{}, err
	}
	id := m365.NewRequestID()
	return remote{
		discover: func(context.Context, fetch.Getter) (string, error) { return i.EndpointsURL(id), nil },
		version: func(ctx context.Context, get fetch.Getter) (string, error) {
			page, err := get(ctx, i.VersionURL(id))
			if err != nil {
				return "", err
			}
			return i.DecodeVersion(page.Body)
		},
		pause: m365.Poll,
	}, nil
}

// source says where the feed of spec comes from. The caller adds the functions that
// check it.
func (d decoder) source(spec catalog.FeedSpec) (fetch.Source, error) {
	src := fetch.Source{
		Name: spec.Name, Kind: spec.Kind, Cloud: spec.Cloud, File: spec.File, URL: spec.URL, MaxAge: spec.MaxAge,
		Accept: d.accept, Fix: d.fix, ShowsEnd: d.checkEnd == nil,
		Format: strings.Join([]string{catalog.IndexFormat, spec.Kind, d.version}, "/"),
	}
	switch {
	case spec.File != "" || spec.URL != "":
	case d.remote == nil:
		return src, fmt.Errorf("feed %s: a feed of kind %s has no published file: name a file or an https address", spec.Name, spec.Kind)
	default:
		r, err := d.remote(spec.Cloud)
		if err != nil {
			return src, fmt.Errorf("feed %s: %w", spec.Name, err)
		}
		src.Discover, src.Version, src.Pause = r.discover, r.version, r.pause
	}
	return src, nil
}
