package main

import (
	"slices"
	"strings"

	"sallyport/internal/feeds"
)

// acceptFlag is the value of --accept-feed-change: accept any file, or only files with the
// given checksums.
type acceptFlag struct {
	any  bool
	sums []string
}

const acceptAny = "any"

// Set adds a checksum, or acceptAny.
func (a *acceptFlag) Set(text string) error {
	if text == acceptAny {
		a.any = true
		return nil
	}
	if err := feeds.CheckAccept(text); err != nil {
		return err
	}
	if !slices.Contains(a.sums, text) { // cobra parses the flags twice for completion
		a.sums = append(a.sums, text)
	}
	return nil
}

func (a *acceptFlag) String() string { return strings.Join(a.sums, ",") }

// Type is the type of the value in help.
func (a *acceptFlag) Type() string { return "SHA256" }
