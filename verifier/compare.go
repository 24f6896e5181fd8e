package verifier

import (
	"cmp"
	"net/netip"
	"slices"
)

// A Change is what became of one thing between two reports. Before or After is nil
// when only the other report has it. Each is the worst of the findings that share
// the key.
type Change struct {
	Key    string   `json:"key"`
	Before *Finding `json:"before,omitempty"`
	After  *Finding `json:"after,omitempty"`
}

// Better reports whether the outcome is better than before.
func (c *Change) Better() bool {
	return c.Before != nil && c.After != nil && c.Before.Outcome.Worse(c.After.Outcome)
}

// Worse reports whether the outcome is worse than before.
func (c *Change) Worse() bool {
	return c.Before != nil && c.After != nil && c.After.Outcome.Worse(c.Before.Outcome)
}

// Compare returns what changed from old to new, the worst first, then by key: other
// outcomes, verdicts, offenders, hops, another way out (all public addresses are others),
// and what only one of them judged. Addresses that a name resolved to and times are no
// change.
func Compare(old, new *Report) []Change {
	before, after := worstByKey(old), worstByKey(new)
	var list []Change
	for key, a := range after {
		b := before[key]
		if b == nil || b.Outcome != a.Outcome || b.Verdict != a.Verdict || b.Offender != a.Offender || b.Hop != a.Hop || moved(b.Public, a.Public) {
			list = append(list, Change{Key: key, Before: b, After: a})
		}
	}
	for key, b := range before {
		if after[key] == nil {
			list = append(list, Change{Key: key, Before: b})
		}
	}
	slices.SortFunc(list, func(x, y Change) int {
		return cmp.Or(cmp.Compare(x.rank(), y.rank()), cmp.Compare(x.Key, y.Key))
	})
	return list
}

// moved reports whether this machine is seen under other addresses only. A NAT with
// several shows some of them in each run.
func moved(before, after []netip.Addr) bool {
	return len(before) > 0 && len(after) > 0 && !slices.ContainsFunc(after, func(a netip.Addr) bool { return slices.Contains(before, a) })
}

// rank orders changes: worse, changed otherwise, better, new, gone.
func (c *Change) rank() int {
	switch {
	case c.Worse():
		return 0
	case c.After == nil:
		return 4
	case c.Before == nil:
		return 3
	case c.Better():
		return 2
	}
	return 1
}

func worstByKey(r *Report) map[string]*Finding {
	m := map[string]*Finding{}
	for i := range r.Findings {
		f := &r.Findings[i]
		if key := f.Key(); m[key] == nil || f.Outcome.Worse(m[key].Outcome) {
			m[key] = f
		}
	}
	return m
}
