package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func newVersion(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version, and the commit that it was built from",
		Args:  takes(0, 0, ""),
		RunE: func(*cobra.Command, []string) error {
			if asJSON {
				return a.printJSON(a.versionOf(debug.ReadBuildInfo()))
			}
			return a.printVersion()
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it as JSON")
	return cmd
}

// versionJSON is what this program was built from. Commit and date are empty if the build did
// not record them: without .git, or with go run.
type versionJSON struct {
	Version  string `json:"version"`
	Commit   string `json:"commit"`
	Date     string `json:"date"`     // of the commit, RFC 3339
	Modified bool   `json:"modified"` // the source had uncommitted changes
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
}

func (a *app) versionOf(info *debug.BuildInfo, ok bool) versionJSON {
	v := versionJSON{Version: a.version, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	if !ok {
		return v
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value
		case "vcs.time":
			v.Date = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}

func (a *app) printVersion() error {
	v := a.versionOf(debug.ReadBuildInfo())
	commit := cmp.Or(v.Commit, "not recorded")
	if v.Date != "" {
		commit += " of " + v.Date
	}
	if v.Modified {
		commit += ", with changes"
	}
	_, err := fmt.Fprintf(a.out, "sallyport %s (%s, %s/%s)\ncommit %s\n", v.Version, v.Go, v.OS, v.Arch, commit)
	return err
}
