package policy

import (
	"testing"

	"sallyport/internal/testkit/grow"
	"sallyport/internal/testkit/policies"
	"sallyport/ipranges/azure"
	"sallyport/ipranges/catalog"
	"sallyport/rules"
)

// TestShadowedGrowth counts the steps of the search for rules that decide nothing.
func TestShadowedGrowth(t *testing.T) {
	for _, shape := range policies.Shapes {
		t.Run(shape.Name, func(t *testing.T) {
			grow.Check(t, "finding shadowed rules", 75, func(n int) int {
				p := planOf(t, shape, n)
				work := 1 << 40
				rules.Shadowed(p, &work)
				return 1<<40 - work
			})
		})
	}
}

// planOf is the plan of a policy of n rules.
func planOf(t *testing.T, shape policies.Shape, n int) *rules.Plan {
	cats := map[string]*catalog.Catalog{}
	if shape.Feed != nil {
		cat, err := azure.Decode(shape.Feed(n), azure.Options{})
		if err != nil {
			t.Fatal(err)
		}
		cats["azure"] = cat
	}
	src := shape.Policy(n) + "target \"generic\" \"x\" {}\n"
	f, list := Load("test.hcl", []byte(src), testOptions(nil))
	p, more := f.Compile(cats)
	if list = append(list, more...); list.HasErrors() {
		t.Fatalf("%v", list)
	}
	return p.Targets[0].Plan
}
