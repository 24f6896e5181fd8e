package policy

import (
	"slices"
	"testing"
)

func TestFeedsFor(t *testing.T) {
	f, _ := Load("test.hcl", []byte(`
feed "a" { kind = "azure" }
feed "b" { kind = "azure" }
variable "v" { default = true }
set "literal" { include = ["192.0.2.0/24"] }
set "direct" { include = [tag(feed.a, "X")] }
set "by_way" { include = var.v ? [set.literal, set.direct] : [set.circle] }
set "circle" { include = [set.circle, [for t in ["X"] : tag(feed.b, t)]] }
target "openvpn" "t" {
  bypass = set.literal
  budget {
    must = set.direct
  }
}
`), testOptions(nil))
	for _, tt := range []struct {
		kind, name string
		want       []string
	}{
		{"set", "literal", nil}, {"set", "direct", []string{"a"}}, {"set", "by_way", []string{"a", "b"}}, {"set", "circle", []string{"b"}},
		{"target", "t", []string{"a"}}, {"set", "none", nil},
	} {
		if got := f.FeedsFor(tt.kind, tt.name); !slices.Equal(slices.Sorted(slices.Values(got)), tt.want) {
			t.Errorf("%s %s: %q", tt.kind, tt.name, got)
		}
	}
}
