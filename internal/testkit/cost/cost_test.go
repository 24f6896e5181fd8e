package cost

import (
	"runtime"
	"testing"
	"time"
)

func spin(n int) {
	x := uint64(1)
	for range n {
		x = x*6364136223846793005 + 1
	}
	runtime.KeepAlive(x)
}

// attempt is a test that may fail.
type attempt struct {
	testing.TB
	failed bool
}

func (a *attempt) Errorf(string, ...any) { a.failed = true }

func TestLinear(t *testing.T) {
	for name, c := range map[string]struct {
		work func(n int)
		fail bool
	}{
		"linear": {func(n int) { spin(n * 1e4) }, false},
		"square": {func(n int) { spin(n * n * 20) }, true},
		"waits":  {func(n int) { time.Sleep(time.Duration(n*n) * 10 * time.Nanosecond) }, runtime.GOOS == "windows"},
	} {
		a := &attempt{TB: t}
		if Linear(a, name, 300, c.work); a.failed != c.fail {
			t.Errorf("%s: failed %v", name, a.failed)
		}
	}
}

func TestLeast(t *testing.T) {
	turn := 0
	least := Least(3, func() {
		if turn++; turn != 2 {
			spin(3e7)
		}
	})
	if all := Least(1, func() { spin(3e7) }); turn != 3 || least > all/2 {
		t.Errorf("%d turns, the least cost %v, and one of the others %v", turn, least, all)
	}
}
