package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// failing is a writer that takes some bytes and then fails.
type failing struct {
	room int
	err  error
}

func (f *failing) Write(p []byte) (int, error) {
	if len(p) > f.room {
		n := f.room
		f.room = 0
		return n, f.err
	}
	f.room -= len(p)
	return len(p), nil
}

// TestOutputFailsHalfWay prints more than the buffer of standard output holds, so
// that commands meet the failure in the middle of their work, each in its own way
// of writing: it is told once, and alike.
func TestOutputFailsHalfWay(t *testing.T) {
	var lines, list strings.Builder
	for i := range 3000 {
		if i > 0 {
			list.WriteByte(',')
		}
		fmt.Fprintf(&lines, "33.%d.%d.0/24\n", i/128, i%128*2)
		fmt.Fprintf(&list, `"33.%d.%d.0/24"`, i/128, i%128*2)
	}
	feed := filepath.Join(t.TempDir(), "feed.json")
	doc := fmt.Sprintf(`{"changeNumber":1,"cloud":"Public","values":[{"name":"Big","id":"Big","properties":
		{"changeNumber":1,"region":"","platform":"Azure","systemService":"","addressPrefixes":[%s]}}]}`, list.String())
	if err := os.WriteFile(feed, []byte(doc), 0o644); err != nil {
		t.Fatal(err)
	}
	policy := filepath.Join(t.TempDir(), "policy.hcl")
	text := fmt.Sprintf("set \"big\" { include = [%s] }\nrule \"all\" {\n action = \"allow\"\n to = set.big\n services = any\n}\ntarget \"nftables\" \"edge\" { hook = \"output\" }\n", list.String())
	if err := os.WriteFile(policy, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"aggregate"}, {"aggregate", "--ranges"},
		{"ranges", "show", "Big", "--feed", feed}, {"ranges", "show", "Big", "--json", "--feed", feed},
		{"generate", "--policy", policy, "--stdout"}, {"generate", "--policy", policy, "--diff", "--out", t.TempDir()},
		{"generate", "--policy", policy, "--diff", "--json", "--detailed-exitcode", "--out", t.TempDir()},
	} {
		for _, c := range []struct {
			err  error
			want string
		}{
			{nil, ""},
			{syscall.ENOSPC, "error: writing to standard output: no space left on device: make room, or write somewhere else"},
			{syscall.EPIPE, ""},
			{errors.New("odd"), "error: writing to standard output: odd: make room, or write somewhere else"},
		} {
			w := &failing{room: 20_000, err: c.err}
			if c.err == nil {
				w.room = 100 << 20
			}
			var stderr bytes.Buffer
			a := &app{in: strings.NewReader(lines.String()), out: newOutput(w), err: &stderr, width: 200, now: time.Now}
			code := run(context.Background(), args, a)
			said := stderr.String()
			if c.err == syscall.EPIPE {
				if code != exitOK && code != exitChanged || strings.Contains(said, "error") || w.room != 0 {
					t.Errorf("%v into a closed pipe: exit code %d, %q", args, code, said)
				}
				continue
			}
			if c.err == nil {
				if code != exitOK && code != exitChanged || strings.Contains(said, "error") || w.room > 100<<20-40_000 {
					t.Errorf("%v: exit code %d, %q, and %d bytes: too few to test", args, code, said, 100<<20-w.room)
				}
				continue
			}
			if code != exitFailed || strings.Count(said, "error: ") != 1 || !strings.Contains(said, c.want+"\n") {
				t.Errorf("%v after %v: exit code %d, %q", args, c.err, code, said)
			}
		}
	}
}
