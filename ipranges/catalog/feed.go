package catalog

import (
	"strings"
	"time"
)

// FeedSpec says which feed is meant, and where its file is. At most one of File and URL is
// set. If none is, the feed is the file that its publisher has now.
type FeedSpec struct {
	Name   string        // its name in the policy, for messages
	Kind   string        // such as "azure"
	Cloud  string        // the publisher's part of the world; empty: the kind's usual one
	File   string        // a path, or "-" for standard input
	URL    string        // https, or http where the caller allows it
	MaxAge time.Duration // how old a cached copy may be; zero: the default
}

// From returns s with another place to read from: a file, "-" or an address.
func (s FeedSpec) From(place string) FeedSpec {
	s.File, s.URL = place, ""
	if strings.HasPrefix(place, "https://") || strings.HasPrefix(place, "http://") {
		s.File, s.URL = "", place
	}
	return s
}
