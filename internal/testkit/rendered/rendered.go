// Package rendered makes targets and their files for tests of what loads them.
package rendered

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sallyport/renderers"
	"sallyport/rules"
)

// Target is the target called edge of a kind with options, at the path that a policy gives
// it. An earlier run has published files.
func Target(tb testing.TB, kind renderers.Kind, options any, published ...renderers.File) *renderers.Target {
	tb.Helper()
	r, err := kind.Build(options, renderers.Env{Name: "edge", Path: "edge" + kind.Extension, Read: os.ReadFile, Previous: Previous(published)})
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// Previous finds what an earlier run published, for renderers.Env.
func Previous(published []renderers.File) func(path string) []byte {
	return func(path string) []byte {
		f, _ := renderers.FileAt(published, path)
		return f.Data
	}
}

// Files are those of a plan, as the target can carry it out.
func Files(tb testing.TB, r *renderers.Target, p *rules.Plan) []renderers.File {
	tb.Helper()
	files, err := Try(r, p)
	if err != nil {
		tb.Fatal(err)
	}
	return files
}

// Try is Files for plans that the target may refuse.
func Try(r *renderers.Target, p *rules.Plan) ([]renderers.File, error) {
	lowered, _, errs := rules.Lower(p, r.Caps)
	if len(errs) > 0 {
		return nil, errs[0]
	}
	return r.Render(lowered)
}

// Text is that of the file whose path ends so.
func Text(tb testing.TB, files []renderers.File, ending string) string {
	tb.Helper()
	i := slices.IndexFunc(files, func(f renderers.File) bool { return strings.HasSuffix(f.Path, ending) })
	if i < 0 {
		tb.Fatalf("no file %s", ending)
	}
	return string(files[i].Data)
}

// Write puts files into a folder.
func Write(tb testing.TB, folder string, files []renderers.File) {
	tb.Helper()
	for _, f := range files {
		if err := os.WriteFile(filepath.Join(folder, f.Path), f.Data, f.Mode); err != nil {
			tb.Fatal(err)
		}
	}
}

// ReadsBack expects that files read back as a plan, as the target can carry it out.
func ReadsBack(tb testing.TB, r *renderers.Target, files []renderers.File, p *rules.Plan) {
	tb.Helper()
	lowered, _, errs := rules.Lower(p, r.Caps)
	if len(errs) > 0 {
		tb.Fatal(errs[0])
	}
	got, err := r.ReadBack(files)
	if err != nil {
		tb.Fatalf("reading back: %v\n%s", err, files[0].Data)
	}
	if d := rules.Compare(lowered, got); d != nil {
		tb.Fatalf("%v\n%s", d, files[0].Data)
	}
}
