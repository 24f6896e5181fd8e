package main

import (
	"io"
	"maps"
	"net"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/internal/feeds"
	"sallyport/internal/pipeline"
	"sallyport/renderers/all"
	"sallyport/verifier"
	"sallyport/verifier/media"
	"sallyport/verifier/sizing"
)

// This file completes what is typed on a command line. Completion never waits for the
// network, and never complains.

// complete registers how the values of a flag are completed.
func complete(cmd *cobra.Command, flag string, f cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(flag, f); err != nil {
		panic(err) // the flag is defined where it is completed
	}
}

// files says that the values of flags are files, of the extension if there is one.
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

// folders says that the values of flags are folders.
func folders(cmd *cobra.Command, flags ...string) {
	for _, flag := range flags {
		if err := cmd.MarkFlagDirname(flag); err != nil {
			panic(err) // the flag is defined where it is completed
		}
	}
}

// begin are the words that begin with what was typed.
func begin(words []string, typed string) []string {
	return slices.DeleteFunc(words, func(w string) bool { return !strings.HasPrefix(w, typed) })
}

// words offers words.
func words(of func() []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		return begin(slices.Clone(of()), typed), cobra.ShellCompDirectiveNoFileComp
	}
}

// lists offers words for a list with commas: another one behind those that are there.
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

// pairs offers the names of NAME=VALUE, in a list with commas as well; a file may follow.
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

// declared are the names of the policy's blocks of a kind.
func (f *policyFlags) declared(a *app, kind string) func() []string {
	return func() []string {
		name, _ := f.chosen()
		return pipeline.Declared(pipeline.Request{Policy: name, Now: a.now()}, kind)
	}
}

// setsOf are the sets of the policy that a command may take sets from.
func setsOf(a *app, policy string) []string {
	f := policyFlags{policy: policy}
	if name, _ := f.chosen(); name == "" && policy == "" {
		return nil
	}
	var out []string
	for _, name := range f.declared(a, "set")() {
		out = append(out, "set."+name)
	}
	return out
}

// kindCompletions offers the kinds of targets.
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
	complete(cmd, "feed", pairs(feeds.Kinds))
	complete(cmd, "kind", words(feeds.Kinds))
	complete(cmd, "cloud", words(func() []string {
		own := f.once()
		own.cloud = ""
		_, _ = own.choose() // of a mistake, completion says nothing
		return feeds.Clouds(own.kind)
	}))
}

// once is the flags without the repetitions that come of cobra's parsing them twice.
func (f *sourceFlags) once() sourceFlags {
	own := *f
	own.feeds = slices.Compact(slices.Clone(f.feeds))
	return own
}

// completePolicy completes --policy and --var of a command that may take sets from a policy.
func (f *showFlags) completePolicy(cmd *cobra.Command, a *app) {
	files(cmd, "hcl", "policy")
	complete(cmd, "var", pairs(func() []string {
		p := policyFlags{policy: f.policy}
		return p.declared(a, "variable")()
	}))
}

// tags are the names of tags that begin with a prefix, whatever the case, from the cached
// feed or the file that is named.
func (f *sourceFlags) tags(cmd *cobra.Command, a *app, prefix string) []string {
	quiet := *a
	quiet.in, quiet.err, quiet.progress = strings.NewReader(""), io.Discard, false
	own := f.once()
	own.offline = true
	feed, err := own.open(cmd.Context(), &quiet)
	if err != nil {
		return nil
	}
	var names []string
	for t := range feed.Catalog.Tags() {
		if len(t.Name) >= len(prefix) && strings.EqualFold(t.Name[:len(prefix)], prefix) {
			names = append(names, t.Name)
		}
	}
	return names
}

// completeTags offers the names of tags.
func (f *sourceFlags) completeTags(a *app) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		return f.tags(cmd, a, typed), cobra.ShellCompDirectiveNoFileComp
	}
}

// completeNames offers the names of tags, and the policy's sets.
func (f *showFlags) completeNames(a *app) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		names := begin(setsOf(a, f.policy), typed)
		if !strings.HasPrefix(typed, "set.") {
			names = append(names, f.tags(cmd, a, typed)...)
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeSets offers the names of tags of every kind of feed, and the policy's sets.
func (f *coverageFlags) completeSets(a *app) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		kind, tag, ok := strings.Cut(typed, ":")
		if !ok || !slices.Contains(feeds.Kinds(), kind) {
			return f.completeNames(a)(cmd, args, typed)
		}
		of := sources{a: a, f: f, cmd: cmd}
		own := f.sourceFlags
		if kind != of.usual() {
			own.cloud = ""
		}
		own.kind, own.feeds = kind, of.feedsOf(kind)
		var names []string
		for _, name := range own.tags(cmd, a, tag) {
			names = append(names, kind+":"+name)
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
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

// interfaceNames are the network interfaces of this machine.
func interfaceNames() []string {
	var names []string
	list, _ := net.Interfaces() // none where they cannot be listed
	for _, i := range list {
		names = append(names, i.Name)
	}
	return names
}

// callKinds are the kinds of calls that --mix takes.
func callKinds() []string {
	var names []string
	for _, f := range sizing.Figures() {
		names = append(names, string(f.Kind))
	}
	return names
}
