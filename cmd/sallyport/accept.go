package main

import (
	"slices"
	"strings"

	"sallyport/internal/feeds"
)

// acceptFlag is the value of --accept-feed-change: any file, or those with the checksums
// that are given with =.
type acceptFlag struct {
	any  bool
	sums []string
}

const acceptAny = "any"

// Set takes a checksum, or acceptAny where none is given.
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

// Type is the kind of the value, for pflag.
func (a *acceptFlag) Type() string { return "SHA256" }
