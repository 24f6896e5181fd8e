package iproute

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"sallyport/internal/testkit/lab"
	"sallyport/internal/testkit/routecheck"
	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// rounds is many with SALLYPORT_LONG=1, and few otherwise.
func rounds(few, many int) int {
	switch {
	case os.Getenv("SALLYPORT_LONG") == "1":
		return many
	case testing.Short():
		return 2
	}
	return few
}

// version is a folder with what one policy makes.
type version struct{ script, state string }

// publish writes files into a folder and loads them once, into nothing.
func publish(t *testing.T, files []renderers.File) version {
	t.Helper()
	v := version{script: filepath.Join(t.TempDir(), "edge.load.sh")}
	for _, f := range files {
		if err := os.WriteFile(filepath.Join(filepath.Dir(v.script), f.Path), f.Data, f.Mode); err != nil {
			t.Fatal(err)
		}
	}
	fresh := routecheck.Client(t)
	routecheck.TakeDefault(t, fresh)
	fresh.MustRun(t, "sh", v.script)
	v.state = routecheck.Table(t, fresh)
	return v
}

// two are versions of some thousand routes, without and with exceptions.
func two(t *testing.T) (of [2]version, h *lab.Host) {
	list := func(first string, but ...string) *rules.Plan {
		set := ipranges.MustParse(first, "2603:1000::/26").Minus(ipranges.MustParse(but...))
		return rules.RoutePlan("edge", rules.BothFamilies, rules.Bypass, set)
	}
	for i := range of {
		var but []string
		for n := range 150 {
			but = append(but, fmt.Sprintf("20.%d.%d.%d", n, 2*n%256, i), fmt.Sprintf("2603:10%02x:%x::/48", n%64, n))
		}
		change := []func(*Options){gateways, withExceptions}[i]
		of[i] = publish(t, render(t, options(change), list("20.0.0.0/8", but...)))
	}
	h = routecheck.Client(t)
	routecheck.TakeDefault(t, h)
	return of, h
}

// TestLoadsTakeTurns loads two versions at once, again and again: both loads succeed, and
// what is loaded is always one of the two, whole.
func TestLoadsTakeTurns(t *testing.T) {
	of, h := two(t)
	seen := [2]int{}
	for range rounds(10, 200) {
		var wg sync.WaitGroup
		for _, v := range of {
			wg.Go(func() {
				if _, err := h.Run("sh", v.script); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		switch got := routecheck.Table(t, h); got {
		case of[0].state:
			seen[0]++
		case of[1].state:
			seen[1]++
		default:
			t.Fatalf("loaded is neither of the two:\n%s", got)
		}
	}
	t.Logf("%v times the one and the other", seen)
}

// TestKilledLoads kills a load at any moment, alone or with all its children: what the
// next load makes is the same as on a machine where nothing was.
func TestKilledLoads(t *testing.T) {
	of, h := two(t)
	start := time.Now()
	h.MustRun(t, "sh", of[0].script)
	takes := time.Since(start)
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range rounds(10, 200) {
		whom := []string{"$!", "-$!"}[i%2]
		at := time.Duration(rnd.Int64N(int64(takes)))
		h.MustRun(t, "sh", "-c", fmt.Sprintf("setsid sh %s >/dev/null 2>&1 & sleep %f; kill -9 %s; wait; true", of[1].script, at.Seconds(), whom))
		next := of[rnd.IntN(2)]
		h.MustRun(t, "sh", next.script)
		if got := routecheck.Table(t, h); got != next.state {
			t.Fatalf("killed after %v of %v, then a load:\n%s\nwanted:\n%s", at, takes, got, next.state)
		}
	}
}
