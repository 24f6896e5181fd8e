package fetch

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"
)

// Kinds of failure that a caller may ask for with errors.Is.
var (
	ErrNoCopy   = errors.New("no earlier copy is in the cache")
	ErrTooStale = errors.New("the last good copy is too old")
	ErrTooLarge = errors.New("larger than the limit")
	ErrEmpty    = errors.New("it is empty (0 bytes)")
	ErrTimeout  = errors.New("no answer in time")
	ErrDamaged  = errors.New("damaged")
	ErrNotHTTPS = errors.New("not an https address")
	ErrWebPage  = errors.New("a web page")
)

// Hints: what to do, as the end of an error.
const (
	hintByHand   = "download the file by hand and pass it with --feed %s=FILE"
	hintOffline  = "download the file by hand and pass it with --feed %s=FILE, or use the old copy with --offline"
	hintClock    = "set the clock, or use the copy with --offline, or pass the file with --feed %s=FILE"
	hintOnline   = "run once without --offline, or pass the file with --feed %s=FILE"
	hintFile     = "pass the published file, as it was downloaded, with --feed %s=FILE"
	hintInsecure = "use its https address, or allow http with --insecure"
)

// Error is a failed fetch. Its text is safe to print on a terminal.
type Error struct {
	Feed string // the feed's label
	Err  error  // what is wrong
	Hint string // what to do
}

func (e *Error) Error() string {
	return cleanLines(fmt.Sprintf("feed %s: %v: %s", e.Feed, e.Err, e.Hint))
}

func (e *Error) Unwrap() error { return e.Err }

// hintedError carries the hint from where the cause is known to Fetch.
type hintedError struct {
	error
	hint string
}

func (e hintedError) Unwrap() error { return e.error }

// hinted says what to do about err; an inner hint is nearer the cause and wins.
func hinted(err error, hint string) error {
	if h := (hintedError{}); errors.As(err, &h) {
		return err
	}
	return hintedError{err, hint}
}

// WithHint adds to err what to do about it, in place of Fetch's own hint.
func WithHint(err error, hint string) error { return hinted(err, hint) }

func feedError(feed string, err error) error {
	hint := hintByHand
	if h := (hintedError{}); errors.As(err, &h) {
		hint = h.hint
	}
	if strings.Contains(hint, "%s") {
		hint = fmt.Sprintf(hint, feed)
	}
	return &Error{Feed: feed, Err: err, Hint: hint}
}

// StatusError is an answer that was neither the file nor "not modified".
type StatusError struct {
	Code       int
	Status     string        // code and reason as sent, made safe to print
	RetryAfter time.Duration // what the server asked for, 0 if it did not
}

func (e *StatusError) Error() string {
	s := "the server answered " + e.Status
	if e.RetryAfter > 0 {
		s += ", and to ask again in " + inWords(e.RetryAfter)
	}
	return s
}

// temporary reports whether a later try may get another answer.
func (e *StatusError) temporary() bool {
	switch e.Code {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests,
		http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// lastingError is an error that another try would meet again.
type lastingError struct{ error }

func (e lastingError) Unwrap() error { return e.error }

func lasting(err error) error { return lastingError{err} }

// maxForeign is the longest foreign text, in runes, that a message quotes.
const maxForeign = 200

// clean makes one line out of text that a stranger may have written, so that it can
// neither steer a terminal nor pass for a line of sallyport.
func clean(s string) string {
	return strings.Join(strings.Fields(strings.Map(printable, s)), " ")
}

// cleanLines is clean for text that may have several lines.
func cleanLines(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' {
			return r
		}
		return printable(r)
	}, s)
}

// foreign is clean for a single value from a server, which is cut if long.
func foreign(s string) string {
	s = clean(s)
	n := 0
	for i := range s {
		if n++; n > maxForeign {
			return s[:i] + "..."
		}
	}
	return s
}

// printable replaces control characters and the invisible format characters
// (Unicode Cf: bidirectional overrides and the like) by a space.
func printable(r rune) rune {
	if r == unicode.ReplacementChar || unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
		return ' '
	}
	return r
}

// inWords writes a duration for people: "3 days", "1 hour", "20 seconds".
func inWords(d time.Duration) string {
	const day = 24 * time.Hour
	n, unit := int64(d/time.Second), "second"
	switch {
	case d >= 2*day:
		n, unit = int64(d/day), "day"
	case d >= 2*time.Hour:
		n, unit = int64(d/time.Hour), "hour"
	case d >= 2*time.Minute:
		n, unit = int64(d/time.Minute), "minute"
	case d < time.Second:
		return "less than a second"
	}
	if n != 1 {
		unit += "s"
	}
	return fmt.Sprintf("%d %s", n, unit)
}
