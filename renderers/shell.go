package renderers

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
)

// TurnSeconds is how long a load waits for another one.
const TurnSeconds = 60

// Shell is the functions that load scripts for Linux have in common.
type Shell struct {
	Turns string // take_turn, and say
	Whole string // whole and again, for those that load other files; they call say
}

// ShellOf is those for a target called name.
func ShellOf(name string) (Shell, error) {
	var parts [2]string
	for i, file := range []string{"turns.sh.tmpl", "whole.sh.tmpl"} {
		part, err := Execute("shell", file, nil, map[string]any{"Name": name, "Wait": TurnSeconds})
		if err != nil {
			return Shell{}, err
		}
		parts[i] = string(part)
	}
	return Shell{parts[0], parts[1]}, nil
}

// CommandSum is what the shell function whole compares: the checksum of the lines of
// files that are no comments, so that a new header alone is no new file.
func CommandSum(files ...[]byte) string {
	h := sha256.New()
	for _, data := range files {
		for line := range bytes.Lines(data) {
			if line[0] != '#' {
				h.Write(line)
			}
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}
