package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"time"

	"sallyport/internal/testkit/await"
	"sallyport/verifier/media"
	"sallyport/verifier/reflector"
)

// lines is standard error that another goroutine looks at.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// find waits until what re finds is there, and returns its first group.
func (l *lines) find(t *testing.T, re *regexp.Regexp) string {
	t.Helper()
	var m []string
	await.Until(t, re.String(), func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		m = re.FindStringSubmatch(l.b.String())
		return m != nil
	})
	return m[1]
}

// TestReflectAnswers runs the command, sends it a train, and reads its counts.
func TestReflectAnswers(t *testing.T) {
	name := filepath.Join(t.TempDir(), "key")
	if code, _, stderr := inProcess(t, 80, "", "reflect", "--new-key", name); code != exitOK {
		t.Fatal(stderr)
	}
	key, err := reflector.ReadKeyFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var stdout bytes.Buffer
	var stderr lines
	a := &app{out: newOutput(&stdout), err: &stderr, width: 80, now: time.Now}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	done := make(chan int)
	go func() { done <- run(ctx, []string{"reflect", "-l", "127.0.0.1:0", "-k", name, "--json"}, a) }()
	addr := stderr.find(t, regexp.MustCompile(`answering on (\S+), UDP`))
	conn, err := net.Dial("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// It comes before what is answered, so that it has been counted by then.
	if _, err := conn.Write([]byte("\x1b[31mhostile\n")); err != nil {
		t.Fatal(err)
	}
	train, err := media.Measure(t.Context(), conn, key, media.Options{Rate: 200, Duration: 500 * time.Millisecond, Linger: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	stop()
	if code := <-done; code != exitOK {
		t.Errorf("exit code %d", code)
	}
	var doc struct {
		Listen   []string
		Counters map[string]int
	}
	if err := json.Unmarshal(stdout.Bytes(), &doc); err != nil {
		t.Fatal(err, stdout.String())
	}
	sent := train.Stats(media.Client()).Packets
	if c := doc.Counters; len(doc.Listen) != 1 || doc.Listen[0] != addr || c["sessions"] != 1 || c["answered"] < sent || c["received"] < sent+3 || c["unauthenticated"] != 1 {
		t.Errorf("%d packets: %+v", sent, doc)
	}
	if bytes.Contains(stderr.b.Bytes(), []byte("\x1b")) {
		t.Errorf("%q", stderr.b.String())
	}
}
