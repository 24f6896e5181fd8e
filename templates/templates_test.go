package templates

import (
	"slices"
	"testing"
	"testing/fstest"
)

func TestOverrides(t *testing.T) {
	own := fstest.MapFS{
		"nftables/fragment.nft.tmpl": {Data: []byte("mine")},
		"iptables/load.sh.tmpl":      {Data: []byte("exit 0")},
	}
	for _, tt := range []struct {
		target, name string
		overridden   bool
	}{{"nftables", "fragment.nft.tmpl", true}, {"nftables", "remove.nft.tmpl", false}, {"iptables", "load.sh.tmpl", false}} {
		_, overridden, err := Load(tt.target, tt.name, own)
		if err != nil || overridden != tt.overridden {
			t.Errorf("%s/%s: overridden %v, %v", tt.target, tt.name, overridden, err)
		}
	}
	if _, _, err := Load("nftables", "nothing.tmpl", own); err == nil {
		t.Error("a template that is not there is loaded")
	}
	names := Names()
	if !slices.Contains(names, "nftables/fragment.nft.tmpl") || slices.Contains(names, "iptables/load.sh.tmpl") {
		t.Errorf("names that can be overridden: %v", names)
	}
}

func TestMissingKeysAreErrors(t *testing.T) {
	tmpl, err := Parse("x", "{{.Absent}}")
	if err != nil {
		t.Fatal(err)
	}
	if err := tmpl.Execute(new(discard), map[string]string{}); err == nil {
		t.Error("a key that is not there prints nothing")
	}
}

type discard struct{}

func (*discard) Write(p []byte) (int, error) { return len(p), nil }
