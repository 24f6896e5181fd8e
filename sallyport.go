// Package sallyport compiles policies and renders their targets, as the sallyport command
// does. Programs get the files as values:
//
//	p, err := sallyport.Compile(ctx, sallyport.Options{Policy: "edge.hcl"})
//	if err != nil {
//		return err // the policy cannot be read, or a feed cannot be fetched
//	}
//	out, err := p.Render("edge")
//	if err != nil {
//		return err // there is no target edge
//	}
//	if out.Diagnostics.HasErrors() {
//		return diag.Print(os.Stderr, out.Diagnostics, diag.PrintOptions{Sources: out.Sources})
//	}
//	for _, f := range out.Outputs[0].Files {
//		// f.Path, f.Mode, f.Data
//	}
//
// Mistakes in a policy are values, a [diag.List] with their places. Errors are other
// failures: a file that cannot be read, a feed that cannot be fetched, or a [UsageError], a
// mistake of the caller. The package prints nothing, and writes only to the cache of feeds.
//
// The types of results are those of other packages: diagnostics of package diag, plans of
// package rules, programs of package rules/policy, files and kinds of targets of package
// renderers, and feeds of package ipranges/catalog.
package sallyport

import (
	"context"

	"sallyport/internal/changes"
	"sallyport/internal/feeds"
	"sallyport/internal/fetch"
	"sallyport/internal/pipeline"
	"sallyport/renderers"
	"sallyport/renderers/all"
	"sallyport/rules/policy"
)

// Policy is a compiled policy. It is not safe for concurrent use.
type Policy struct {
	// Result has the diagnostics, the program and the feeds of the policy. It has no
	// outputs.
	*Result
}

// Compile reads the policy, opens the feeds that it uses and compiles it. Mistakes in the
// policy are in Diagnostics, and no error. Downloads end when ctx is done.
//
// If a feed cannot be fetched, Compile returns the policy with the error, for its
// diagnostics. With other errors, the policy is nil.
func Compile(ctx context.Context, o Options) (*Policy, error) {
	res, err := pipeline.Compile(ctx, o)
	if res == nil {
		return nil, err
	}
	return &Policy{res}, err
}

// Targets returns the targets of the policy, in its order, without those that have
// mistakes.
func (p *Policy) Targets() []policy.Target {
	if p.Program == nil {
		return nil
	}
	return p.Program.Targets
}

// Render renders the named targets, or all if none is named. The result has the diagnostics
// of Compile and of rendering. Its Outputs lack the targets that cannot be rendered. An
// unknown name is a [UsageError].
func (p *Policy) Render(names ...string) (*Result, error) {
	return p.Result.Render(names...)
}

// Kinds returns all kinds of targets, sorted by name.
func Kinds() []renderers.Kind { return all.Kinds() }

// OpenCache returns the cache of feeds in a folder, for a [Fetcher]. If dir is empty, it is
// the user's cache.
func OpenCache(dir string) (*Cache, error) { return fetch.OpenCache(dir) }

// The types of options and results.
type (
	// Options are the policy and the options of compiling and rendering. Most programs
	// need these fields: Policy, the name of the policy's file, or Text, its text; Feeds,
	// files or addresses to read instead of feeds, by the names of the feeds in the policy;
	// Vars, the values of variables; Now, the date on which rules expire; and SelfCheck, to
	// read every output back. The zero value is the built-in policy.
	Options = pipeline.Request

	// Result is the result of compiling and rendering: Diagnostics, and Sources to print
	// them with; Feeds, the opened feeds; Program, the compiled policy; Outputs, the
	// rendered targets; and Inputs, the files that were read.
	Result = pipeline.Result

	// Output is a rendered target: Target and Kind, the Plan in the form that the target
	// supports, Files, and Losses, what the output lacks because the policy allows it.
	Output = pipeline.Output

	// UsageError is a mistake of the caller, such as the name of a target that the policy
	// does not have.
	UsageError = pipeline.UsageError
)

// The types of feeds that were opened, and of how they are opened.
type (
	// Feed is an opened feed: its Name in the policy, its Catalog, and its Result, which
	// says where it came from.
	Feed = pipeline.Feed
	// OpenFeed is an opened feed without a name.
	OpenFeed = feeds.Feed
	// Fetched says where and when a feed came from, and has notes for the user.
	Fetched = fetch.Result
	// Note is a note or a warning about a feed.
	Note = fetch.Note
	// Opener opens feeds with its Fetcher. It refuses feeds that changed suddenly.
	Opener = feeds.Opener
	// Fetcher reads feeds from files, the network and a cache. If Offline is set, it does
	// not use the network.
	Fetcher = fetch.Fetcher
	// Cache keeps feeds between runs.
	Cache = fetch.Cache
	// Progress shows the progress of a download.
	Progress = fetch.Progress
	// State is the state of a download.
	State = fetch.State
)

// The types of changes from earlier outputs, in the folder that Options.Out names.
type (
	// Change is how an output differs from the earlier one.
	Change = changes.Summary
	// RuleChange is a rule that was added, removed or changed.
	RuleChange = changes.Rule
	// ListChange is a changed list of addresses or names.
	ListChange = changes.List
	// Origin is what an output was made from.
	Origin = pipeline.Origin
	// OriginFeed is the version of a feed that an output was made from.
	OriginFeed = pipeline.OriginFeed
	// Gap is a range that a list of routes adds or leaves out to fit its budget.
	Gap = pipeline.Gap
)
