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
	now := f.now()
	r := &Result{From: clean(src.File), Fetched: now, Checked: now}
	if src.File == "-" {
		r.From = "standard input"
	} else if r.unchanged(f, src, m) {
		return r, nil
	}
	data, err := f.readLocal(ctx, src, r.From, m)
	if err != nil {
		return nil, hinted(fmt.Errorf("reading %s: %w", r.From, err), hintFile)
	}
	if r.decoded(f, src, int64(len(data)), func() ([sha256.Size]byte, error) { return sha256.Sum256(data), nil }) { // a packed file
		return r, nil
	}
	if err := r.admit(src, data, nil); err != nil {
		return nil, hinted(fmt.Errorf("%s: %w", r.From, err), cmp.Or(src.Fix, hintFile))
	}
	f.keepDecoded(ctx, src, r)
	return r, nil
}

// readLocal reads the file or standard input, which messages call from.
func (f *Fetcher) readLocal(ctx context.Context, src Source, from string, m *meter) ([]byte, error) {
	if src.File == "-" {
		if first, ok := f.stdinOnce.claim(src.Name); !ok {
			return nil, fmt.Errorf("feed %s has read it already, and it can be read only once", first)
		}
		return f.readStream(ctx, f.stdin(), from, m)
	}
	info, err := os.Stat(src.File)
	switch {
	case err != nil:
		return nil, cause(err)
	case info.IsDir():
		return nil, errors.New("it is a folder, not a file")
	case info.Size() > f.maxBytes():
		return nil, tooLarge(f.maxBytes())
	}
	// Opening a named pipe waits for its writer, so it is done by the reader.
	lazy := &lazyFile{name: src.File}
	defer lazy.Close()
	if info.Mode().IsRegular() {
		m.say("reading "+from, info.Size())
		return f.readAll(m.count(lazy), info.Size())
	}
	// A pipe that nobody writes to would hold up a timer's run for ever.
	limit, cancel := context.WithTimeoutCause(ctx, f.timeout(), fmt.Errorf("%w: it did not end within %s", ErrTimeout, inWords(f.timeout())))
	defer cancel()
	return f.readStream(limit, lazy, from, m)
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
