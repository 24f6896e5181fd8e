package renderers

import "strings"

// maxHost is the length of a host name (RFC 1035, 2.3.4).
const maxHost = 253

// IsHostPattern reports whether s has only characters of host names: ASCII letters, digits,
// dots, dashes and underscores, after at most one *. Policies check names more strictly;
// this check is for renderers that write names into commands.
func IsHostPattern(s string) bool {
	s = strings.TrimPrefix(s, "*")
	for _, c := range []byte(s) {
		plain := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !plain && c != '.' && c != '-' && c != '_' {
			return false
		}
	}
	return s != "" && len(s) <= maxHost
}
