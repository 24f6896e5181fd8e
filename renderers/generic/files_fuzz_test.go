package generic

import (
	"testing"

	"sallyport/renderers/conformance"
)

// FuzzFiles feeds the readers of what is rendered, and of what was published before.
func FuzzFiles(f *testing.F) { conformance.Fuzz(f, contract()) }
