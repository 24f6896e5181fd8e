package reflector

import (
	"testing"

	"sallyport/internal/testkit/quickfuzz"
)

func TestMain(m *testing.M) { quickfuzz.Main(m) }
