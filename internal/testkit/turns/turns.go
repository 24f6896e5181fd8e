// Package turns tests loads that run at the same time, and loads that are killed.
package turns

import (
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"
)

// Loads are two versions of what a target loads into one machine.
type Loads struct {
	Run   func(name string, args ...string) (string, error) // on the machine
	State func() string                                     // what is loaded
	Of    [2]Version
}

// Version is a command for a shell that loads it, in silence and without a process beside
// the load, such as "exec sh edge.load.sh", and the state that it leaves on a machine where
// nothing was.
type Version struct{ Command, State string }

// Rounds is many with SALLYPORT_LONG=1, and few otherwise; two in short tests.
func Rounds(few, many int) int {
	switch {
	case os.Getenv("SALLYPORT_LONG") == "1":
		return many
	case testing.Short():
		return 2
	}
	return few
}

func (l Loads) load(t *testing.T, v Version) {
	if out, err := l.Run("sh", "-c", v.Command); err != nil || out != "" {
		t.Errorf("%s: %v, and says %q", v.Command, err, out)
	}
}

// AtOnce loads both at the same time, again and again: both loads succeed, and what is
// loaded is always one of the two, whole.
func (l Loads) AtOnce(t *testing.T, rounds int) {
	t.Helper()
	if l.Of[0].State == l.Of[1].State {
		t.Fatal("both versions leave the same")
	}
	won := map[string]int{}
	start := time.Now()
	for i := range rounds {
		var both sync.WaitGroup
		for _, v := range l.Of {
			both.Go(func() { l.load(t, v) })
		}
		both.Wait()
		got := l.State()
		if won[got]++; got != l.Of[0].State && got != l.Of[1].State {
			t.Fatalf("pair %d leaves neither of the two:\n%s", i, got)
		}
	}
	t.Logf("%d and %d times each, in %v", won[l.Of[0].State], won[l.Of[1].State], time.Since(start).Round(time.Millisecond))
}

// Killed kills a load of the second version at any moment, alone or with all its children:
// what the next load leaves is the same as on a machine where nothing was.
func (l Loads) Killed(t *testing.T, rounds int) {
	t.Helper()
	start := time.Now()
	l.load(t, l.Of[1])
	takes := time.Since(start)
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range rounds {
		whom := []string{"$!", "-$!"}[i%2]
		at := time.Duration(rnd.Int64N(int64(takes)))
		kill := fmt.Sprintf(`setsid sh -c "$0" >/dev/null 2>&1 & sleep %f; kill -9 %s; wait; true`, at.Seconds(), whom)
		if _, err := l.Run("sh", "-c", kill, l.Of[1].Command); err != nil {
			t.Fatal(err)
		}
		next := l.Of[rnd.IntN(2)]
		l.load(t, next)
		if got := l.State(); got != next.State {
			t.Fatalf("killed after %v of %v, and %s leaves\n%s\nnot\n%s", at, takes, next.Command, got, next.State)
		}
	}
}
