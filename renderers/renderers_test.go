package renderers

import (
	"os/exec"
	"strings"
	"testing"

	"sallyport/internal/testkit/need"
)

// TestShellWord asks a shell what it makes of words.
func TestShellWord(t *testing.T) {
	need.NotWindows(t, "there is no sh")
	sh := need.Program(t, "sh")
	words := []string{"", "a", "fw/edge.nft", "a b", "it's", "''", `"`, "`id`", "$(id)", "$HOME", `\`, `a\nb`, "a\nb", "&", "a;b", "|", "*", "?", "~", "#x", "-n", "é", "{}", "!", "\x01"}
	script := "printf '%s\\0'"
	for _, w := range words {
		script += " " + ShellWord(w)
	}
	out, err := exec.Command(sh, "-c", script).Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSuffix(string(out), "\x00"); got != strings.Join(words, "\x00") {
		t.Errorf("the shell reads %q", got)
	}
}

// TestIsHostPattern keeps what means something to a command line out of names.
func TestIsHostPattern(t *testing.T) {
	for s, want := range map[string]bool{
		"a.example": true, "*.example.com": true, "*-files.example.com": true, "_sip._tcp.example": true, "192.0.2.1": true,
		"": false, "*": false, "**.a": false, "a b": false, "a'b": false, "a\nb": false, "a;b": false, "é.example": false, "a/b": false, "a?": false,
		strings.Repeat("a", 253): true, strings.Repeat("a", 254): false,
	} {
		if IsHostPattern(s) != want {
			t.Errorf("%.20q: %v", s, !want)
		}
	}
}
