// Package marked writes policies with mistakes of which a test knows, and holds what is
// reported to them. It is for tests.
//
// In a template, <right|wrong|summary> is a place of a mistake: what has to stand there,
// what stands there when the mistake is made, and a part of what is then said of the
// line. A summary that begins with ~ may be said of any line.
package marked

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sallyport/diag"
)

var place = regexp.MustCompile(`<([^<>|]*)\|([^<>|]*)\|([^<>|]+)>`)

// Write writes the template with the mistakes that are chosen, by their numbers from 0,
// and says what has to be found: the line and the summary of each.
func Write(template string, chosen func(i int) bool) (src string, want []string) {
	i, line := 0, 0
	var b strings.Builder
	for l := range strings.Lines(template) {
		line++
		b.WriteString(place.ReplaceAllStringFunc(l, func(m string) string {
			p := place.FindStringSubmatch(m)
			i++
			if !chosen(i - 1) {
				return p[1]
			}
			if rest, anywhere := strings.CutPrefix(p[3], "~"); anywhere {
				want = append(want, "~ "+rest)
			} else {
				want = append(want, fmt.Sprintf("%d %s", line, p[3]))
			}
			return p[2]
		}))
	}
	return b.String(), want
}

// Compare says which of the wanted errors are not found, and which are found besides.
func Compare(list diag.List, want []string) (missing []string, more diag.List) {
	missing = slices.Clone(want)
	for _, d := range list {
		if d.Severity != diag.Error {
			continue
		}
		i := slices.IndexFunc(missing, func(w string) bool {
			line, summary, _ := strings.Cut(w, " ")
			return (line == "~" || line == strconv.Itoa(d.Subject.Start.Line)) && strings.Contains(d.Summary, summary)
		})
		if i < 0 {
			more = append(more, d)
			continue
		}
		missing = slices.Delete(missing, i, i+1)
	}
	return missing, more
}

// Try makes no mistake, each alone, all, and many choices of them at random. Each time
// what check reports has to be just what is wanted: no mistake may hide another, and none
// may have consequences that are reported too.
func Try(t *testing.T, template string, least, rounds int, check func(src string) diag.List) {
	t.Helper()
	n := len(place.FindAllString(template, -1))
	if n < least {
		t.Fatalf("only %d mistakes", n)
	}
	try := func(name string, chosen func(i int) bool) {
		t.Helper()
		src, want := Write(template, chosen)
		missing, more := Compare(check(src), want)
		if len(missing)+len(more) == 0 {
			return
		}
		var b strings.Builder
		_ = diag.Print(&b, more, diag.PrintOptions{})
		t.Errorf("%s: not found: %q; found besides:\n%s", name, missing, b.String())
	}
	try("no mistake", func(int) bool { return false })
	if t.Failed() {
		return
	}
	for i := range n {
		try(fmt.Sprintf("mistake %d", i), func(k int) bool { return k == i })
	}
	try("all", func(int) bool { return true })
	rng := rand.New(rand.NewPCG(1, 2))
	for round := range rounds {
		if t.Failed() {
			return
		}
		share := 0.02 + 0.9*rng.Float64()
		picked := make([]bool, n)
		for i := range picked {
			picked[i] = rng.Float64() < share
		}
		try(fmt.Sprintf("round %d", round), func(i int) bool { return picked[i] })
	}
}
