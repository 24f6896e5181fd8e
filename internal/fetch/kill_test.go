package fetch

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

const killKey = "victim"

// killFile is a file of a size and content that only its number decides.
func killFile(n int) []byte {
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], uint64(n))
	data := make([]byte, 1000+n*7919%200_000)
	rand.NewChaCha8(seed).Read(data)
	return data
}

// writerRole publishes one copy after the other, and tells of each, until it is killed.
func writerRole() {
	cache, err := OpenCache(os.Getenv("FETCH_TEST_DIR"))
	n, err2 := strconv.Atoi(os.Getenv("FETCH_TEST_FIRST"))
	if err = errors.Join(err, err2); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	for ; ; n++ {
		raw := killFile(n)
		err := cache.put(context.Background(), killKey, raw, raw[:500], "kill", meta{Change: strconv.Itoa(n)})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(n)
	}
}

// A writer that is killed at any instant leaves the old copy or the new one,
// whole, and the one before it.
func TestKill(t *testing.T) {
	rounds := 40
	if testing.Short() {
		rounds = 10
	}
	dir := t.TempDir()
	cache, _ := OpenCache(dir)
	published := 0 // the last copy that its writer knew to be published
	halfway := 0   // kills that interrupted something
	for range rounds {
		last := publishAndKill(t, dir, published+1)
		published = max(published, last)

		e, err := cache.get(killKey)
		if errors.Is(err, fs.ErrNotExist) && published == 0 {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		n := wantWhole(t, e)
		if n != published && n != published+1 {
			t.Fatalf("copy %d is there, though %d was published", n, published)
		}
		published = n
		if e, err := cache.previous(killKey); err == nil {
			// A writer killed before its last step has already made copy n
			// the previous one, too.
			if before := wantWhole(t, e); before != n-1 && before != n {
				t.Fatalf("copy %d is kept as the one before %d", before, n)
			}
		} else if !errors.Is(err, fs.ErrNotExist) || published > 1 {
			t.Fatal(err)
		}
		if entries, _ := os.ReadDir(filepath.Join(dir, killKey)); len(entries) > 7 {
			halfway++
		}
	}
	t.Logf("%d copies, %d of %d kills left something to sweep", published, halfway, rounds)
	for range 2 {
		published++
		raw := killFile(published)
		if err := cache.put(context.Background(), killKey, raw, raw[:500], "kill", meta{Change: strconv.Itoa(published)}); err != nil {
			t.Fatal(err)
		}
	}
	wantFiles(t, filepath.Join(dir, killKey), 7)
}

// publishAndKill lets a writer work from copy first on, kills it soon after it
// has begun, and returns the last copy of which it said that it is published.
func publishAndKill(t *testing.T, dir string, first int) (last int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "FETCH_TEST_ROLE=writer", "FETCH_TEST_DIR="+dir, "FETCH_TEST_FIRST="+strconv.Itoa(first))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		n, err := strconv.Atoi(strings.TrimSpace(lines.Text()))
		if err != nil {
			t.Errorf("the writer says %q", lines.Text())
			break
		}
		if n == first {
			time.AfterFunc(rand.N(12*time.Millisecond), func() { cmd.Process.Kill() })
		}
		last = n
	}
	cmd.Process.Kill()
	if err := cmd.Wait(); err == nil {
		t.Error("the writer ended by itself")
	}
	return last
}

func wantWhole(t *testing.T, e *entry) (n int) {
	t.Helper()
	n, err := strconv.Atoi(e.Change)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := e.raw()
	if err != nil {
		t.Fatal(err)
	}
	b, err := e.compiled("kill")
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	if want := killFile(n); !bytes.Equal(raw, want) || !bytes.Equal(b.data, want[:500]) {
		t.Fatalf("copy %d has another content", n)
	}
	return n
}
