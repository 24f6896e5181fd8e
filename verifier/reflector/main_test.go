package reflector

import (
	"testing"

	"sallyport/internal/testkit/quickfuzz"
)

// serveIfTold, where it is set, makes this process a server.
var serveIfTold = func() {}

func TestMain(m *testing.M) {
	serveIfTold()
	quickfuzz.Main(m)
}
