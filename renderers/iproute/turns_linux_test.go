package iproute

import (
	"fmt"
	"path/filepath"
	"testing"

	"sallyport/internal/testkit/lab"
	"sallyport/internal/testkit/rendered"
	"sallyport/internal/testkit/routecheck"
	"sallyport/internal/testkit/turns"
	"sallyport/ipranges"
	"sallyport/rules"
)

// loads are versions of some thousand routes, without and with exceptions.
func loads(t *testing.T) turns.Loads {
	clean := func() *lab.Host {
		h := routecheck.Client(t)
		routecheck.TakeDefault(t, h)
		return h
	}
	h := clean()
	l := turns.Loads{Run: h.Run, State: func() string { return routecheck.Table(t, h) }}
	for i := range l.Of {
		var but []string
		for n := range 150 {
			but = append(but, fmt.Sprintf("20.%d.%d.%d", n, 2*n%256, i), fmt.Sprintf("2603:10%02x:%x::/48", n%64, n))
		}
		set := ipranges.MustParse("20.0.0.0/8", "2603:1000::/26").Minus(ipranges.MustParse(but...))
		dir := t.TempDir()
		rendered.Write(t, dir, render(t, options([]func(*Options){gateways, withExceptions}[i]), rules.RoutePlan("edge", rules.BothFamilies, rules.Bypass, set)))
		fresh := clean()
		fresh.MustRun(t, "sh", filepath.Join(dir, "edge.load.sh"))
		l.Of[i] = turns.Version{Command: "exec sh " + filepath.Join(dir, "edge.load.sh"), State: routecheck.Table(t, fresh)}
	}
	return l
}

func TestLoadsTakeTurns(t *testing.T) { loads(t).AtOnce(t, turns.Rounds(10, 200)) }

func TestKilledLoads(t *testing.T) { loads(t).Killed(t, turns.Rounds(10, 200)) }
