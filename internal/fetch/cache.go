package fetch

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"sallyport/internal/readfile"
)

// Cache keeps for each feed the newest good file and the one before it. The
// cache may be used by several goroutines and processes at once: writers
// wait for each other, readers wait for nobody.
//
// A feed's folder holds
//
//	meta.json        the newest copy: where from, when, checksums
//	previous.json    the same of the copy before it
//	<sha256>.raw     a file, named by its content
//	<...>.compiled   a blob, named by file, format and content
//	rest             until when the origin is not to be asked, if it said so
//	lock             held by the one who writes
//
// Files under content names are written and synced first; the rename of meta.json
// publishes them. So a kill at any instant leaves the old or the new copy whole, and
// the next writer removes files that no meta file refers to.
type Cache struct {
	dir string
}

const (
	metaName     = "meta.json"
	previousName = "previous.json"
	restName     = "rest"
	lockName     = "lock"
	metaVersion  = 1
	maxMeta      = 64 << 10
	maxKept      = 1 << 30 // of a file or blob: far more than any limit of a download
)

// OpenCache returns the cache in dir. An empty dir stands for the folder that
// SALLYPORT_CACHE names, or else for sallyport in the user's cache folder. The
// folder need not exist, and is made only when something is written.
func OpenCache(dir string) (*Cache, error) {
	if dir == "" {
		dir = os.Getenv("SALLYPORT_CACHE")
	}
	if dir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("looking for the user's cache folder: %w: name a folder in SALLYPORT_CACHE", err)
		}
		dir = filepath.Join(user, "sallyport")
	}
	return &Cache{dir: dir}, nil
}

// meta is what the cache knows of a copy.
type meta struct {
	URL          string    `json:"url"`      // as shown: without secrets
	URLHash      string    `json:"url_hash"` // SHA-256 of the whole address, in hex
	ETag         string    `json:"etag,omitempty"`
	LastModified string    `json:"last_modified,omitempty"`
	SHA256       string    `json:"sha256"` // of the file, in hex
	Size         int64     `json:"size"`   // of the file, in bytes
	Fetched      time.Time `json:"fetched"`
	Checked      time.Time `json:"checked"`
	Change       string    `json:"change,omitempty"`

	// Unproven: Change is what the origin called its current version when the file came.
	// Only the next download shows whether the file is of that version.
	Unproven bool `json:"unproven,omitempty"`
}

// metaFile is the layout of meta.json and previous.json.
type metaFile struct {
	Version int `json:"version"`
	meta
	Compiled *compiledMeta `json:"compiled,omitempty"`
	// CRC32C is the checksum of the file without this member: a damaged date or address
	// would look valid. Files from before 2026-12 have none.
	CRC32C *uint32 `json:"crc32c,omitempty"`
}

// checksum is what CRC32C should be.
func (m *metaFile) checksum() (uint32, error) {
	plain := *m
	plain.CRC32C = nil
	data, err := json.Marshal(plain)
	return crc32c(data), err
}

type compiledMeta struct {
	Format string `json:"format"`
	Size   int64  `json:"size"`
	CRC32C uint32 `json:"crc32c"`
}

func (m *metaFile) rawName() string { return m.SHA256 + ".raw" }

func (m *metaFile) compiledName() string {
	format := sha256.Sum256([]byte(m.Compiled.Format))
	return fmt.Sprintf("%s-%x-%08x.compiled", m.SHA256[:16], format[:4], m.Compiled.CRC32C)
}

// entry is one copy in the cache. It stays readable until two newer ones have
// been published.
type entry struct {
	*metaFile
	dir string
}

// get returns the newest copy that is kept under key. The error is
// fs.ErrNotExist where there is none, and ErrDamaged where it can't be read.
func (c *Cache) get(key string) (*entry, error) { return c.open(key, metaName) }

// previous returns the copy before the newest one, like get.
func (c *Cache) previous(key string) (*entry, error) { return c.open(key, previousName) }

func (c *Cache) open(key, name string) (*entry, error) {
	dir := filepath.Join(c.dir, key)
	if err := checkFolder(dir); err != nil {
		return nil, err
	}
	m, err := readMeta(filepath.Join(dir, name))
	if err != nil {
		return nil, err
	}
	return &entry{metaFile: m, dir: dir}, nil
}

func readMeta(path string) (*metaFile, error) {
	data, err := readSized(path, -1)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var m *metaFile
	if err == nil {
		m, err = parseMeta(data)
	}
	if err != nil {
		return nil, fmt.Errorf("%s is %w: %w", path, ErrDamaged, cause(err))
	}
	return m, nil
}

