package diag

import (
	"testing"

	"sallyport/internal/quickfuzz"
)

func TestMain(m *testing.M) { quickfuzz.Main(m) }
