package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"sallyport"
)

func newCheck(a *app) *cobra.Command {
	var f policyFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check the policy, and what it renders, without writing anything",
		Long: `check compiles the policy, renders every target in memory, reads each output
back and compares it with the policy. It shows every mistake at once.`,
		Example: `  sallyport check
  sallyport check --policy edge.hcl --offline --json`,
		Args: takes(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			req, err := f.request(a)
			if err != nil {
				return err
			}
			req.SelfCheck = true
			res, err := render(cmd.Context(), req)
			if err := a.settle(res, err); err != nil {
				return err
			}
			switch {
			case asJSON:
				return a.printJSON(a.jsonOf(res))
			case !f.quiet:
				a.printCheck(res, &f)
			}
			return nil
		},
	}
	f.add(cmd, a)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the result as JSON")
	exclusive(cmd, "quiet", "json")
	return cmd
}

// render compiles a policy and renders the named targets, or all if none is named. Some
// errors come with a result, for its diagnostics.
func render(ctx context.Context, o sallyport.Options, targets ...string) (*sallyport.Result, error) {
	p, err := sallyport.Compile(ctx, o)
	switch {
	case p == nil:
		return nil, err
	case err != nil:
		return p.Result, err
	}
	return p.Render(targets...)
}

func (a *app) printCheck(res *sallyport.Result, f *policyFlags) {
	a.printInputs(res, f)
	p := res.Program
	fmt.Fprintf(a.out, "\n%s, %s, %s, %s: no mistakes\n", plural(len(p.Rules), "rule"), plural(len(p.Sets), "set"),
		plural(len(p.Services), "service"), plural(len(p.Targets), "target"))
	if n := a.accepted(res); n > 0 {
		fmt.Fprintf(a.out, "%s: see --json\n", plural(n, "accepted warning"))
	}
	for _, o := range res.Outputs {
		verdict := "rendered"
		if o.ReadBack {
			verdict = "reads back equal"
		}
		text := fmt.Sprintf("%s, %s: %s", o.Kind.Title, content(&o), verdict)
		fmt.Fprintf(a.out, "  %s  %s\n", a.bold(o.Target.Name), hang(text, len(o.Target.Name)+4, 6, a.width))
	}
}

// accepted counts the warnings that the policy accepts.
func (a *app) accepted(res *sallyport.Result) int {
	n := res.Diagnostics.Accepted()
	for _, f := range res.Feeds {
		for _, note := range f.Result.Notes {
			if note.Warning && res.AcceptedNote(f.Name, note) != nil {
				n++
			}
		}
	}
	return n
}
