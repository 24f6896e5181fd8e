package publish

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// ManifestName is the file in the output folder that records what was written there. It is
// needed for formats without comments, and to find edited files and orphans.
const ManifestName = reserved + "outputs.json"

// manifestVersion is the only version of the form so far. A newer sallyport may write
// another one, which this version must not overwrite.
const manifestVersion = 1

// maxManifest is the maximum size of a manifest: that of some 10,000 files.
const maxManifest = 16 << 20

// Entry is what the manifest says of one file.
type Entry struct {
	Path   string `json:"path"` // in the output folder
	SHA256 string `json:"sha256"`
	Record
	Policy string `json:"policy"` // whose output it is
}

// Record is what the caller wants to keep with a file. Publish uses only Target and Kind
// of it.
type Record struct {
	Target string `json:"target"` // whose output it is
	Kind   string `json:"kind"`
	Load   string `json:"load,omitempty"` // the command that loads it
	Undo   string `json:"undo,omitempty"` // the command that takes away what it loaded
	// Made is what the file was made from. Current is set if newer inputs made the same
	// file.
	Made    jsontext.Value `json:"made,omitempty"` // compact
	Current jsontext.Value `json:"current,omitempty"`
}

// Manifest is what was published into a folder: entries in the order of their paths.
type Manifest []Entry

type manifestFile struct {
	Version int      `json:"sallyport_outputs"`
	Files   Manifest `json:"files"`
}

// find returns the entry of path, or nil.
func (m Manifest) find(path string) *Entry {
	for i := range m {
		if m[i].Path == path {
			return &m[i]
		}
	}
	return nil
}

// ReadManifest returns the manifest of dir; it is empty if nothing was published there. It
// includes a set that is published and not yet in place.
func ReadManifest(dir string) (Manifest, error) {
	data, there, err := read(dir, ManifestName)
	if err != nil || !there {
		return nil, err
	}
	return parseManifest(dir, data)
}

func parseManifest(dir string, data []byte) (Manifest, error) {
	damaged := func(why any) error {
		return fmt.Errorf("the record of outputs %s in %s is damaged: %v: restore it, or remove it: then only the marks in files tell which ones sallyport wrote",
			ManifestName, dir, why)
	}
	if len(data) > maxManifest {
		return nil, damaged("it is too long")
	}
	var version struct {
		Version int `json:"sallyport_outputs"`
	}
	if err := json.Unmarshal(data, &version); err != nil {
		return nil, damaged(err)
	}
	if version.Version > manifestVersion {
		return nil, fmt.Errorf("the record of outputs %s in %s is of a newer sallyport: use that one, or another output folder", ManifestName, dir)
	}
	var f manifestFile
	if err := json.Unmarshal(data, &f, json.RejectUnknownMembers(true)); err != nil {
		return nil, damaged(err)
	}
	if f.Version != manifestVersion {
		return nil, damaged("it has no version")
	}
	last := ""
	for i := range f.Files {
		e := &f.Files[i]
		for _, v := range []*jsontext.Value{&e.Made, &e.Current} {
			if *v == nil {
				continue
			}
			if err := v.Compact(); err != nil {
				return nil, damaged(err)
			}
		}
		if err := checkPath(e.Path); err != nil {
			return nil, damaged(err)
		}
		if e.Path <= last || len(e.SHA256) != 64 {
			return nil, damaged("its entries are out of order")
		}
		last = e.Path
	}
	return f.Files, nil
}

// bytes is the manifest as a file. Equal manifests have equal bytes, and each member of an
// entry is on a line of its own, so that version control shows small changes.
func (m Manifest) bytes() ([]byte, error) {
	m = slices.SortedFunc(slices.Values(m), func(a, b Entry) int { return cmp.Compare(a.Path, b.Path) })
	var b bytes.Buffer
	err := json.MarshalWrite(&b, manifestFile{manifestVersion, m}, json.Deterministic(true), jsontext.WithIndent("  "))
	b.WriteByte('\n')
	return b.Bytes(), err
}

// manifest reads the manifest of the folder, under the lock.
func (p *publisher) manifest() (m Manifest, data []byte, err error) {
	fi, err := p.lstat(ManifestName)
	if err != nil || fi == nil {
		return nil, nil, err
	}
	f, err := p.root.Open(ManifestName)
	if err == nil {
		data, err = io.ReadAll(io.LimitReader(f, maxManifest+1))
		err = errors.Join(err, f.Close())
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, p.fail("read", ManifestName, err)
	}
	m, err = parseManifest(p.dir, data)
	return m, data, err
}

// after is the manifest after set is published over m. Entries of other policies, and of
// targets that the run has not rendered, stay.
func (m Manifest) after(set Set, rep Report) Manifest {
	var next Manifest
	for _, e := range m {
		if slices.ContainsFunc(set.Files, func(f File) bool { return f.Path == e.Path }) || slices.Contains(rep.gone, e.Path) {
			continue
		}
		next = append(next, e)
	}
	for i, f := range set.Files {
		e := Entry{Path: f.Path, SHA256: rep.Files[i].newSum, Record: f.Record, Policy: set.Policy}
		if bytes.Equal(e.Current, e.Made) {
			e.Current = nil
		}
		next = append(next, e)
	}
	return next
}
