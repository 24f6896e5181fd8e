package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
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

// decoded takes what an earlier run compiled of the same bytes as the result's, and reports
// whether there is such a blob. A blob that is damaged, or of another format, is none.
func (r *Result) decoded(f *Fetcher, src Source, data []byte) bool {
	key := f.fileKey(src)
	if key == "" || f.Refresh {
		return false
	}
	e, err := f.Cache.get(key)
	if err != nil {
		return false
	}
	sum := sha256.Sum256(data)
	if e.SHA256 != hex.EncodeToString(sum[:]) {
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
	r.SHA256, r.Size, r.Change, r.raw, r.compiled = e.SHA256, int64(len(data)), e.Change, data, b
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
