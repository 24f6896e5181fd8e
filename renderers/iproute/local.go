package iproute

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// local is how the routes are seen on this machine.
func (r *renderer) local() *renderers.Local {
	l := &renderers.Local{Revert: r.revert}
	for _, f := range rules.BothFamilies.List() {
		for _, protocol := range []int{r.routes.Protocol, r.routes.Protocol + 1} {
			l.State = append(l.State, renderers.Reader{
				// All tables: ip fails for one that has no route (iproute2 6.1, 2026-12).
				Args: []string{"ip", fmt.Sprintf("-%d", int(f)), "route", "show", "table", "all", "proto", fmt.Sprint(protocol)},
				Keep: func(output string) []string { return r.keep(f, output) },
			})
		}
	}
	return l
}

// keep picks the routes of our table. Those of the main one are shown without it, and
// others by the name that they have in rt_tables, whatever the policy calls them.
func (r *renderer) keep(f ipranges.Family, output string) []string {
	isNumber := func(s string) bool { _, err := strconv.ParseUint(s, 10, 32); return err == nil }
	inMain := r.routes.Table == "main" || r.routes.Table == "254"
	list := renderers.KeepSorted(output, func(line string) bool {
		words := strings.Fields(line)
		i := slices.Index(words, "table")
		if i < 0 || i+1 == len(words) {
			return inMain
		}
		return !inMain && (words[i+1] == r.routes.Table || isNumber(words[i+1]) != isNumber(r.routes.Table))
	})
	for i := range list {
		list[i] = fmt.Sprintf("IPv%d: %s", int(f), list[i])
	}
	return list
}

// revert is restored with scripts that also take away the routes of a family that only
// loaded has.
func (r *renderer) revert(loaded, restored []renderers.File) ([]renderers.File, error) {
	if len(restored) == 0 {
		return nil, nil
	}
	gone := slices.DeleteFunc(r.without(restored), func(f ipranges.Family) bool {
		_, err := renderers.FileAt(loaded, renderers.FamilyPath(r.env.Path, f))
		return err != nil
	})
	scripts, err := r.scripts(restored, gone)
	if err != nil {
		return nil, err
	}
	files := slices.DeleteFunc(slices.Clone(restored), func(f renderers.File) bool {
		return slices.ContainsFunc(scripts, func(s renderers.File) bool { return s.Path == f.Path })
	})
	return append(files, scripts...), nil
}
