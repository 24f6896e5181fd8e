package policy

import (
	"net/netip"
	"strings"
)

func isAddress(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}

// hostProblem says why s is neither a host name (RFC 1123, section 2.1, with the lengths of
// RFC 1035, section 2.3.4) nor an IP address; "" if it is one. Names of one label are valid,
// because of search domains.
func hostProblem(s string) string {
	if a, err := netip.ParseAddr(s); err == nil {
		if a.Zone() != "" {
			return "The address has a zone."
		}
		return ""
	}
	name := strings.TrimSuffix(s, ".")
	switch {
	case name == "":
		return "It is empty."
	case strings.Contains(s, "://"), strings.Contains(s, "/"):
		return "It is a URL."
	case strings.HasPrefix(s, "*"):
		return "A probe asks one host, and a wildcard names many."
	case len(name) > 253:
		return "Names have at most 253 characters."
	}
	labels := strings.Split(name, ".")
	for _, label := range labels {
		if problem := labelProblem(label); problem != "" {
			return problem
		}
	}
	if last := labels[len(labels)-1]; strings.Trim(last, "0123456789") == "" {
		return "Its last part is a number, so it is a mistyped address."
	}
	return ""
}

func labelProblem(label string) string {
	switch {
	case label == "":
		return "It has an empty part between two dots."
	case len(label) > 63:
		return "A part between two dots has at most 63 characters."
	case label[0] == '-' || label[len(label)-1] == '-':
		return "A part begins or ends with a hyphen."
	}
	for i := range len(label) {
		b := label[i]
		if (b < 'a' || b > 'z') && (b < 'A' || b > 'Z') && (b < '0' || b > '9') && b != '-' && b != '_' {
			return "Host names are made of ASCII letters, digits, hyphens and dots."
		}
	}
	return ""
}
