// Package fetch gets a published feed file as bytes: from a file, from
// standard input, or from a URL, and keeps the good copies in a cache.
//
// It knows nothing of what is in a feed. A [Source] says where the file is, or
// how today's address is found (Discover), and judges what came (Check). Check
// also compiles: it may hand back an opaque blob, such as a binary index, that
// is kept beside the file, so that a later run need not parse it again.
//
// A download takes this way:
//
//	cached copy confirmed within MaxAge? ── yes ─> use it; nothing is sent
//	      │ no
//	find the address, ask for the version, or
//	for the file with ETag and date ── the same ─> use the copy, note the time
//	      │ another
//	size, type, gzip, BOM ─> Check ── good ─> publish in the cache, use it
//	      │ anything failed
//	last good copy confirmed within MaxStale? ── yes ─> use it, with a warning
//	      │ no
//	error that says how to go on by hand
//
// A bad download never replaces a good copy. [Result].Notes says what is used instead
// of a fresh file, and why.
//
// The cache trusts its folder: checksums find incomplete and damaged files, but not
// those of a forger who can write to the folder. Only its owner can read and write it.
package fetch

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

// Defaults of the settings of a [Fetcher].
const (
	DefaultMaxBytes      = 64 << 20
	DefaultTimeout       = 2 * time.Minute
	DefaultRetries       = 3
	DefaultBackoffMin    = 500 * time.Millisecond
	DefaultBackoffMax    = 10 * time.Second
	DefaultMaxWait       = time.Minute
	DefaultMaxAge        = 24 * time.Hour
	DefaultMaxStale      = 30 * 24 * time.Hour
	DefaultProgressAfter = time.Second
)

// Fetcher holds the settings with which feeds are fetched. The zero value works,
// without a cache. It must not be copied or changed after its first use, and may then
// be used by several goroutines at once.
type Fetcher struct {
	Cache   *Cache // where copies are kept; nil keeps none
	Offline bool   // use the cached copy however old; send nothing
	Refresh bool   // ask the origin even where the copy is younger than MaxAge

	Insecure bool          // allow http; a redirect from https to http is refused all the same
	MaxBytes int64         // limit of a file, as sent and unpacked; 0: DefaultMaxBytes
	Timeout  time.Duration // of one try, first to last byte; a quarter of it is the longest silence; 0: DefaultTimeout

	Retries    int           // tries after the first; 0: DefaultRetries, negative: none
	BackoffMin time.Duration // wait before the first retry, doubled for each further one; 0: default
	BackoffMax time.Duration // longest wait without a Retry-After; 0: default
	MaxWait    time.Duration // longest Retry-After that is waited for; a longer one ends the tries; 0: default

	MaxAge   time.Duration // a copy confirmed within this is used without asking; 0: default, negative: always ask
	MaxStale time.Duration // a copy this old may still stand in when a refresh fails; 0: default, negative: none may

	Progress      func(feed string) Progress // is told of a fetch that takes longer than ProgressAfter; nil: nobody
	ProgressAfter time.Duration              // 0: DefaultProgressAfter

	UserAgent string            // "" is "sallyport"
	Stdin     io.Reader         // what the file name "-" reads; nil: os.Stdin
	Transport http.RoundTripper // nil: one that honours the proxy variables
	Now       func() time.Time  // nil: time.Now

	clientOnce sync.Once
	httpClient *http.Client
	stdinOnce  onceFor
}

// Source says where one feed comes from and what a good file is. The first of
// File, URL and Discover that is set is used.
type Source struct {
	Name string // the feed's label, for messages

	// Kind, Cloud and URL together identify the cached copy.
	Kind, Cloud string

	File     string   // a file's name, or "-" for standard input; never cached, but for what was compiled of it
	URL      string   // the file's address
	Discover Discover // finds the file's address

	// Version, if set, asks the origin which version of the file is current,
	// before the file is asked for. The version is the Change of what is downloaded,
	// and a copy of that version counts as confirmed without another request: from
	// the second download on, if both are the same. The first may have come from a
	// server that was late, and sent the file of an older version.
	Version Version

	Accept string        // media type to ask for; "" is application/json
	Fix    string        // what to do about a user's file that is refused; "%s" is the feed's label; "" for a published file
	MaxAge time.Duration // instead of Fetcher.MaxAge where not 0

	// Pause is how long the origin wants to be left alone. A copy that was
	// confirmed within it is used even with Fetcher.Refresh. An answer of 429
	// (too many requests) is not tried again if MaxWait is shorter, and with a
	// Cache it keeps later runs from asking for as long.
	Pause time.Duration

	// Format names the layout of the compiled blob and whatever else it
	// depends on, such as the decoder's options and version. A blob of
	// another format is not used but compiled anew from the kept file.
	Format string

	// Check judges a file and compiles it. raw is unpacked, without a byte
	// order mark, and must not be changed. A nil Check accepts everything.
	Check func(raw []byte) (Checked, error)

	// Guard, if set, may refuse a file that Check has just accepted and that is new: not
	// on a copy in the cache that is compiled anew. before is the blob of the good copy
	// that the file would replace, or nil; it serves to refuse a sudden change, and must
	// not be kept. sha256 is the file's, in hex.
	Guard func(before []byte, sha256 string) error

	// Keep, if set, says whether what was compiled of a user's file may be kept: then Guard
	// is not asked about the same bytes again.
	Keep func() bool

	// ShowsEnd says that Check sees it when a file is cut short. For other files, an
	// answer has to say where it ends.
	ShowsEnd bool

	// Open, if set, judges a blob that was read from the cache, and must not
	// keep it: what is used in the end is Result.Compiled. On an error the blob
	// is compiled anew.
	Open func(compiled []byte) error
}

