package fetch

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// fetchRemote gets a feed that has an address: from the cache if the copy is fresh or
// has to be used, else from its origin.
func (f *Fetcher) fetchRemote(ctx context.Context, src Source, m *meter) (*Result, error) {
	m.say("opening the cached copy", -1)
	have, notes := f.cached(ctx, src)
	r, err := f.choose(ctx, src, have, m)
	if err != nil {
		have.Close()
		// Damage of the cache is part of the reason why there is no copy to use.
		for _, n := range notes {
			err = fmt.Errorf("%w; %s", err, n.Text)
		}
		return nil, err
	}
	// A copy that was replaced stays mapped: Open or Check may have kept it by
	// mistake, and it happens only as often as a feed changes.
	r.Notes = append(notes, r.Notes...)
	return r, nil
}

// choose decides between the copy at hand, which may be nil, and the origin.
func (f *Fetcher) choose(ctx context.Context, src Source, have *Result, m *meter) (*Result, error) {
	now := f.now()
	if have != nil {
		have.Stale = !fresh(have, now, f.maxAge(src))
		if have.ahead(now) {
			have.warn(fmt.Sprintf("the cached copy was %s: the clock is wrong, or was when it was fetched", have.history(now)))
		}
	}
	switch {
	case f.Offline && have == nil:
		return nil, hinted(fmt.Errorf("nothing is fetched while offline, and %w", ErrNoCopy), hintOnline)
	case f.Offline:
		have.Notes = append(have.Notes, Note{Warning: have.Stale, ID: "not-refreshed", Text: "offline: using the copy " + have.history(now)})
		return have, nil
	case have != nil && have.newest && !have.Stale && !f.Refresh:
		return have, nil
	case have != nil && have.newest && fresh(have, now, src.Pause):
		have.note(fmt.Sprintf("not asked again: its origin wants to be asked once in %s, and the copy was %s", inWords(src.Pause), have.history(now)))
		return have, nil
	}
	if left := f.resting(src, now); left > 0 {
		return f.fallBack(ctx, src, have, fmt.Errorf("its origin wants to be left alone for another %s (429, too many requests)", inWords(left)))
	}
	r, err := f.refresh(ctx, src, have, m)
	if err != nil {
		f.rest(ctx, src, err)
		return f.fallBack(ctx, src, have, err)
	}
	return r, nil
}

// rest remembers, for later runs, an answer of 429 from an origin that then wants
// to be left alone.
func (f *Fetcher) rest(ctx context.Context, src Source, err error) {
	var status *StatusError
	if src.Pause <= 0 || f.Cache == nil || !errors.As(err, &status) || status.Code != http.StatusTooManyRequests {
		return
	}
	// Without a cache that can be written, the next run asks too early: that is the only
	// harm, and the error at hand is the one to report.
	_ = f.Cache.rest(ctx, src.key(), f.now().Add(min(max(src.Pause, status.RetryAfter), maxRest)))
}

// maxRest bounds how long an origin is left alone: a clock that was wrong must not
// cut a feed off for years.
const maxRest = 24 * time.Hour

// resting is how long the origin is still to be left alone; 0: not at all.
func (f *Fetcher) resting(src Source, now time.Time) time.Duration {
	if src.Pause <= 0 || f.Cache == nil {
		return 0
	}
	left := f.Cache.restsUntil(src.key()).Sub(now)
	if left > maxRest {
		return 0
	}
	return max(0, left)
}

// fresh tells whether the origin was asked recently. A time in the future means that
// the clock was set back: the origin is asked.
func fresh(r *Result, now time.Time, maxAge time.Duration) bool {
	age := now.Sub(r.Checked)
	return age >= 0 && age < maxAge
}

// maxAhead is how far in the future the time of a copy may be for it to count as new:
// clocks are set back, but not by much.
const maxAhead = 24 * time.Hour

// ahead reports whether the time of a copy is too far in the future, so that its age is
// not known.
func (r *Result) ahead(now time.Time) bool { return r.Checked.Sub(now) > maxAhead }

// history tells how old a copy is.
func (r *Result) history(now time.Time) string {
	s := "fetched " + when(r.Fetched, now)
	if r.Checked.Sub(r.Fetched) >= time.Minute {
		s += ", confirmed " + when(r.Checked, now)
	}
	if r.Change != "" {
		s += " (" + r.Change + ")"
	}
	return s
}

func when(t, now time.Time) string {
	if t.After(now) {
		return inWords(t.Sub(now)) + " in the future"
	}
	return inWords(now.Sub(t)) + " ago"
}

