package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/internal/targetdocs"
	"sallyport/renderers"
	"sallyport/renderers/all"
)

func newTargets(a *app) *cobra.Command {
	var asJSON, asMarkdown bool
	cmd := &cobra.Command{
		Use:   "targets [NAME]",
		Short: "Show what each target can do, its options and its limits",
		Example: `  sallyport targets
  sallyport targets nftables`,
		Args:              takes(0, 1, "NAME"),
		ValidArgsFunction: kindCompletions,
		RunE: func(_ *cobra.Command, args []string) error {
			kinds := all.Kinds()
			if len(args) == 1 {
				k, err := kindNamed(args[0])
				if err != nil {
					return err
				}
				kinds = []renderers.Kind{k}
			}
			switch {
			case asJSON:
				return a.printJSON(targetdocs.Of(kinds))
			case asMarkdown:
				_, err := a.out.Write(targetdocs.Markdown(kinds))
				return err
			case len(args) == 1:
				a.printTarget(targetdocs.Of(kinds)[0])
				return nil
			}
			a.printTargets(targetdocs.Of(kinds))
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it as JSON")
	cmd.Flags().BoolVar(&asMarkdown, "markdown", false, "print the page docs/targets/README.md")
	exclusive(cmd, "json", "markdown")
	return cmd
}

// printTargets lists the features of each target. A matrix, as in the documentation, is too
// wide for a terminal of 80 columns.
func (a *app) printTargets(list []targetdocs.Target) {
	for _, t := range list {
		a.printFeatures(t)
		fmt.Fprintln(a.out)
	}
	fmt.Fprintln(a.out, "sallyport targets NAME shows options and limits.")
}

func (a *app) printFeatures(t targetdocs.Target) {
	fmt.Fprintf(a.out, "%s  %s\n", a.bold(t.Name), hang(t.Summary, len(t.Name)+2, 2, a.width))
	rows := []struct{ label, text string }{
		{"can", strings.Join(t.Features.Yes(), ", ")},
		{"cannot", strings.Join(t.Features.No(), ", ")},
		{"loads", t.Load},
	}
	for _, r := range rows {
		if r.text != "" {
			fmt.Fprintf(a.out, "  %-6s  %s\n", r.label, hang(r.text, 10, 10, a.width))
		}
	}
}

func (a *app) printTarget(t targetdocs.Target) {
	a.printFeatures(t)
	fmt.Fprintf(a.out, "\n%s\n", a.bold("Options"))
	for _, o := range t.Options {
		def := ""
		if o.Required {
			def = " (required)"
		} else if o.Default != "" {
			def = " (" + o.Default + ")"
		}
		fmt.Fprintf(a.out, "  %s%s\n", a.bold(o.Name), def)
		fmt.Fprintf(a.out, "      %s\n", hang(o.Doc, 6, 6, a.width))
	}
	if len(t.Limits) == 0 {
		return
	}
	fmt.Fprintf(a.out, "\n%s\n", a.bold("Limits"))
	for _, l := range t.Limits {
		fmt.Fprintf(a.out, "  %s\n", hang(l.Name+": "+l.Value, 2, 6, a.width))
		fmt.Fprintf(a.out, "      %s\n", a.dim(hang("source: "+l.Source, 6, 6, a.width)))
	}
}
