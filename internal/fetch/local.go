package fetch

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
)

// fetchLocal reads a file or standard input. It is checked like a download, but never
// cached, because the user has it. What was compiled of it is kept.
func (f *Fetcher) fetchLocal(ctx context.Context, src Source, m *meter) (*Result, error) {
	from, data, err := f.readLocal(ctx, src, m)
	if err != nil {
		return nil, hinted(fmt.Errorf("reading %s: %w", from, err), hintFile)
	}
	now := f.now()
	r := &Result{From: from, Fetched: now, Checked: now}
	if r.decoded(f, src, data) {
		return r, nil
	}
	if err := r.admit(src, data, nil); err != nil {
		return nil, hinted(fmt.Errorf("%s: %w", from, err), cmp.Or(src.Fix, hintFile))
	}
	f.keepDecoded(ctx, src, r)
	return r, nil
}

func (f *Fetcher) readLocal(ctx context.Context, src Source, m *meter) (from string, data []byte, err error) {
	if src.File == "-" {
		from = "standard input"
		if first, ok := f.stdinOnce.claim(src.Name); !ok {
			return from, nil, fmt.Errorf("feed %s has read it already, and it can be read only once", first)
		}
		data, err = f.readStream(ctx, f.stdin(), from, m)
		return from, data, err
	}
	from = clean(src.File)
	info, err := os.Stat(src.File)
	switch {
	case err != nil:
		return from, nil, cause(err)
	case info.IsDir():
		return from, nil, errors.New("it is a folder, not a file")
	case info.Size() > f.maxBytes():
		return from, nil, tooLarge(f.maxBytes())
	}
	// Opening a named pipe waits for its writer, so it is done by the reader.
	lazy := &lazyFile{name: src.File}
	defer lazy.Close()
	if info.Mode().IsRegular() {
		m.say("reading "+from, info.Size())
		data, err = f.readAll(m.count(lazy), info.Size())
	} else {
		// A pipe that nobody writes to would hold up a timer's run for ever.
		limit, cancel := context.WithTimeoutCause(ctx, f.timeout(), fmt.Errorf("%w: it did not end within %s", ErrTimeout, inWords(f.timeout())))
		defer cancel()
		data, err = f.readStream(limit, lazy, from, m)
	}
	return from, data, err
}

// readStream reads what may come slowly, and gives up when ctx ends: the
// reader is then left behind, since neither a pipe nor a terminal can be told
// to stop in a portable way.
func (f *Fetcher) readStream(ctx context.Context, r io.Reader, from string, m *meter) ([]byte, error) {
	type answer struct {
		data []byte
		err  error
	}
	m.say("reading "+from, -1)
	done := make(chan answer, 1)
	go func() {
		data, err := f.readAll(m.count(r), -1)
		done <- answer{data, err}
	}()
	select {
	case a := <-done:
		return a.data, a.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// readAll reads to the end, within the limit, and unpacks.
func (f *Fetcher) readAll(r io.Reader, size int64) ([]byte, error) {
	data, err := readLimited(r, size, f.maxBytes())
	if err != nil {
		return nil, cause(err)
	}
	data, err = unpack(data, f.maxBytes())
	if err == nil && looksLikeHTML(data) {
		err = fmt.Errorf("it is %w, not a feed file", ErrWebPage)
	}
	return data, err
}

// admit takes data, which has just come, as the result's if nothing is wrong with it.
func (r *Result) admit(src Source, data, before []byte) error {
	if err := r.accept(src, data); err != nil || src.Guard == nil {
		return err
	}
	return src.Guard(before, r.SHA256)
}

// accept checks data and takes it as the result's.
func (r *Result) accept(src Source, data []byte) error {
	checked, err := src.Check(data)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(data)
	r.SHA256, r.Size = hex.EncodeToString(sum[:]), int64(len(data))
	r.Change = clean(checked.Change)
	r.raw = data
	if checked.Compiled != nil {
		r.compiled = &blob{data: checked.Compiled}
	}
	return nil
}

// cause drops the "open NAME:" of a file error, because the callers' errors name the
// file.
func cause(err error) error {
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		return p.Err
	}
	return err
}

// lazyFile opens its file on the first Read.
type lazyFile struct {
	name string
	mu   sync.Mutex
	file *os.File
}

func (l *lazyFile) Read(p []byte) (int, error) {
	if l.file == nil {
		file, err := os.Open(l.name)
		if err != nil {
			return 0, err
		}
		l.mu.Lock()
		l.file = file
		l.mu.Unlock()
	}
	return l.file.Read(p)
}

// Close may be called while another goroutine is still in Read.
func (l *lazyFile) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	return l.file.Close()
}

// onceFor gives something to the first caller.
type onceFor struct {
	mu    sync.Mutex
	taken bool
	owner string
}

// claim reports whether who owns the thing from now on, and if not, who owns it.
func (o *onceFor) claim(who string) (owner string, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.taken {
		return o.owner, false
	}
	o.taken, o.owner = true, who
	return who, true
}
