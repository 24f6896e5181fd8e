package fetch

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strings"
)

// key names the cached copy of a feed. It is readable, and different for each kind,
// cloud and address.
func (s Source) key() string {
	address := s.URL
	if u, err := url.Parse(s.URL); err == nil {
		address = urlHash(u)
	}
	sum := sha256.Sum256([]byte(s.Kind + "\x00" + s.Cloud + "\x00" + address))
	readable := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(s.Kind+"-"+s.Cloud))
	return fmt.Sprintf("%.40s-%x", readable, sum[:8])
}

// cached returns the newest copy that is whole, or nil, and notes on the damaged
// copies.
func (f *Fetcher) cached(ctx context.Context, src Source) (have *Result, notes []Note) {
	if f.Cache == nil {
		return nil, nil
	}
	key := src.key()
	for _, c := range []struct {
		get    func(string) (*entry, error)
		newest bool
	}{{f.Cache.get, true}, {f.Cache.previous, false}} {
		r, err := f.openCopy(ctx, src, key, c.get, c.newest)
		if err == nil {
			notes = append(notes, r.Notes...)
			r.Notes = nil
			return r, notes
		}
		if !errors.Is(err, fs.ErrNotExist) {
			notes = append(notes, Note{Warning: true, Text: clean(fmt.Sprintf("cached copy not used: %v", err))})
		}
	}
	return nil, notes
}

// openCopy opens a copy by its blob, or else by the file itself. The error is
// fs.ErrNotExist where there is no copy.
func (f *Fetcher) openCopy(ctx context.Context, src Source, key string, get func(string) (*entry, error), newest bool) (*Result, error) {
	e, err := get(key)
	if err != nil {
		return nil, err
	}
	r, err := f.openEntry(ctx, src, key, e, newest)
	if err == nil {
		return r, nil
	}
	// A writer may have published twice since the entry was read, and removed
	// its files. Then there is a newer entry, which is whole.
	if again, againErr := get(key); againErr == nil && again.SHA256 != e.SHA256 {
		return f.openEntry(ctx, src, key, again, newest)
	}
	// The entry exists, so that a missing file is damage, and not a copy that does not
	// exist.
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: %v", ErrDamaged, err)
	}
	return nil, err
}

func (f *Fetcher) openEntry(ctx context.Context, src Source, key string, e *entry, newest bool) (*Result, error) {
	r := &Result{
		From: e.URL, SHA256: e.SHA256, Size: e.Size, Change: e.Change,
		Fetched: e.Fetched, Checked: e.Checked, ETag: e.ETag, LastModified: e.LastModified,
		FromCache: true, entry: e, newest: newest, unproven: e.Unproven,
	}
	b, err := e.compiled(src.Format)
	if err == nil && src.Open != nil {
		if err = src.Open(b.data); err != nil {
			b.close()
		}
	}
	if err == nil {
		r.compiled = b
		return r, nil
	}
	if !errors.Is(err, errNoCompiled) {
		r.warn(fmt.Sprintf("the index of the cached copy is made anew: %v", err))
	}
	raw, err := e.raw()
	if err != nil {
		return nil, err
	}
	if err := r.accept(src, raw); err != nil {
		return nil, fmt.Errorf("it is refused: %w", err)
	}
	if r.Change == "" { // the file does not say; its origin once did
		r.Change = e.Change
	}
	if newest && r.compiled != nil && src.Format != "" {
		if err := f.Cache.recompile(ctx, key, r.SHA256, r.Compiled(), src.Format, r.Change); err != nil {
			r.warn(fmt.Sprintf("the cache can't be written, so that every run parses the feed anew: %v", err))
		}
	}
	return r, nil
}

// store publishes a download in the cache. If that fails, the result gets a warning.
func (f *Fetcher) store(ctx context.Context, src Source, r *Result, u *url.URL) {
	if f.Cache == nil {
		return
	}
	info := meta{
		URL: shown(u), URLHash: urlHash(u), ETag: r.ETag, LastModified: r.LastModified,
		Fetched: r.Fetched.UTC(), Checked: r.Checked.UTC(), Change: r.Change, Unproven: r.unproven,
	}
	if err := f.Cache.put(ctx, src.key(), r.raw, r.Compiled(), src.Format, info); err != nil {
		r.warn(fmt.Sprintf("the cache can't be written, so that the next run downloads again: %v", err))
	}
}

// confirm notes that the origin still has the copy at hand.
func (f *Fetcher) confirm(ctx context.Context, src Source, have *Result, a *answer) {
	have.Checked, have.Stale = f.now(), false
	if a.etag != "" {
		have.ETag = a.etag
	}
	if a.lastModified != "" {
		have.LastModified = a.lastModified
	}
	err := f.Cache.confirm(ctx, src.key(), meta{
		SHA256: have.SHA256, Checked: have.Checked.UTC(), ETag: have.ETag, LastModified: have.LastModified,
		Change: have.Change, Unproven: have.unproven,
	})
	if err != nil {
		have.warn(fmt.Sprintf("the cache can't be written, so that the next run asks again: %v", err))
	}
}
