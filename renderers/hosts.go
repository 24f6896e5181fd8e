package renderers

import "strings"

// maxHost is the length of a host name (RFC 1035, 2.3.4).
const maxHost = 253

// IsHostPattern reports whether s is written with what host names are written with: ASCII
// letters, digits, dots, dashes and underscores, behind one * or none. Policies hold names
// to more; a renderer that writes names into commands holds them to this.
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
