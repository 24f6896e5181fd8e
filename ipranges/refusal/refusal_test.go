package refusal

import (
	"strings"
	"testing"
)

func TestErrorCountsWhatItCannotHold(t *testing.T) {
	e := &Error{Feed: "Test", Unit: "tag"}
	for i := range 30 {
		e.Note(Problem{Offset: int64(i), Line: i + 1, Part: "x", Text: "wrong", Fix: "mend it"})
	}
	e.NoteLast(Problem{Line: 99, Text: "it ends", Fix: "get it again"})
	text := e.Error()
	if len(e.Problems) != Max || e.Noted() != 31 || e.Problems[Max-1].Line != 99 {
		t.Errorf("%d problems and %d more", len(e.Problems), e.More)
	}
	for _, want := range []string{"31 mistakes", "line 1 (byte 0), tag x: wrong", "and 11 more", "mend it; get it again"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in:\n%s", want, text)
		}
	}
}

func TestCleanIsFitForATerminal(t *testing.T) {
	for in, want := range map[string]string{"plain": "plain", "a\x1b[31m\n": `a\x1b[31m\n`, `say "x"`: `say "x"`, "über": `\u00fcber`, strings.Repeat("y", 50): strings.Repeat("y", 40) + "..."} {
		if got := Clean(in, 40); got != want {
			t.Errorf("Clean(%q) = %q, not %q", in, got, want)
		}
	}
}
