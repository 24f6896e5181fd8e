package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"sallyport/internal/publish"
	"sallyport/templates"
)

func newInit(a *app) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:     "init [FILE]",
		Short:   "Write a commented policy to start from",
		Long:    "init writes a commented policy, policy.hcl unless you name another file.",
		Example: "  sallyport init edge.hcl",
		Args:    takes(0, 1, "FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			name := "policy.hcl"
			if len(args) == 1 {
				name = args[0]
			}
			if _, err := os.Lstat(name); !errors.Is(err, fs.ErrNotExist) && !force {
				return fmt.Errorf("%s exists: choose another name, or overwrite it with --force", name)
			}
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				return fmt.Errorf("making the folder of %s: %w: choose another name", name, err)
			}
			if err := (publish.Document{Name: name, Data: templates.StarterPolicy}).Write(); err != nil {
				return err
			}
			fmt.Fprintf(a.out, "wrote %s\n\nnext:\n  edit it, then\n  sallyport check --policy %s\n  sallyport generate --policy %s\n", name, name, name)
			return nil
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "overwrite a file that exists")
	return cmd
}
