package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/spf13/cobra"

	"sallyport/internal/publish"
	"sallyport/renderers"
	"sallyport/renderers/all"
	"sallyport/templates"
)

func newInit(a *app) *cobra.Command {
	var force bool
	var target string
	cmd := &cobra.Command{
		Use:   "init [FILE]",
		Short: "Write a commented policy to start from",
		Long: `init writes a commented policy, policy.hcl unless you name another file: for an
nftables firewall and the week's Azure file, or with --target for any kind of
firewall or VPN.`,
		Example: `  sallyport init
  sallyport init --target wireguard laptops.hcl`,
		Args: takes(0, 1, "FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := usualPolicy
			if len(args) == 1 {
				name = args[0]
			}
			kind, err := starterKind(cmd, target, name)
			if err != nil {
				return err
			}
			return a.writeStarter(name, kind, force)
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"hcl"}, cobra.ShellCompDirectiveFilterFileExt
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "overwrite a file that exists")
	cmd.Flags().StringVarP(&target, "target", "t", "", "start with a target of this `KIND`, one of those that sallyport targets lists")
	complete(cmd, "target", kindCompletions)
	return cmd
}

// starterKind is the kind that --target names, or the zero value if it names none.
func starterKind(cmd *cobra.Command, target, name string) (renderers.Kind, error) {
	if !cmd.Flags().Changed("target") {
		if _, ok := all.Named(name); ok {
			return renderers.Kind{}, wrongUsage{fmt.Sprintf("%s is a kind of target, and init takes the name of a file", name), "write --target " + name}
		}
		return renderers.Kind{}, nil
	}
	return kindNamed(target)
}

// kindNamed returns the kind of target with the name, or an error that lists all kinds.
func kindNamed(name string) (renderers.Kind, error) {
	kind, ok := all.Named(name)
	if ok {
		return kind, nil
	}
	var names []string
	near, best := "", 3
	for _, k := range all.Kinds() {
		names = append(names, k.Name)
		if d := levenshtein.Distance(strings.ToLower(name), k.Name, nil); d < best {
			near, best = k.Name, d
		}
	}
	hint := "there are " + strings.Join(names, ", ")
	if near != "" {
		hint = "did you mean " + near + "? There are " + strings.Join(names, ", ")
	}
	return kind, wrongUsage{fmt.Sprintf("no kind of target is called %q", name), hint}
}

func (a *app) writeStarter(name string, kind renderers.Kind, force bool) error {
	if _, err := os.Lstat(name); !errors.Is(err, fs.ErrNotExist) && !force {
		return fmt.Errorf("%s exists: choose another name, or overwrite it with --force", name)
	}
	flags := ""
	if name != usualPolicy {
		flags = " --policy " + renderers.ShellWord(name)
	}
	data, err := templates.Starter(kind.Name, kind.Title, flags)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return fmt.Errorf("making the folder of %s: %w: choose another name", name, err)
	}
	if err := (publish.Document{Name: name, Data: data}).Write(); err != nil {
		return err
	}
	fmt.Fprintf(a.out, "wrote %s\n\nnext:\n  edit it, then\n  sallyport check%s\n  sallyport generate%[2]s\n", name, flags)
	return nil
}
