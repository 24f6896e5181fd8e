// Package sallyport compiles policies and renders their targets, as the command of the
// same name does, for programs that want the files as values:
//
//	p, err := sallyport.Compile(ctx, sallyport.Options{Policy: "edge.hcl"})
//	if err != nil {
//		return err // no policy, or a feed that cannot be had
//	}
//	out, err := p.Render("edge")
//	if err != nil {
//		return err // no such target
//	}
//	if out.Diagnostics.HasErrors() {
//		return diag.Print(os.Stderr, out.Diagnostics, diag.PrintOptions{Sources: out.Sources})
//	}
//	for _, f := range out.Outputs[0].Files {
//		// f.Path, f.Mode, f.Data
//	}
//
// What is wrong with a policy is a [diag.List], with places in it. An error is a failure
// of the world, or a [UsageError]: a mistake of the caller. Nothing is printed, and nothing
// is written but the cache of feeds.
//
// Diagnostics are described in package diag, plans of rules in package rules, what the
// policy says in package rules/policy, kinds of targets in package renderers, and feeds in
// package ipranges/catalog.
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

// Policy is a policy that was compiled. It is not safe for concurrent use.
type Policy struct {
	// Result has the diagnostics of the policy, its program and its feeds, and no outputs.
	*Result
}

// Compile reads the policy, opens the feeds that it uses and compiles it. Mistakes in the
// policy are in the result's Diagnostics. ctx ends downloads.
//
// Where a feed cannot be had, the policy comes with the error, for its diagnostics; it is
// nil where there is no policy.
func Compile(ctx context.Context, o Options) (*Policy, error) {
	res, err := pipeline.Compile(ctx, o)
	if res == nil {
		return nil, err
	}
	return &Policy{res}, err
}

// Targets are the targets of the policy, in its order, but for those that a mistake leaves
// unfinished.
func (p *Policy) Targets() []policy.Target {
	if p.Program == nil {
		return nil
	}
	return p.Program.Targets
}

// Render renders the targets with the names, or all. The result has the diagnostics of
// Compile and those of rendering. Outputs lacks the targets that cannot be rendered.
func (p *Policy) Render(names ...string) (*Result, error) {
	return p.Result.Render(names...)
}

// Kinds are the kinds of targets, sorted by name.
func Kinds() []renderers.Kind { return all.Kinds() }

// OpenCache returns the cache of feeds in a folder; empty: the user's. It is for
// [Fetcher].
func OpenCache(dir string) (*Cache, error) { return fetch.OpenCache(dir) }

// The types of options and results.
type (
	// Options say what to compile, and with what. The fields that programs need most are
	// Policy, the policy's file, or Text, its text; Feeds, files to read instead of the
	// feeds of the policy, by their names in it; Vars, the values of variables; Now, the
	// date that rules expire by; and SelfCheck, to read every output back. The zero value
	// is the built-in policy.
	Options = pipeline.Request

	// Result is what became of a policy: Diagnostics, with Sources to print them with;
	// Feeds, those that were opened; Program, what the policy says; Outputs, what was
	// rendered; and Inputs, the files that were read.
	Result = pipeline.Result

	// Output is what a target renders: its Target and Kind, the Plan as the target carries
	// it, its Files, and the Losses, if any, that the policy allows.
	Output = pipeline.Output

	// UsageError is a mistake of the caller, such as the name of a target that the policy
	// does not have.
	UsageError = pipeline.UsageError
)

// The types of feeds that were opened, and of how they are opened.
type (
	// Feed is a feed that was opened, by its Name in the policy, with its Catalog and, as
	// Result, where it came from.
	Feed = pipeline.Feed
	// OpenFeed is a feed without a name.
	OpenFeed = feeds.Feed
	// Fetched says where a feed came from, when, and what should be known of it.
	Fetched = fetch.Result
	// Note is something that should be known of a feed.
	Note = fetch.Note
	// Opener opens feeds with its Fetcher, and refuses those that changed suddenly.
	Opener = feeds.Opener
	// Fetcher gets feeds from files, from the network and from a cache. With Offline it
	// sends nothing.
	Fetcher = fetch.Fetcher
	// Cache keeps feeds between runs.
	Cache = fetch.Cache
	// Progress is told of a download, and State is what it is told.
	Progress = fetch.Progress
	// State is what a download is doing.
	State = fetch.State
)

// The types of what an output is compared with, where Options.Out names the folder of what
// was published before.
type (
	// Change is what an output does that the one before it did not.
	Change = changes.Summary
	// RuleChange is a rule that is new, gone or different.
	RuleChange = changes.Rule
	// ListChange is a list of addresses or names that is different.
	ListChange = changes.List
	// Origin is what an output was made from, and OriginFeed a feed among it.
	Origin = pipeline.Origin
	// OriginFeed is the version of a feed that an output was made from.
	OriginFeed = pipeline.OriginFeed
	// Gap is a range that a list of routes adds or leaves out, to fit its budget.
	Gap = pipeline.Gap
)