func parseMeta(data []byte) (*metaFile, error) {
	// An unknown member is damage, because a newer layout has another number.
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	var m metaFile
	if err := dec.Decode(&m); err != nil {
		return nil, err
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	return &m, nil
}

// check makes sure that names and headers made from a meta file are harmless.
func (m *metaFile) check() error {
	sum, err := hex.DecodeString(m.SHA256)
	crc, crcErr := m.checksum()
	switch {
	case m.Version != metaVersion:
		return fmt.Errorf("it has layout %d, not %d", m.Version, metaVersion)
	case crcErr != nil || m.CRC32C != nil && *m.CRC32C != crc:
		return errors.New("its checksum differs")
	case err != nil || len(sum) != sha256.Size:
		return errors.New("it holds no SHA-256")
	case m.Size < 0 || m.Compiled != nil && m.Compiled.Size < 0:
		return errors.New("it holds a negative size")
	case m.Size > maxKept || m.Compiled != nil && m.Compiled.Size > maxKept:
		return errors.New("it holds the size of something else than a feed")
	}
	m.ETag, m.LastModified = validator(m.ETag), validator(m.LastModified)
	m.URL, m.Change = foreign(m.URL), foreign(m.Change)
	return nil
}

// raw reads the file and verifies its SHA-256.
func (e *entry) raw() ([]byte, error) {
	path := filepath.Join(e.dir, e.rawName())
	data, err := readSized(path, e.Size)
	if err != nil {
		return nil, fmt.Errorf("%s is %w: %w", path, ErrDamaged, cause(err))
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != e.SHA256 {
		return nil, fmt.Errorf("%s is %w: its SHA-256 differs", path, ErrDamaged)
	}
	return data, nil
}

// errNoCompiled says that there is nothing of the wanted format, which is no damage.
var errNoCompiled = errors.New("no compiled copy of this format")

// compiled maps or reads the blob and verifies its CRC-32C. The blob must be
// closed by the caller, and is of use only if it has the wanted format.
func (e *entry) compiled(format string) (*blob, error) {
	c := e.Compiled
	if c == nil || c.Format != format {
		return nil, errNoCompiled
	}
	path := filepath.Join(e.dir, e.compiledName())
	b, err := openBlob(path, c.Size)
	if err == nil {
		var sum uint32
		if sum, err = b.checksum(); err == nil && sum != c.CRC32C {
			err = errors.New("its checksum differs")
		}
		if err != nil {
			b.close()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s is %w: %w", path, ErrDamaged, cause(err))
	}
	return b, nil
}

func crc32c(data []byte) uint32 {
	return crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli))
}

// openOwn opens a file that a cache wrote. It refuses links, and files that could
// block, such as pipes.
func openOwn(path string) (*os.File, error) {
	there, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !there.Mode().IsRegular() {
		return nil, errNotOwn
	}
	file, err := readfile.Open(path)
	if err != nil {
		return nil, err
	}
	if info, err := file.Stat(); err != nil || !os.SameFile(there, info) {
		return nil, errors.Join(errNotOwn, file.Close())
	}
	return file, nil
}

var errNotOwn = errors.New("it is no file that sallyport wrote")

// checkFolder refuses a feed's folder that is a link, because files elsewhere would be
// read and written through it.
func checkFolder(dir string) error {
	if info, err := os.Lstat(dir); err == nil && !info.IsDir() {
		return fmt.Errorf("%s is %w: it is no folder that sallyport made", dir, ErrDamaged)
	}
	return nil
}

// blob is bytes in memory or mapped from a file. A nil blob can be closed.
type blob struct {
	data  []byte
	unmap func([]byte) error
}

// close makes data unusable.
func (b *blob) close() error {
	if b == nil {
		return nil
	}
	data, unmap := b.data, b.unmap
	b.data, b.unmap = nil, nil
	if unmap == nil {
		return nil
	}
	return unmap(data)
}

// readSized reads a file that must have size bytes, or at most maxMeta if size is -1.
func readSized(path string, size int64) ([]byte, error) {
	file, err := openOwn(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	switch {
	case err != nil:
		return nil, err
	case size >= 0 && info.Size() != size:
		return nil, fmt.Errorf("it has %d bytes, not %d", info.Size(), size)
	case size < 0 && info.Size() > maxMeta:
		return nil, tooLarge(maxMeta)
	}
	return readLimited(file, info.Size(), info.Size())
}
