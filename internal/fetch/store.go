package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// lockWait is how long a writer waits for another one.
const lockWait = 10 * time.Second

// put publishes raw, and what was compiled of it in the layout format (nil for
// nothing), as the newest copy under key. SHA256 and Size of info are set by
// put. A copy with other content becomes the previous one if it is whole. On an
// error the newest copy is as it was.
func (c *Cache) put(ctx context.Context, key string, raw, compiled []byte, format string, info meta) error {
	sum := sha256.Sum256(raw)
	info.SHA256, info.Size = hex.EncodeToString(sum[:]), int64(len(raw))
	m := &metaFile{Version: metaVersion, meta: info}
	return c.locked(ctx, key, func(dir string) error {
		if err := writeFile(dir, m.rawName(), raw); err != nil {
			return err
		}
		if err := m.attach(dir, format, compiled); err != nil {
			return err
		}
		if err := keepPrevious(dir, m.SHA256); err != nil {
			return err
		}
		return publish(dir, m)
	})
}

// confirm notes that the origin still has the copy with the SHA-256 of now as its
// current one: its Checked, ETag, LastModified, Change and Unproven. It does nothing
// if another copy has become the newest meanwhile.
func (c *Cache) confirm(ctx context.Context, key string, now meta) error {
	return c.amend(ctx, key, now.SHA256, func(_ string, m *metaFile) error {
		m.Checked, m.ETag, m.LastModified = now.Checked, now.ETag, now.LastModified
		m.Change, m.Unproven = now.Change, now.Unproven
		return nil
	})
}

// recompile stores what was compiled anew of the copy with this SHA-256, with
// the feed's word for its version. It does nothing if another copy has become
// the newest meanwhile.
func (c *Cache) recompile(ctx context.Context, key, sha256 string, compiled []byte, format, change string) error {
	return c.amend(ctx, key, sha256, func(dir string, m *metaFile) error {
		m.Change = change
		return m.attach(dir, format, compiled)
	})
}

// rest notes that the origin of the feed is not to be asked until then.
func (c *Cache) rest(ctx context.Context, key string, until time.Time) error {
	return c.locked(ctx, key, func(dir string) error {
		return writeFile(dir, restName, []byte(until.UTC().Format(time.RFC3339)+"\n"))
	})
}

// restsUntil is the time that rest noted, or the zero time without a note that can be
// read.
func (c *Cache) restsUntil(key string) time.Time {
	data, err := readSized(filepath.Join(c.dir, key, restName), -1)
	if err != nil {
		return time.Time{}
	}
	until, err := time.Parse(time.RFC3339, strings.TrimSpace(string(data)))
	if err != nil {
		return time.Time{}
	}
	return until
}

func (c *Cache) amend(ctx context.Context, key, sha256 string, change func(string, *metaFile) error) error {
	return c.locked(ctx, key, func(dir string) error {
		m, err := readMeta(filepath.Join(dir, metaName))
		if err != nil {
			return err
		}
		if m.SHA256 != sha256 {
			return nil
		}
		if err := change(dir, m); err != nil {
			return err
		}
		return publish(dir, m)
	})
}

// attach writes the blob and describes it in m.
func (m *metaFile) attach(dir, format string, compiled []byte) error {
	m.Compiled = nil
	if compiled == nil || format == "" {
		return nil
	}
	m.Compiled = &compiledMeta{Format: format, Size: int64(len(compiled)), CRC32C: crc32c(compiled)}
	return writeFile(dir, m.compiledName(), compiled)
}

// keepPrevious makes the newest copy the previous one, unless it has the
// content that is about to be published, or is damaged: then the good copy
// before it stays.
func keepPrevious(dir, sha256 string) error {
	m, err := readMeta(filepath.Join(dir, metaName))
	if err != nil || m.SHA256 == sha256 {
		return nil
	}
	if _, err := (&entry{metaFile: m, dir: dir}).raw(); err != nil {
		return nil
	}
	return writeMeta(dir, previousName, m)
}

// publish makes m the newest copy. The blobs it names are durable before it is.
func publish(dir string, m *metaFile) error {
	if err := syncDir(dir); err != nil {
		return err
	}
	if err := writeMeta(dir, metaName, m); err != nil {
		return err
	}
	return syncDir(dir)
}

func writeMeta(dir, name string, m *metaFile) error {
	crc, err := m.checksum()
	if err != nil {
		return err
	}
	m.CRC32C = &crc
	data, err := json.MarshalIndent(m, "", "\t")
	if err != nil {
		return err
	}
	return writeFile(dir, name, append(data, '\n'))
}

// locked calls write while no other writer is at work under key, and then sweeps: no
// other writer is at work then, so that files that no meta file refers to can be
// removed.
func (c *Cache) locked(ctx context.Context, key string, write func(dir string) error) error {
	dir := filepath.Join(c.dir, key)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := checkFolder(dir); err != nil {
		return err
	}
	// A pipe in its place would make the run wait for ever, a link create a file elsewhere.
	name := filepath.Join(dir, lockName)
	if info, err := os.Lstat(name); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s: %w: remove it", name, errNotOwn)
	}
	lock := flock.New(name, flock.SetFlag(os.O_CREATE|os.O_RDWR|openAsIs))
	waiting, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	if _, err := lock.TryLockContext(waiting, 10*time.Millisecond); err != nil {
		if ctx.Err() == nil && waiting.Err() != nil {
			err = errors.New("another process has been writing to it for too long")
		}
		return fmt.Errorf("locking %s: %w", dir, cause(err))
	}
	defer lock.Close()
	defer sweep(dir)
	return write(dir)
}

// sweep removes what an interrupted writer left, and copies that are two
// changes old. What can't be removed is left to the next sweep.
func sweep(dir string) {
	keep := map[string]bool{metaName: true, previousName: true, restName: true, lockName: true}
	for _, name := range []string{metaName, previousName} {
		m, err := readMeta(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return // which files it refers to is not known, so that all stay
		}
		keep[m.rawName()] = true
		if m.Compiled != nil {
			keep[m.compiledName()] = true
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if e.Type().IsRegular() && !keep[e.Name()] {
			os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}

// writeFile writes a file that appears under its name only when whole and on disk.
func writeFile(dir, name string, data []byte) (err error) {
	file, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return err
	}
	temp := file.Name()
	_, err = file.Write(data)
	if err == nil {
		err = file.Sync()
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = rename(temp, filepath.Join(dir, name))
	}
	if err != nil {
		os.Remove(temp)
	}
	return err
}

// rename replaces a file. Windows refuses that while somebody has the old one
// open, which readers do for a moment.
func rename(from, to string) error {
	err := os.Rename(from, to)
	for try := 0; err != nil && runtime.GOOS == "windows" && try < 20; try++ {
		time.Sleep(5 * time.Millisecond)
		err = os.Rename(from, to)
	}
	return err
}
