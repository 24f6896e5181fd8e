package routecheck

import (
	"bytes"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"

	"sallyport/internal/testkit/await"
	"sallyport/internal/testkit/lab"
	"sallyport/renderers"
)

// listed is a route in a file of a daemon's: in FRR and BIRD they begin alike.
var listed = regexp.MustCompile(`(?m)^\s*(?:ip |ipv6 )?route (\S+/\d+) `)

// Await waits until the main table of h has n routes of a protocol, and among those every
// one that files list, if they are so many: daemons hand routes to the kernel in portions.
func Await(tb testing.TB, h *lab.Host, protocol string, n int, files []renderers.File) {
	tb.Helper()
	var want []string
	for _, f := range files {
		for _, m := range listed.FindAllSubmatch(f.Data, -1) {
			// ip shows a single address without its length.
			want = append(want, "\n"+strings.TrimSuffix(strings.TrimSuffix(string(m[1]), "/32"), "/128")+" ")
		}
	}
	if len(want) > n {
		want = nil
	}
	await.NoError(tb, "the routes of "+protocol, func() error {
		table := "\n" + Table(tb, h)
		if got := strings.Count(table, " proto "+protocol+" "); got != n {
			return fmt.Errorf("the kernel has %d, not %d", got, n)
		}
		for _, route := range want {
			if !strings.Contains(table, route) {
				return fmt.Errorf("the kernel lacks %s", strings.TrimSpace(route))
			}
		}
		return nil
	})
}

// Withdrawn records which routes of h are taken away, until it is called: it returns
// their prefixes.
func Withdrawn(tb testing.TB, h *lab.Host) (stop func() []string) {
	tb.Helper()
	seen := &events{}
	monitor := exec.Command("ip", "-o", "monitor", "route")
	monitor.Stdout = seen
	end, err := h.Start(monitor)
	if err != nil {
		tb.Fatal(err)
	}
	// A route that nobody else has shows that the monitor has seen all until then.
	mark := func(prefix string) {
		tb.Helper()
		await.Until(tb, "the monitor of routes", func() bool {
			h.MustRun(tb, "ip", "route", "add", "unreachable", prefix, "table", "4711")
			h.MustRun(tb, "ip", "route", "del", "unreachable", prefix, "table", "4711")
			return strings.Contains(seen.String(), "Deleted unreachable "+prefix)
		})
	}
	mark("192.0.2.1")
	return func() (list []string) {
		tb.Helper()
		mark("192.0.2.2")
		end()
		for line := range strings.Lines(seen.String()) {
			if rest, ok := strings.CutPrefix(line, "Deleted "); ok && !strings.HasPrefix(rest, "unreachable 192.0.2.") {
				prefix, _, _ := strings.Cut(rest, " ")
				list = append(list, prefix)
			}
		}
		return list
	}
}

// events is the output of a program that still runs.
type events struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (e *events) Write(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.b.Write(p)
}

func (e *events) String() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.b.String()
}
