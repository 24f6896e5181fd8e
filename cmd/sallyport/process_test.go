//go:build linux

package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/internal/testkit/iplist"
	"sallyport/internal/testkit/realfeed"
)

// Whole processes are timed against a Go program that does nothing, in turn and in
// the same run, because machines are noisy: the ratio of the medians is what counts.

// program builds a Go program into dir and returns its path.
func program(tb testing.TB, dir, name, pkg string) string {
	tb.Helper()
	path := filepath.Join(dir, name)
	build := exec.Command("go", "build", "-o", path, pkg)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		tb.Fatalf("%v: %s", err, out)
	}
	return path
}

// idle is a Go program that does nothing.
func idle(tb testing.TB, dir string) string {
	tb.Helper()
	return fromSource(tb, dir, "idle", "package main\n\nfunc main() {}\n")
}

func fromSource(tb testing.TB, dir, name, source string) string {
	tb.Helper()
	src := filepath.Join(dir, name+".go")
	if err := os.WriteFile(src, []byte(source), 0o644); err != nil {
		tb.Fatal(err)
	}
	return program(tb, dir, name, src)
}

// meterSource runs a command and says how long it took, its time on processors and its
// peak memory. It is a
// program of its own because Linux counts what a process was started from as memory
// of the process, and this test is large.
const meterSource = `package main

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

func main() {
	cmd := exec.Command(os.Args[1], os.Args[2:]...)
	cmd.Stderr = os.Stderr
	start := time.Now()
	err := cmd.Run()
	wall := time.Since(start)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	spent := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	fmt.Println(wall.Nanoseconds(), spent.Nanoseconds(), cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)
}
`

// processUsage is what one run of a process took.
type processUsage struct {
	wall  time.Duration
	spent time.Duration // on processors
	mib   float64       // peak resident memory
}

// meter times processes.
type meter string

func newMeter(tb testing.TB, dir string) meter {
	tb.Helper()
	return meter(fromSource(tb, dir, "meter", meterSource))
}

func (m meter) timed(tb testing.TB, args ...string) processUsage {
	tb.Helper()
	cmd := exec.Command(string(m), args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var wall, spent, kib int64
	if err == nil {
		_, err = fmt.Sscan(string(out), &wall, &spent, &kib)
	}
	if err != nil {
		tb.Fatalf("%s: %v: %s", strings.Join(args, " "), err, stderr.String())
	}
	return processUsage{time.Duration(wall), time.Duration(spent), float64(kib) / 1024}
}

func median(list []processUsage) processUsage {
	sorted := slices.Clone(list)
	slices.SortFunc(sorted, func(a, b processUsage) int { return int(a.wall - b.wall) })
	m := sorted[len(sorted)/2]
	for _, u := range list {
		m.mib = max(m.mib, u.mib)
	}
	return m
}

const cloudPolicy = `
feed "azure" { url = %q }
set "azure" { include = [tag(feed.azure, "AzureCloud")] }
service "media" {
  udp = ["3478-3481"]
  tcp = [443]
}
rule "calls" {
  action   = "allow"
  to       = set.azure
  services = [service.media]
}
target "nftables" "edge" {
  hook    = "forward"
  ingress = ["lan0"]
}
`

// cachedFeed writes a policy over the real feed and fills a cache with it from a
// server on loopback. It returns the arguments that generate from the cache.
func cachedFeed(tb testing.TB, m meter, dir, sallyport string) []string {
	tb.Helper()
	raw := realfeed.Read(tb, "azure/ServiceTags_Public_change398.json")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write(raw)
	}))
	defer server.Close()
	policy := filepath.Join(dir, "policy.hcl")
	if err := os.WriteFile(policy, fmt.Appendf(nil, cloudPolicy, server.URL+"/feed.json"), 0o644); err != nil {
		tb.Fatal(err)
	}
	args := []string{sallyport, "generate", "--policy", policy, "--out", filepath.Join(dir, "out"), "--cache", filepath.Join(dir, "cache")}
	m.timed(tb, append(args, "--insecure")...)
	return append(args, "--offline", "--insecure")
}

// BenchmarkGenerateProcess is the whole of generate for one nftables target of the
// Azure cloud from the cached feed: each run writes both files anew.
func BenchmarkGenerateProcess(b *testing.B) {
	dir := b.TempDir()
	sallyport, nothing := program(b, dir, "sallyport", "."), idle(b, dir)
	m := newMeter(b, dir)
	args := cachedFeed(b, m, dir, sallyport)
	besideIdle(b, m, nothing, filepath.Join(dir, "out"), args...)
}

