package main

import (
	"context"
	"io"
	"slices"
	"strings"

	"sallyport"

	"github.com/spf13/cobra"

	"sallyport/internal/setexpr"
	"sallyport/ipranges/catalog"
)

// setFlags are the flags of commands that take sets: tags of feeds and sets of a policy.
type setFlags struct {
	sourceFlags
	policy string
	vars   []string
}

func (f *setFlags) add(cmd *cobra.Command, a *app) {
	f.sourceFlags.add(cmd)
	fl := cmd.Flags()
	fl.StringVarP(&f.policy, "policy", "p", "", "take set.NAME from the policy `FILE`; without it, from policy.hcl of this folder")
	fl.StringArrayVar(&f.vars, "var", nil, "set a variable of the policy, `NAME=VALUE`")
	files(cmd, "hcl", "policy")
	complete(cmd, "var", pairs(func() []string { return f.ofPolicy().declared(a, "variable")() }))
}

// ofPolicy are the flags of the policy that sets are taken from.
func (f *setFlags) ofPolicy() *policyFlags {
	return &policyFlags{feedFlags: f.feedFlags, policy: f.policy, vars: f.vars}
}

// evaluator returns the evaluator that the flags describe.
func (f *setFlags) evaluator(a *app) *setexpr.Evaluator {
	return &setexpr.Evaluator{
		Feeds: f.meant(),
		Open: func(ctx context.Context, spec catalog.FeedSpec) (*catalog.Catalog, error) {
			return f.openSpec(ctx, a, spec)
		},
		Policy: func(set string) (sallyport.Options, error) {
			own := f.ofPolicy()
			if file, _ := own.chosen(); file == "" && f.policy == "" {
				return sallyport.Options{}, usage("set.%s is a set of a policy: name the policy with --policy", set)
			}
			return own.request(a)
		},
		Settle: a.settle,
	}
}

// declaredSets returns the names of the sets that the policy declares; none if no policy is
// named or found in this folder.
func (f *setFlags) declaredSets(a *app) []string {
	own := f.ofPolicy()
	if name, _ := own.chosen(); name == "" && f.policy == "" {
		return nil
	}
	return own.declared(a, "set")()
}

// completeNames completes tags and the policy's sets.
func (f *setFlags) completeNames(a *app) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		return f.silent(a).CompleteName(cmd.Context(), typed, f.declaredSets(a)), cobra.ShellCompDirectiveNoFileComp
	}
}

// completeSets completes tags of every kind of feed, and the policy's sets.
func (f *setFlags) completeSets(a *app) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		return f.silent(a).Complete(cmd.Context(), typed, f.declaredSets(a)), cobra.ShellCompDirectiveNoFileComp
	}
}

// completeTags completes tags.
func (f *sourceFlags) completeTags(a *app) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		return (&setFlags{sourceFlags: *f}).silent(a).CompleteName(cmd.Context(), typed, nil), cobra.ShellCompDirectiveNoFileComp
	}
}

// silent returns the evaluator for completion: it reads feeds from files and the cache only,
// and prints nothing.
func (f *setFlags) silent(a *app) *setexpr.Evaluator {
	quiet := *a
	quiet.in, quiet.err, quiet.progress = strings.NewReader(""), io.Discard, false
	own := *f
	own.feeds = slices.Compact(slices.Clone(f.feeds)) // cobra parses flags twice here
	own.offline = true
	return own.evaluator(&quiet)
}
