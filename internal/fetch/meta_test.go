package fetch

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// metaOf is the path of the newest copy's meta file, and its content.
func metaOf(t *testing.T, f *Fetcher, src Source) (path string, data []byte) {
	t.Helper()
	path = filepath.Join(f.Cache.Dir(), src.key(), metaName)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, data
}

// TestMetaDamage cuts a meta file at every byte, and flips every bit: it is refused, or
// says the same.
func TestMetaDamage(t *testing.T) {
	_, f, _, src := twoVersions(t)
	path, data := metaOf(t, f, src)
	want, err := readMeta(path)
	if err != nil {
		t.Fatal(err)
	}
	check := func(what string, at int, damaged []byte) {
		t.Helper()
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		m, err := readMeta(path)
		if err == nil && !reflect.DeepEqual(m, want) {
			t.Errorf("%s at byte %d: %+v", what, at, m)
		}
		if err != nil && !errors.Is(err, ErrDamaged) {
			t.Errorf("%s at byte %d: %v", what, at, err)
		}
	}
	for i := range data {
		check("cut", i, data[:i])
		for bit := range 8 {
			flipped := append([]byte{}, data...)
			flipped[i] ^= 1 << bit
			check("flipped", i, flipped)
		}
	}
}

// TestMetaForms: values that no cache writes.
func TestMetaForms(t *testing.T) {
	_, f, _, src := twoVersions(t)
	path, data := metaOf(t, f, src)
	var fields map[string]any
	if err := json.Unmarshal(data, &fields); err != nil {
		t.Fatal(err)
	}
	for key := range fields {
		for _, v := range []any{"x", -1, 1e18, true, []int{1}, map[string]int{"a": 1}} {
			changed := map[string]any{}
			for k, old := range fields {
				changed[k] = old
			}
			changed[key] = v
			out, err := json.Marshal(changed)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, out, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := readMeta(path); !errors.Is(err, ErrDamaged) {
				t.Errorf("%s is %v: %v", key, v, err)
			}
		}
	}
}

// TestMetaOfBefore: a meta file of a sallyport that wrote no checksum is taken.
func TestMetaOfBefore(t *testing.T) {
	o, f, _, src := twoVersions(t)
	path, _ := metaOf(t, f, src)
	m, err := readMeta(path)
	if err != nil {
		t.Fatal(err)
	}
	m.CRC32C = nil
	data, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	r := mustFetch(t, f, src, 398)
	if !r.FromCache || len(r.Notes) > 0 {
		t.Errorf("%+v", r)
	}
	wantTries(t, o, 0)
}

// TestFuture: a copy whose time lies far in the future is not fresh, does not stand in
// when a refresh fails, and is healed by one that works.
func TestFuture(t *testing.T) {
	for ahead, standsIn := range map[time.Duration]bool{time.Hour: true, 25 * time.Hour: false, 20 * 365 * day: false} {
		o := newOrigin(t, versioned(t, 398))
		f, c := o.fetcher(t)
		src := docSource(o.URL)
		c.pass(ahead)
		mustFetch(t, f, src, 398)
		c.pass(-ahead)
		o.now(status(500))
		r, err := f.Fetch(context.Background(), src)
		if (err == nil) != standsIn {
			t.Errorf("%v ahead: %v", ahead, err)
		}
		if err != nil && !strings.Contains(err.Error(), "in the future") {
			t.Errorf("%v ahead: %v does not say so", ahead, err)
		}
		if standsIn && r.Problem == nil {
			t.Errorf("%v ahead: the copy counts as fresh", ahead)
		}
		f.Offline = true // on purpose, with a word
		r = mustFetch(t, f, src, 398)
		if !hasWarning(r) || !strings.Contains(r.Notes[len(r.Notes)-1].Text, "in the future") {
			t.Errorf("%v ahead, offline: %+v", ahead, r.Notes)
		}
		f.Offline = false
		o.now(versioned(t, 398))
		mustFetch(t, f, src, 398)
		if r = mustFetch(t, f, src, 398); r.Stale || !r.Checked.Equal(c.now()) || len(r.Notes) > 0 {
			t.Errorf("%v ahead, refreshed: %+v", ahead, r)
		}
	}
}
