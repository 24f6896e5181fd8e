package renderers

import "strings"

// maxHost is the length of a host name (RFC 1035, 2.3.4).
const maxHost = 253

// IsHostPattern reports whether s has only characters of host names: ASCII letters, digits,
// dots, dashes and underscores, after at most one *. Policies check names more strictly;
// this check is for renderers that write names into commands.
func IsHostPattern(s string) bool { return IsName(strings.TrimPrefix(s, "*"), maxHost, ".-_") }

// IsHost reports whether s is a host name of two parts or more, in lower case. The last
// part is no number, so that no address is one.
func IsHost(s string) bool {
	parts := strings.Split(s, ".")
	for _, p := range parts {
		if !IsName(p, 63, "-_") || p[0] == '-' || p[len(p)-1] == '-' {
			return false
		}
	}
	return len(parts) > 1 && len(s) <= maxHost && s == strings.ToLower(s) && strings.Trim(parts[len(parts)-1], "0123456789") != ""
}
