package fetch

import (
	"fmt"
	"strings"
)

// WarnOlder warns if the file is of an older version than one that was used before it:
// its publisher went back, as Microsoft did in 2020, or a mirror lags, or an old file was
// passed. It says so once.
func (r *Result) WarnOlder(before string) {
	if r.Newer == "" && Older(r.Change, before) {
		r.Newer = before
		r.warnOf("older-feed", fmt.Sprintf("it is of change %s, which is older than change %s that was used before it: its publisher went back, a mirror lags, or an old file was passed", r.Change, before))
	}
}

// Older reports whether version a of a feed is known to be older than b: both are whole
// numbers, and a is less.
func Older(a, b string) bool {
	for _, s := range []string{a, b} {
		if s == "" || strings.Trim(s, "0123456789") != "" {
			return false
		}
	}
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	if len(a) != len(b) {
		return len(a) < len(b)
	}
	return a < b
}
