// Package realfeed finds published feed files for tests and benchmarks.
//
// The files belong to their publishers and are not part of this repository.
// They are looked for in the folder that SALLYPORT_DATA names, or else in
// ../shared/data beside the repository. A test that asks for a file that is
// absent is skipped, and says so.
package realfeed

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// Path returns the path of the real feed file name, a slash-separated path
// such as "azure/ServiceTags_Public_change398.json". It skips tb when the file
// is absent.
func Path(tb testing.TB, name string) string {
	tb.Helper()
	path := filepath.Join(Dir(), filepath.FromSlash(name))
	if _, err := os.Stat(path); err != nil {
		if _, err := os.Stat(Dir()); err == nil && os.Getenv("SALLYPORT_MUST_RUN") == "1" {
			tb.Fatalf("real feed %s is absent, though SALLYPORT_MUST_RUN=1 says that every test can run here, and %s is there", name, Dir())
		}
		tb.Skipf("real feed %s is absent (%v): set SALLYPORT_DATA to a folder that holds it", name, err)
	}
	return path
}

// Read returns the content of the real feed file name, or skips tb.
func Read(tb testing.TB, name string) []byte {
	tb.Helper()
	data, err := os.ReadFile(Path(tb, name))
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// Dir is the folder in which real feeds are looked for. It may not exist.
func Dir() string {
	if dir := os.Getenv("SALLYPORT_DATA"); dir != "" {
		return dir
	}
	_, self, _, _ := runtime.Caller(0)
	root := filepath.Dir(filepath.Dir(filepath.Dir(filepath.Dir(self))))
	return filepath.Join(root, "..", "shared", "data")
}
