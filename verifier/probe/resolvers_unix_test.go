//go:build unix

package probe

import (
	"slices"
	"strings"
	"testing"
)

func TestParseResolvConf(t *testing.T) {
	t.Parallel()
	got, err := parseResolvConf(strings.NewReader("# comment\nsearch example\nnameserver 10.0.0.53\n nameserver\t2001:db8::53\nnameserver fe80::1%eth0\nnameserver x\nnameserver\n"))
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, a := range got.Servers {
		words = append(words, a.String())
	}
	if want := []string{"10.0.0.53:53", "[2001:db8::53]:53", "[fe80::1%eth0]:53"}; !slices.Equal(words, want) {
		t.Errorf("%v, want %v", words, want)
	}
}
