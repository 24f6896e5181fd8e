package conformance

import (
	"strings"
	"testing"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// Step is what a command of a file, or several that take effect together, do to the list
// that the device has: first Clears, then Removes, then Adds.
type Step struct {
	Clears  rules.Families // whole lists
	Removes ipranges.Set
	Adds    ipranges.Set
}

// load plays the steps of an output that comes after another. In the end the device has
// the new list. On the way, no address that both lists have is away, and none is there that
// neither has; and where the contract is Transaction, the device has one of the lists.
func (s *suite) load(t testing.TB) {
	if s.Steps == nil || s.verdict(t) == rules.Allow {
		return
	}
	for _, p := range s.damagePlans(t, cloud) {
		old := s.planOf(t, p.Rules[0].Verdict, earlier)
		before, _ := s.rendered(t, s.build(t, "edge"), old)
		device := s.play(t, before, ipranges.Set{}, ipranges.Set{}, listed(old))
		files, _ := s.rendered(t, s.buildAfter(t, before), p)
		if device = s.play(t, files, device, device, listed(p)); !device.Equal(listed(p)) {
			t.Errorf("%v: after two loads the device has %v, not %v", p.Rules[0].Verdict, device, listed(p))
		}
	}
}

func listed(p *rules.Plan) ipranges.Set {
	list, _ := p.Routes()
	return list.Set
}

// play carries out the steps of files, which turn the list old into now.
func (s *suite) play(t testing.TB, files []renderers.File, device, old, now ipranges.Set) ipranges.Set {
	for _, f := range files {
		for i, step := range s.Steps(f) {
			for _, family := range step.Clears.List() {
				device = device.Minus(ipranges.Full(family))
			}
			device = device.Minus(step.Removes).Union(step.Adds)
			switch {
			case s.Kind.Load == renderers.Transaction && !device.Equal(old) && !device.Equal(now):
				t.Errorf("%s, step %d: the device has neither the list before nor the new one", f.Path, i+1)
			case !old.Intersect(now).Minus(device).IsEmpty():
				t.Errorf("%s, step %d: %v is on both lists, and away", f.Path, i+1, old.Intersect(now).Minus(device))
			case !device.Minus(old.Union(now)).IsEmpty():
				t.Errorf("%s, step %d: %v is on neither list, and there", f.Path, i+1, device.Minus(old.Union(now)))
			}
		}
	}
	return device
}

// checkLoad wants an output to say how it is loaded, and on which machine.
func (s *suite) checkLoad(t testing.TB, files []renderers.File) {
	said := false
	for _, f := range files {
		how := f.Use != "" || f.Hand != ""
		said = said || how
		if how != (f.On != "") {
			t.Errorf("%s: the command %q, by hand %q, on %q: one says how, the other where", f.Path, f.Use, f.Hand, f.On)
		}
		if len(f.Once) > 0 && f.Use == "" {
			t.Errorf("%s: once %q, and no command loads it", f.Path, f.Once)
		}
		for _, text := range append([]string{f.Use, f.Undo, f.Hand, f.On}, f.Once...) {
			if strings.Contains(text, "\n") || strings.TrimSpace(text) != text {
				t.Errorf("%s: %q is not one line", f.Path, text)
			}
		}
	}
	if said == (s.Kind.Load == renderers.NotLoaded) {
		t.Errorf("how the files are loaded is said: %v, and the load contract is %q", said, s.Kind.Load)
	}
}