// Checked is what a [Source]'s Check found in a good file.
type Checked struct {
	Compiled []byte // opaque; owned by fetch from then on; nil for none
	Change   string // the feed's own word for its version, such as "change 398"
}

// Discover finds the address of the current file, as a rule by reading a
// download page through get. Its error should say what was looked for and where;
// Fetch adds how to pass the file by hand.
type Discover func(ctx context.Context, get Getter) (url string, err error)

// Version asks the origin for the name of the current version of a file, through
// get. What it returns must not be empty without an error.
type Version func(ctx context.Context, get Getter) (string, error)

// Getter reads a page under the rules of the Fetcher: https, limits, retries.
type Getter func(ctx context.Context, url string) (Page, error)

// Page is a page as read by a [Getter].
type Page struct {
	URL         string // where it was read in the end, after redirects
	ContentType string // as sent, made safe to print
	Body        []byte
}

// Note is something that the user should be told about a fetch that worked.
type Note struct {
	Warning bool   // not what was asked for: an old copy, a damaged or unwritable cache
	ID      string // of a warning about the feed, one of Warnings; empty for those about this machine
	Text    string // safe to print; lower case, without the feed's name
}

// Result is a feed file that passed its Check.
type Result struct {
	Name    string    // the feed's label
	From    string    // file name, "standard input", or the address without its secrets
	SHA256  string    // of the data as used (unpacked), in hex
	Size    int64     // of the data, in bytes
	Change  string    // as Check said
	Newer   string    // the Change of the file that was used before this one, if that is newer
	Fetched time.Time // when the bytes came from their origin
	Checked time.Time // when the origin last confirmed that they are current

	ETag, LastModified string // as sent, for a download

	FromCache bool   // the bytes come from the cache folder
	Stale     bool   // the origin has not confirmed them within MaxAge
	Notes     []Note // what to tell the user, in order
	Problem   error  // an *Error: why the origin's file is not used; nil unless an older copy stands in

	raw      []byte
	entry    *entry
	newest   bool // the entry is the newest, not the one before it
	unproven bool // see meta
	compiled *blob
}

// Compiled returns the blob that Check made of this file, or nil if it made
// none. It may be mapped from a file, and then starts at an address that is a
// multiple of eight: it must not be changed, and not used after Close.
func (r *Result) Compiled() []byte {
	if r.compiled == nil {
		return nil
	}
	return r.compiled.data
}

// Close releases what Compiled returned. A program that ends soon need not call it.
func (r *Result) Close() error {
	if r == nil {
		return nil
	}
	b := r.compiled
	r.compiled = nil
	return b.close()
}

// Age is how long ago the origin last confirmed the data, never negative.
func (r *Result) Age(now time.Time) time.Duration { return max(0, now.Sub(r.Checked)) }

// Warnings are those about a feed that can come and go from day to day, by IDs that
// never change. Warnings about the machine, such as a cache that cannot be written,
// have none: a policy cannot accept them.
var Warnings = map[string]string{
	"not-refreshed": "the feed could not be fetched, and an earlier copy is used",
	"older-feed":    "the feed is older than the one before",
}

func (r *Result) warnOf(id, text string) {
	r.Notes = append(r.Notes, Note{Warning: true, ID: id, Text: clean(text)})
}

func (r *Result) note(text string) { r.Notes = append(r.Notes, Note{Text: clean(text)}) }
func (r *Result) warn(text string) {
	r.Notes = append(r.Notes, Note{Warning: true, Text: clean(text)})
}

// Fetch gets the feed of src. The error is an [*Error] and says what to do.
func (f *Fetcher) Fetch(ctx context.Context, src Source) (*Result, error) {
	if src.Check == nil {
		src.Check = func([]byte) (Checked, error) { return Checked{}, nil }
	}
	if src.Accept == "" {
		src.Accept = "application/json"
	}
	m := f.startMeter(src.Name)
	defer m.stop()

	var r *Result
	var err error
	switch {
	case src.File != "":
		r, err = f.fetchLocal(ctx, src, m)
	case src.URL != "" || src.Discover != nil:
		r, err = f.fetchRemote(ctx, src, m)
	default:
		err = hinted(errors.New("no file, address or download page is given"), hintByHand)
	}
	if err != nil {
		return nil, feedError(src.Name, err)
	}
	r.Name = src.Name
	return r, nil
}

func (f *Fetcher) now() time.Time {
	if f.Now != nil {
		return f.Now()
	}
	return time.Now()
}

func (f *Fetcher) stdin() io.Reader {
	if f.Stdin != nil {
		return f.Stdin
	}
	return os.Stdin
}

// setting returns v, or the default where v is the zero value.
func setting[T int | int64 | time.Duration](v, standard T) T {
	if v == 0 {
		return standard
	}
	return v
}

func (f *Fetcher) maxBytes() int64 { return setting(f.MaxBytes, DefaultMaxBytes) }

func (f *Fetcher) timeout() time.Duration { return setting(f.Timeout, DefaultTimeout) }

func (f *Fetcher) maxAge(src Source) time.Duration {
	return setting(setting(src.MaxAge, f.MaxAge), DefaultMaxAge)
}
