package kinds

import (
	"slices"
	"testing"
)

func TestKinds(t *testing.T) {
	if names := Names(); !slices.IsSorted(names) || len(slices.Compact(names)) != len(All()) {
		t.Errorf("the kinds are %q", Names())
	}
	for _, k := range All() {
		if got, ok := Named(k.Name); !ok || got.Name != k.Name {
			t.Errorf("%s is not found by its name", k.Name)
		}
		if k.MinAge > 0 && len(k.Clouds) == 0 {
			t.Errorf("%s has a publisher and no cloud", k.Name)
		}
	}
	if _, ok := Named("none"); ok {
		t.Error("there is a kind none")
	}
}
