package probe

import (
	"math/rand/v2"
	"testing"

	"sallyport/verifier"
)

// firm reports whether a verdict claims something.
func firm(v verifier.Verdict) bool { return v == verifier.Reachable || v.Firm() }

// TestEvidenceTakenAway: without one of the facts, a verdict is never firmer.
func TestEvidenceTakenAway(t *testing.T) {
	t.Parallel()
	const all = heardBeyond<<1 - 1
	check := func(f fact) {
		for bit := fact(1); bit <= heardBeyond; bit <<= 1 {
			if less := f &^ bit; firm(conclude(less)) && !firm(conclude(f)) {
				t.Fatalf("%b is %s, and without %b it is %s", f, conclude(f), bit, conclude(less))
			}
		}
	}
	for _, r := range evidenceTable {
		check(r.needs)
		for bit := fact(1); bit <= heardBeyond; bit <<= 1 {
			check(r.needs | bit)
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200_000 {
		check(fact(rng.Uint32()) & all)
	}
}

// TestEvidenceIsNeeded: a row does not give its verdict if any one of its facts is
// missing.
func TestEvidenceIsNeeded(t *testing.T) {
	t.Parallel()
	for _, r := range evidenceTable {
		if got := conclude(r.needs); got != r.verdict {
			t.Errorf("%b is %s, want %s", r.needs, got, r.verdict)
		}
		for bit := fact(1); bit <= heardBeyond; bit <<= 1 {
			if r.needs&bit != 0 && r.needs != bit && firm(r.verdict) && conclude(r.needs&^bit) == r.verdict {
				t.Errorf("%s does not need %b", r.verdict, bit)
			}
		}
	}
	if got := conclude(0); got != verifier.Inconclusive {
		t.Errorf("nothing is %s", got)
	}
}
