package pipeline

import (
	"os"
	"path/filepath"
	"testing"

	"sallyport/rules/policy"
)

// TestPreviousOfACutFile hands no half line to a renderer: what it names is something else.
func TestPreviousOfACutFile(t *testing.T) {
	req := Request{Out: t.TempDir()}
	previous := environment(&policy.Target{}, req).Previous
	for text, want := range map[string]string{
		"delete address sp-edge-a\ndelete address sp-edge-b\n": "delete address sp-edge-a\ndelete address sp-edge-b\n",
		"delete address sp-edge-a\ndelete address sp":          "delete address sp-edge-a\n",
		"delete address sp": "",
		"":                  "",
	} {
		if err := os.WriteFile(filepath.Join(req.Out, "edge.remove.set"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := string(previous("edge.remove.set")); got != want {
			t.Errorf("%q is handed over as %q", text, got)
		}
	}
	if got := previous("none"); got != nil {
		t.Errorf("of no file there is %q", got)
	}
}
