package main

import (
	"bytes"
	"slices"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// freeValues are the flags whose values nothing can offer: numbers, times, names that only
// the user knows.
var freeValues = []string{
	"now", "accept-feed-change", "at", "resolver", "reflector", "rate", "duration", "time-scale", "watch",
	"listen", "total-rate", "max-delay", "users", "devices", "in-call", "direct", "headroom", "tcp-ports", "udp-ports",
	"port-margin", "reserved-ports", "call-length", "udp-timeout", "join-within", "accept-change", "why",
}

// TestFlagsComplete holds that every flag that takes one of a closed list of values, a
// file or a name completes it.
func TestFlagsComplete(t *testing.T) {
	seen := map[string]bool{}
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Value.Type() == "bool" || f.Name == "no-descriptions" {
				return
			}
			_, completed := cmd.GetFlagCompletionFunc(f.Name)
			for _, key := range []string{cobra.BashCompFilenameExt, cobra.BashCompSubdirsInDir} {
				_, named := f.Annotations[key]
				completed = completed || named
			}
			// The arguments of aggregate --exclude are files, as those of its own.
			free := slices.Contains(freeValues, f.Name)
			seen[f.Name] = true
			if completed == free {
				t.Errorf("%s --%s: completes is %v", cmd.CommandPath(), f.Name, completed)
			}
		})
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(newRoot(&app{out: newOutput(&bytes.Buffer{}), width: 80}, nil))
	for _, name := range freeValues {
		if !seen[name] {
			t.Errorf("no flag is called --%s", name)
		}
	}
}
