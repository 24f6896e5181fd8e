package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"sallyport/internal/testkit/grow"
	"sallyport/internal/testkit/iplist"
	"sallyport/internal/testkit/need"
)

// listGrowth is a command with an input that is doubled.
type listGrowth struct {
	name string
	size int // of the smallest input
	// args are those of the command for an input of size n, which file writes into a
	// file and names.
	args func(n int, file func(data []byte) string) []string
}

// TestListsGrow counts what every command that takes a list or a feed costs, for lists of
// every shape. Each file is new, so that it is decoded.
func TestListsGrow(t *testing.T) {
	need.Time(t, "counts instructions of a hundred processes")
	dir := t.TempDir()
	t.Setenv("SALLYPORT_CACHE", filepath.Join(dir, "cache"))
	sallyport := program(t, dir, "sallyport", ".")
	var files atomic.Int32
	file := func(data []byte) string {
		name := filepath.Join(dir, fmt.Sprint("input", files.Add(1)))
		if err := os.WriteFile(name, data, 0o644); err != nil {
			t.Fatal(err)
		}
		return name
	}
	for _, g := range listGrowths() {
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			grow.Check(t, g.name, g.size, func(n int) int {
				return grow.Instructions(t, append([]string{sallyport}, g.args(n, file)...)...)
			})
		})
	}
}

func listGrowths() []listGrowth {
	type write = func([]byte) string
	var out []listGrowth
	add := func(name string, size int, args func(n int, file write) []string) {
		out = append(out, listGrowth{name, size, args})
	}
	for _, shape := range iplist.Shapes {
		add("aggregate "+shape, 1000, func(n int, file write) []string {
			return []string{"aggregate", file(iplist.Lines(shape, n))}
		})
	}
	add("aggregate --exclude", 2000, func(n int, file write) []string {
		return []string{"aggregate", "--ranges", "--exclude", file(iplist.Lines("overlapping", n)), file(iplist.Lines("disjoint", n))}
	})
	add("aggregate of JSON", 1000, func(n int, file write) []string {
		lines := strings.Fields(string(iplist.Lines("public", n)))
		return []string{"aggregate", file([]byte(`["` + strings.Join(lines, `","`) + `"]`))}
	})
	list := func(shape string, n int, file write) string { return "text=" + file(iplist.Lines(shape, n)) }
	// Prices of up to 4,096 routes take as many steps for a prefix, and fewer for short lists.
	add("budget", 2000, func(n int, file write) []string {
		return []string{"budget", "text:all", "--feed", list("public", n, file)}
	})
	for _, shape := range []string{"disjoint", "public"} {
		add("budget --at "+shape, 2000, func(n int, file write) []string {
			return []string{"budget", "text:all", "--feed", list(shape, n, file), "--at", "100,200", "--json"}
		})
	}
	add("ranges show", 1000, func(n int, file write) []string {
		return []string{"ranges", "show", "--kind", "text", "--feed", list("public", n, file), "all"}
	})
	add("ranges coverage", 1000, func(n int, file write) []string {
		return []string{"ranges", "coverage", "text:all", "--by", "12.0.0.0/7", "--feed", list("public", n, file), "-v"}
	})
	feed := func(n int, file write) string { return file(iplist.Feed(n)) }
	add("ranges list", 100, func(n int, file write) []string { return []string{"ranges", "list", "--feed", feed(n, file)} })
	add("ranges list with words", 100, func(n int, file write) []string {
		return []string{"ranges", "list", "tag", "--feed", feed(n, file)}
	})
	add("ranges lookup of tags", 100, func(n int, file write) []string {
		return []string{"ranges", "lookup", "20.0.0.64", "20.0.0.0/8", "--json", "--feed", feed(n, file)}
	})
	add("ranges lookup of addresses", 50, func(n int, file write) []string {
		args := []string{"ranges", "lookup", "--feed", feed(250, file)}
		for i := range n {
			args = append(args, fmt.Sprintf("20.0.%d.%d", i%250/2, i%2*128)) // of each tag in turn
		}
		return args
	})
	add("ranges diff", 100, func(n int, file write) []string { return []string{"ranges", "diff", feed(n/2+1, file), feed(n, file)} })
	add("ranges diff --tag", 1000, func(n int, file write) []string {
		return []string{"ranges", "diff", "--kind", "text", "--tag", "all", file(iplist.Lines("public", n)), file(iplist.Lines("sorted", n))}
	})
	return out
}
