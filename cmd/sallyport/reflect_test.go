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

	"sallyport/verifier/media"
	"sallyport/verifier/reflect"
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

func (l *lines) find(re *regexp.Regexp) string {
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		l.mu.Lock()
		m := re.FindStringSubmatch(l.b.String())
		l.mu.Unlock()
		if m != nil {
			return m[1]
		}
	}
	return ""
}

// TestReflectAnswers runs the command, sends it a train, and reads its counts.
func TestReflectAnswers(t *testing.T) {
	name := filepath.Join(t.TempDir(), "key")
	if code, _, stderr := inProcess(t, 80, "", "reflect", "--new-key", name); code != exitOK {
		t.Fatal(stderr)
	}
	key, err := reflect.ReadKeyFile(name)
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
	addr := stderr.find(regexp.MustCompile(`answering on (\S+), UDP`))
	if addr == "" {
		t.Fatal("it says nothing of where it answers")
	}
	conn, err := net.Dial("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	train, err := media.Measure(t.Context(), conn, key, media.Options{Rate: 200, Duration: 500 * time.Millisecond, Linger: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte("\x1b[31mhostile\n")); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond)
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
