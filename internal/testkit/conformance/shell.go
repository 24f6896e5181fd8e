package conformance

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"sallyport/renderers"
)

// CheckShell holds a script to POSIX: the shells that read it without running it, and
// shellcheck, have nothing to say. What is not installed is not asked.
func CheckShell(t testing.TB, f renderers.File) {
	t.Helper()
	if !bytes.HasPrefix(f.Data, []byte("#!/bin/sh\n")) || testing.Short() {
		return
	}
	name := filepath.Join(t.TempDir(), filepath.Base(f.Path))
	if err := os.WriteFile(name, f.Data, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{{"sh", "-n"}, {"dash", "-n"}, {"busybox", "sh", "-n"}, {"shellcheck", "-s", "sh"}} {
		if _, err := exec.LookPath(command[0]); err != nil {
			continue
		}
		if out, err := exec.Command(command[0], append(command[1:], name)...).CombinedOutput(); err != nil {
			t.Errorf("%v %s: %v\n%s", command, f.Path, err, out)
		}
	}
}
