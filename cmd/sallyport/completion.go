package main

import (
	"maps"
	"net"
	"slices"
	"strings"

	"sallyport"

	"github.com/spf13/cobra"

	"sallyport/internal/pipeline"
	"sallyport/ipranges/kinds"
	"sallyport/renderers/all"
	"sallyport/verifier"
	"sallyport/verifier/media"
	"sallyport/verifier/sizing"
)

// This file has the completion of command lines in shells. It never uses the network, and
// never prints errors.

// complete registers how the values of a flag are completed.
func complete(cmd *cobra.Command, flag string, f cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(flag, f); err != nil {
		panic(err) // the flag is defined where it is completed
	}
}

// files completes the values of flags with files, of the extension if it is not empty.
func files(cmd *cobra.Command, extension string, flags ...string) {
	for _, flag := range flags {
		var extensions []string
		if extension != "" {
			extensions = append(extensions, extension)
		}
		if err := cmd.MarkFlagFilename(flag, extensions...); err != nil {
			panic(err) // the flag is defined where it is completed
		}
	}
}

// folders completes the values of flags with folders.
func folders(cmd *cobra.Command, flags ...string) {
	for _, flag := range flags {
		if err := cmd.MarkFlagDirname(flag); err != nil {
			panic(err) // the flag is defined where it is completed
		}
	}
}

// begin returns the words that begin with typed.
func begin(words []string, typed string) []string {
	return slices.DeleteFunc(words, func(w string) bool { return !strings.HasPrefix(w, typed) })
}

// words completes words.
func words(of func() []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		return begin(slices.Clone(of()), typed), cobra.ShellCompDirectiveNoFileComp
	}
}

// lists completes a comma-separated list of words with one that it does not have yet.
func lists(of func() []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		before := typed[:strings.LastIndexByte(typed, ',')+1]
		var out []string
		for _, w := range of() {
			if !slices.Contains(strings.Split(before, ","), w) {
				out = append(out, before+w)
			}
		}
		return begin(out, typed), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
}

// pairs completes the names in NAME=VALUE, also in a comma-separated list. Values are
// completed as files.
func pairs(of func() []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		before := typed[:strings.LastIndexByte(typed, ',')+1]
		if strings.Contains(typed[len(before):], "=") {
			return nil, cobra.ShellCompDirectiveDefault
		}
		var out []string
		for _, w := range of() {
			out = append(out, before+w+"=")
		}
		return begin(out, typed), cobra.ShellCompDirectiveNoSpace
	}
}

// declared returns the names of the policy's blocks of a kind.
func (f *policyFlags) declared(a *app, kind string) func() []string {
	return func() []string {
		name, _ := f.chosen()
		return pipeline.Declared(sallyport.Options{Policy: name, Now: a.now()}, kind)
	}
}

// kindCompletions completes kinds of targets.
func kindCompletions(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	var names []string
	for _, k := range all.Kinds() {
		names = append(names, k.Name+"\t"+k.Summary)
	}
	return begin(names, typed), cobra.ShellCompDirectiveNoFileComp
}

func (f *feedFlags) complete(cmd *cobra.Command) { folders(cmd, "cache") }

func (f *policyFlags) complete(cmd *cobra.Command, a *app) {
	f.feedFlags.complete(cmd)
	files(cmd, "hcl", "policy")
	folders(cmd, "allow-read")
	complete(cmd, "feed", pairs(f.declared(a, "feed")))
	complete(cmd, "var", pairs(f.declared(a, "variable")))
}

func (f *sourceFlags) complete(cmd *cobra.Command) {
	f.feedFlags.complete(cmd)
	complete(cmd, "feed", pairs(kinds.Names))
	complete(cmd, "kind", words(kinds.Names))
	complete(cmd, "cloud", words(func() []string {
		own := f.meant()
		own.Cloud, own.Files = "", slices.Compact(slices.Clone(own.Files)) // cobra parses flags twice here
		spec, _ := own.Spec()                                              // completion ignores mistakes
		kind, _ := kinds.Named(spec.Kind)
		return kind.Clouds
	}))
}

func (f *verifyFlags) completeOwn(cmd *cobra.Command, a *app) {
	files(cmd, "", "save", "html", "junit", "prom", "compare", "key-file", "history")
	complete(cmd, "target", words(f.declared(a, "target")))
	complete(cmd, "probe", words(f.declared(a, "probe")))
	complete(cmd, "kinds", lists(kindWords))
	complete(cmd, "vantage", words(func() []string { return []string{string(verifier.Client), string(verifier.Edge)} }))
	complete(cmd, "dscp", words(func() []string { return slices.Sorted(maps.Keys(media.Marks)) }))
	complete(cmd, "timer", pairs(func() []string { return timerNames }))
	complete(cmd, "vpn-interface", words(interfaceNames))
}

// interfaceNames returns the network interfaces of this machine.
func interfaceNames() []string {
	var names []string
	list, _ := net.Interfaces() // none if they cannot be listed
	for _, i := range list {
		names = append(names, i.Name)
	}
	return names
}

// callKinds returns the kinds of calls that --mix takes.
func callKinds() []string {
	var names []string
	for _, f := range sizing.Figures() {
		names = append(names, string(f.Kind))
	}
	return names
}
