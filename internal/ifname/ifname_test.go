package ifname

import (
	"strings"
	"testing"
)

func TestProblem(t *testing.T) {
	for _, tt := range []struct {
		name     string
		wildcard bool
		fix      string // part of it; none: the name is fine
	}{
		{"eth0", false, ""}, {"eth0.100", false, ""}, {"br-lan", true, ""}, {"a+b", true, ""}, {"enp0s31f6", false, ""}, {"wg_0", false, ""},
		{"123456789012345", false, ""}, {"tun*", true, ""}, {"v", false, ""},
		{"tun+", true, `"tun*"`}, {"tun+", false, "ip link"}, {"tun*", false, "ip link"}, {"*", true, "one by one"}, {"+", true, "one by one"},
		{"eth0@if2", true, `"eth0"`}, {"eth0@if2", false, `"eth0"`}, {"eth0.7@eth0", false, `"eth0.7"`}, {"eth0:1", true, `"eth0"`},
		{"any", true, "one by one"}, {"all", false, "one by one"}, {"", true, "leave it out"}, {`"eth0"`, true, `write "eth0"`}, {"'eth0'", true, `write "eth0"`},
		{"eth0,eth1", true, "by itself"}, {"eth0 ", true, "by itself"}, {"1234567890123456", true, "altname"}, {"enx0123456789ab-and-more", false, "altname"},
		{"la*n", true, "ip link"}, {"..", false, "ip link"}, {"-i", false, "ip link"}, {"!lan0", true, "ip link"}, {"a/b", true, "ip link"}, {"lan\x00", true, "ip link"},
		{"länder", true, "ip link"}, {"a;b", true, "ip link"}, {"a$b", true, "ip link"}, {"-*", true, "ip link"},
	} {
		cause, fix := Problem(tt.name, tt.wildcard, "$")
		if (cause == "") != (tt.fix == "") || (fix == "") != (cause == "") || !strings.Contains(fix, tt.fix) {
			t.Errorf("%q: %q, %q", tt.name, cause, fix)
		}
	}
}
