package fetch

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// files are the paths of a copy's files.
func (e *entry) files() (raw, compiled string) {
	return filepath.Join(e.dir, e.rawName()), filepath.Join(e.dir, e.compiledName())
}

// damages are ways in which a file goes bad.
var damages = map[string]func(path string) error{
	"missing": os.Remove,
	"empty":   func(p string) error { return os.Truncate(p, 0) },
	"torn": func(p string) error {
		info, err := os.Stat(p)
		if err != nil {
			return err
		}
		return os.Truncate(p, info.Size()/2)
	},
	"longer": func(p string) error {
		data, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		return os.WriteFile(p, append(data, ' '), 0o600)
	},
	"flipped": func(p string) error {
		data, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		data[len(data)/2] ^= 1
		return os.WriteFile(p, data, 0o600)
	},
	"a folder": func(p string) error { return errors.Join(os.Remove(p), os.Mkdir(p, 0o700)) },
}

func TestDamagedCompiled(t *testing.T) {
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			o, f, _, src := twoVersions(t)
			e, err := f.Cache.get(src.key())
			if err != nil {
				t.Fatal(err)
			}
			_, compiled := e.files()
			if err := damage(compiled); err != nil {
				t.Fatal(err)
			}
			r := mustFetch(t, f, src, 398)
			if !r.FromCache || !hasWarning(r) {
				t.Errorf("made anew, it is described as %+v", r)
			}
			if name == "a folder" {
				return // nothing can be renamed over it; the copy stays of use all the same
			}
			if r := mustFetch(t, f, src, 398); len(r.Notes) != 0 {
				t.Errorf("it was not healed: %+v", r.Notes)
			}
			wantTries(t, o, 0)
		})
	}
}

// With nothing whole of the newest copy, the one before it serves while
// offline, and else the file is downloaded as if for the first time.
func TestDamagedCopy(t *testing.T) {
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			o, f, _, src := twoVersions(t)
			e, err := f.Cache.get(src.key())
			if err != nil {
				t.Fatal(err)
			}
			raw, compiled := e.files()
			if err := errors.Join(damage(raw), damage(compiled)); err != nil {
				t.Fatal(err)
			}
			f.Offline = true
			if r := mustFetch(t, f, src, 397); !hasWarning(r) || !strings.Contains(r.Notes[0].Text, "damaged") {
				t.Errorf("damage is not reported: %+v", r.Notes)
			}
			f.Offline = false
			if r := mustFetch(t, f, src, 398); r.FromCache && name != "a folder" {
				t.Error("a 304 confirmed a damaged copy")
			}
			wantTries(t, o, 1)
			if name == "a folder" {
				return
			}
			if r := mustFetch(t, f, src, 398); !r.FromCache || len(r.Notes) != 0 {
				t.Errorf("it was not healed: %+v", r)
			}
			if p, err := f.Cache.previous(src.key()); err != nil || p.Change != "change 397" {
				t.Errorf("the copy before is gone: %v", err)
			}
		})
	}
}

func TestDamagedMeta(t *testing.T) {
	ways := map[string]func(path string) error{
		"too large": func(p string) error { return os.Truncate(p, maxMeta+1) },
		"other layout": func(p string) error {
			return rewrite(p, `"version": 1`, `"version": 2`)
		},
		"a path for a sum": func(p string) error {
			return rewrite(p, `"sha256": "`, `"sha256": "../../`)
		},
		"negative size": func(p string) error { return rewrite(p, `"size": `, `"size": -`) },
	}
	for name, damage := range damages {
		ways[name] = damage
	}
	delete(ways, "flipped") // may hit a byte that does not matter
	delete(ways, "longer")  // white space
	for name, damage := range ways {
		t.Run(name, func(t *testing.T) {
			o, f, _, src := twoVersions(t)
			meta := filepath.Join(f.Cache.Dir(), src.key(), metaName)
			if err := damage(meta); err != nil {
				t.Fatal(err)
			}
			f.Offline = true
			r := mustFetch(t, f, src, 397)
			if name != "missing" && !hasWarning(r) {
				t.Errorf("damage is not reported: %+v", r.Notes)
			}
			f.Offline = false
			mustFetch(t, f, src, 398)
			wantTries(t, o, 1)
		})
	}
}

func rewrite(path, from, to string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	changed := bytes.Replace(data, []byte(from), []byte(to), 1)
	if bytes.Equal(changed, data) {
		return errors.New("nothing to rewrite")
	}
	return os.WriteFile(path, changed, 0o600)
}

func TestAllDamagedOffline(t *testing.T) {
	_, f, _, src := twoVersions(t)
	for _, get := range []func(string) (*entry, error){f.Cache.get, f.Cache.previous} {
		e, err := get(src.key())
		if err != nil {
			t.Fatal(err)
		}
		raw, compiled := e.files()
		os.Remove(raw)
		os.Remove(compiled)
	}
	f.Offline = true
	if e := mustFail(t, f, src, ErrNoCopy); !strings.Contains(e.Error(), "damaged") {
		t.Errorf("it does not say why there is no copy: %v", e)
	}
}

// Raw of a cached result is read late, and verified then.
func TestLateRaw(t *testing.T) {
	_, f, _, src := twoVersions(t)
	r := mustFetch(t, f, src, 398)
	raw, _ := r.entry.files()
	if err := damages["flipped"](raw); err != nil {
		t.Fatal(err)
	}
	var e *Error
	if _, err := r.Raw(); !errors.Is(err, ErrDamaged) || !errors.As(err, &e) {
		t.Errorf("got %v", err)
	}
	if err := r.Close(); err != nil || r.Compiled() != nil {
		t.Errorf("closing: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
}