// refresh asks the origin, and keeps what is good.
func (f *Fetcher) refresh(ctx context.Context, src Source, have *Result, m *meter) (*Result, error) {
	u, err := f.address(ctx, src, m)
	if err != nil {
		return nil, err
	}
	version, err := f.version(ctx, src, m)
	if err != nil {
		return nil, err
	}
	if version != "" && have != nil && have.newest && have.Change == version && !have.unproven {
		f.confirm(ctx, src, have, &answer{})
		return have, nil
	}
	req := request{url: u, accept: src.Accept, pause: src.Pause, whole: !src.ShowsEnd}
	if have != nil && have.newest && have.entry.URLHash == urlHash(u) {
		req.etag, req.date = have.ETag, have.LastModified
	}
	a, err := f.get(ctx, req, m)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", shown(u), err)
	}
	if a.notModified {
		have.label(version, have)
		f.confirm(ctx, src, have, a)
		return have, nil
	}
	now := f.now()
	r := &Result{From: shown(u), Fetched: now, Checked: now, ETag: a.etag, LastModified: a.lastModified}
	var before []byte
	if have != nil {
		before = have.Compiled()
	}
	if err := r.admit(src, a.body, before); err != nil {
		return nil, fmt.Errorf("%s: the file is refused: %w", shown(u), err)
	}
	r.label(version, have)
	if have != nil {
		r.WarnOlder(have.Change)
	}
	if a.final.Host != u.Host {
		r.note(fmt.Sprintf("%s redirected to %s", u.Host, a.final.Host))
	}
	f.store(ctx, src, r, u)
	return r, nil
}

// label says which version r is of, which its origin has just sent, and whether that is
// still to be proven. version is what the origin calls the current one, or "" where
// nobody asks; have is the copy at hand, which may be nil or r itself.
//
// The version and the file come from different servers, which may be late: a file that
// is known as another version's is still of that one, so that the next run asks again.
// A file that is new may be of the version before or after it, and is known for what it
// is when it comes twice.
func (r *Result) label(version string, have *Result) {
	same := have != nil && have.newest && have.SHA256 == r.SHA256
	switch {
	case version == "":
	case same && !have.unproven:
		r.Change, r.unproven = have.Change, false
		if version != r.Change {
			r.note(fmt.Sprintf("its origin speaks of version %s, and still sends the file of %s: the next run asks again", version, r.Change))
		}
	default:
		r.Change, r.unproven = version, !same || have.Change != version
	}
}

// address finds where the feed's file is.
func (f *Fetcher) address(ctx context.Context, src Source, m *meter) (*url.URL, error) {
	address := src.URL
	if address == "" {
		var err error
		address, err = src.Discover(ctx, func(ctx context.Context, page string) (Page, error) {
			return f.getPage(ctx, page, request{accept: "text/html", pause: src.Pause}, m)
		})
		if err != nil {
			return nil, fmt.Errorf("finding the current file: %w", err)
		}
	}
	return f.parseURL(address)
}

// version is the current version by the word of the origin, or "" where nobody
// asks for it.
func (f *Fetcher) version(ctx context.Context, src Source, m *meter) (string, error) {
	if src.Version == nil {
		return "", nil
	}
	version, err := src.Version(ctx, func(ctx context.Context, page string) (Page, error) {
		return f.getPage(ctx, page, request{accept: src.Accept, pause: src.Pause}, m)
	})
	if err == nil && version == "" {
		err = errors.New("the answer names none")
	}
	if err != nil {
		return "", fmt.Errorf("asking for the current version: %w", err)
	}
	return foreign(version), nil
}

// getPage reads a page as req says, whose address it fills in.
func (f *Fetcher) getPage(ctx context.Context, page string, req request, m *meter) (Page, error) {
	u, err := f.parseURL(page)
	if err != nil {
		return Page{}, err
	}
	req.url, req.page = u, true
	a, err := f.get(ctx, req, m)
	if err != nil {
		return Page{}, fmt.Errorf("%s: %w", shown(u), err)
	}
	return Page{URL: a.final.String(), ContentType: a.contentType, Body: a.body}, nil
}

// fallBack lets the last good copy stand in for a refresh that failed with
// err, if it is not too old.
func (f *Fetcher) fallBack(ctx context.Context, src Source, have *Result, err error) (*Result, error) {
	now := f.now()
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return nil, err // the caller stopped the run: an old copy is no answer to that
	case have == nil && f.Cache != nil:
		return nil, fmt.Errorf("%w; %w", err, ErrNoCopy)
	case have == nil:
		return nil, err
	case have.ahead(now):
		return nil, hintedError{fmt.Errorf("%w; the age of the last good copy is not known: it was %s", err, have.history(now)), hintClock}
	case have.Age(now) >= setting(f.MaxStale, DefaultMaxStale):
		return nil, hintedError{fmt.Errorf("%w; %w: %s", err, ErrTooStale, have.history(now)), hintOffline}
	}
	have.Problem = feedError(src.Name, err)
	have.warnOf("not-refreshed", fmt.Sprintf("not refreshed: %v: using the copy %s", err, have.history(now)))
	return have, nil
}
