package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"

	"sallyport/internal/readfile"
)

// A user's file is read in every run and never cached, but what was compiled of it is
// kept: while the file has the same bytes, nobody has to decode them again. There is one
// blob for each path.

// fileKey names what was compiled of a file, or is empty where nothing is kept.
func (f *Fetcher) fileKey(src Source) string {
	if f.Cache == nil || src.Format == "" || src.File == "-" {
		return ""
	}
	path, err := filepath.Abs(src.File)
	if err != nil {
		return ""
	}
	return Source{Kind: "file-" + src.Kind, Cloud: src.Cloud, URL: filepath.ToSlash(path)}.key()
}

// unchanged takes what an earlier run compiled of the file as the result's, if the file has
// the same bytes: the file is read through and compared by its checksum, but not kept in
// memory. Its dates are no proof: a program can write to a file without changing them.
func (r *Result) unchanged(f *Fetcher, src Source, m *meter) bool {
	info, err := os.Stat(src.File)
	if err != nil || !info.Mode().IsRegular() || info.Size() > f.maxBytes() {
		return false
	}
	return r.decoded(f, src, info.Size(), func() (sum [sha256.Size]byte, err error) {
		file, err := readfile.Open(src.File)
		if err != nil {
			return sum, err
		}
		defer file.Close()
		m.say("reading "+r.From, info.Size())
		h := sha256.New()
		_, err = io.CopyBuffer(h, m.count(file), make([]byte, 128<<10))
		return [sha256.Size]byte(h.Sum(nil)), err
	})
}

// decoded takes what an earlier run compiled of the same bytes as the result's, and reports
// whether there is such a blob. sum is asked where bytes of the same size were compiled. A
// blob that is damaged, or of another format, is none.
func (r *Result) decoded(f *Fetcher, src Source, size int64, sum func() ([sha256.Size]byte, error)) bool {
	key := f.fileKey(src)
	if key == "" || f.Refresh {
		return false
	}
	e, err := f.Cache.get(key)
	if err != nil || e.Size != size {
		return false
	}
	if is, err := sum(); err != nil || e.SHA256 != hex.EncodeToString(is[:]) {
		return false
	}
	b, err := e.compiled(src.Format)
	if err != nil {
		return false
	}
	if src.Open != nil && src.Open(b.data) != nil {
		b.close()
		return false
	}
	r.SHA256, r.Size, r.Change, r.compiled = e.SHA256, size, e.Change, b
	return true
}

// keepDecoded keeps what was compiled of a file. Where it cannot be written, the next run
// decodes the file again.
func (f *Fetcher) keepDecoded(ctx context.Context, src Source, r *Result) {
	key := f.fileKey(src)
	if key == "" || r.compiled == nil || src.Keep != nil && !src.Keep() {
		return
	}
	m := &metaFile{Version: metaVersion, meta: meta{SHA256: r.SHA256, Size: r.Size, Change: r.Change, Fetched: r.Fetched.UTC(), Checked: r.Checked.UTC()}}
	_ = f.Cache.locked(ctx, key, func(dir string) error {
		if err := m.attach(dir, src.Format, r.Compiled()); err != nil {
			return err
		}
		return publish(dir, m)
	})
}
