package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/testkit/iplist"
)

// TestManyLists: several lists may be too much together, where each is not.
func TestManyLists(t *testing.T) {
	defer func(before int) { maxRanges = before }(maxRanges)
	maxRanges = 150
	var files []string
	for _, shape := range []string{"disjoint", "ranges6"} {
		name := filepath.Join(t.TempDir(), shape)
		if err := os.WriteFile(name, iplist.Lines(shape, 100), 0o644); err != nil {
			t.Fatal(err)
		}
		files = append(files, name)
	}
	if _, err := (&app{}).readSets(context.Background(), files[:1], false); err != nil {
		t.Errorf("one list: %v", err)
	}
	set, err := (&app{}).readSets(context.Background(), files, false)
	if err == nil || !strings.Contains(err.Error(), "ranges6 have more than 150 ranges: aggregate") {
		t.Errorf("two lists: %v and %v", set, err)
	}
}