// BenchmarkFeedFileProcess is the whole of commands that read a feed's file, which has the
// same bytes as in the run before.
func BenchmarkFeedFileProcess(b *testing.B) {
	old, feed := realfeed.Path(b, "azure/ServiceTags_Public_change396.json"), realfeed.Path(b, "azure/ServiceTags_Public_change398.json")
	dir := b.TempDir()
	b.Setenv("SALLYPORT_CACHE", filepath.Join(dir, "cache"))
	sallyport, nothing := program(b, dir, "sallyport", "."), idle(b, dir)
	m := newMeter(b, dir)
	policy := filepath.Join(dir, "policy.hcl")
	if err := os.WriteFile(policy, fmt.Appendf(nil, cloudPolicy, "https://example.invalid/feed.json"), 0o644); err != nil {
		b.Fatal(err)
	}
	for name, args := range map[string][]string{
		"lookup of 100": append([]string{"ranges", "lookup", "--feed", feed}, addressesOf(b, feed, 100)...),
		"diff":          {"ranges", "diff", old, feed},
		"generate":      {"generate", "--policy", policy, "--feed", "azure=" + feed, "--out", filepath.Join(dir, "out")},
	} {
		b.Run(name, func(b *testing.B) {
			args := append([]string{sallyport}, args...)
			m.timed(b, args...)
			besideIdle(b, m, nothing, filepath.Join(dir, "out"), args...)
		})
	}
}

// BenchmarkBudgetProcess is the price of a list of a million prefixes, at every length up to
// 4,096 and at two lengths, from a file that has not changed.
func BenchmarkBudgetProcess(b *testing.B) {
	dir := b.TempDir()
	b.Setenv("SALLYPORT_CACHE", filepath.Join(dir, "cache"))
	sallyport, nothing := program(b, dir, "sallyport", "."), idle(b, dir)
	m := newMeter(b, dir)
	list := filepath.Join(dir, "list")
	if err := os.WriteFile(list, iplist.Lines("public", 1_000_000), 0o644); err != nil {
		b.Fatal(err)
	}
	budget := []string{sallyport, "budget", "text:all", "--feed", "text=" + list}
	for name, args := range map[string][]string{"all": budget, "two lengths": append(slices.Clone(budget), "--at", "100,200")} {
		b.Run(name, func(b *testing.B) {
			m.timed(b, args...)
			besideIdle(b, m, nothing, "", args...)
		})
	}
}

// addressesOf is n addresses of an Azure feed, from all over the file.
func addressesOf(tb testing.TB, feed string, n int) []string {
	tb.Helper()
	data, err := os.ReadFile(feed)
	if err != nil {
		tb.Fatal(err)
	}
	found := regexp.MustCompile(`"(\d+\.\d+\.\d+\.\d+)/\d+"`).FindAllSubmatch(data, -1)
	var out []string
	for i := range n {
		out = append(out, string(found[i*len(found)/n][1]))
	}
	return out
}

// BenchmarkStartProcess is what every command pays before it does anything.
func BenchmarkStartProcess(b *testing.B) {
	dir := b.TempDir()
	sallyport, nothing := program(b, dir, "sallyport", "."), idle(b, dir)
	m := newMeter(b, dir)
	besideIdle(b, m, nothing, "", sallyport, "version")
}

// besideIdle times a command and a program that does nothing, in turns. The folder out, if
// any, is removed before each run.
func besideIdle(b *testing.B, m meter, nothing, out string, args ...string) {
	var ours, idles []processUsage
	for b.Loop() {
		if err := os.RemoveAll(out); err != nil {
			b.Fatal(err)
		}
		idles = append(idles, m.timed(b, nothing))
		ours = append(ours, m.timed(b, args...))
	}
	a, i := median(ours), median(idles)
	b.ReportMetric(float64(a.wall.Microseconds())/1000, "ms/run")
	b.ReportMetric(float64(i.wall.Microseconds())/1000, "idle-ms/run")
	b.ReportMetric(float64(a.wall)/float64(i.wall), "times-idle")
	b.ReportMetric(a.mib, "peak-MiB")
	b.ReportMetric(0, "ns/op") // says nothing here: it holds both programs
}
