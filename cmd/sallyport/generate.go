package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"sallyport"

	"github.com/spf13/cobra"

	"sallyport/internal/pipeline"
	"sallyport/internal/publish"
	"sallyport/renderers"
	"sallyport/verifier"
)

// generateFlags are the flags of generate.
type generateFlags struct {
	policyFlags
	out       string
	targets   []string
	templates string
	stdout    bool
	diff      bool
	json      bool
	detailed  bool
	stamp     bool
	bundle    string
	force     bool
	prune     bool
}

func newGenerate(a *app) *cobra.Command {
	var f generateFlags
	cmd := &cobra.Command{
		Use:   "generate",
		Short: "Render the policy's targets into files",
		Long: `generate compiles the policy, renders its targets and writes the files, each of
them whole, old or new. Without --policy it takes policy.hcl of this folder, or
else the built-in policy: the documented media ranges of Azure Communication
Services, without any feed.`,
		Example: `  sallyport generate
  sallyport generate --policy policy.hcl --out /etc/sallyport
  sallyport generate --policy policy.hcl --feed azure=ServiceTags_Public.json
  sallyport generate --policy policy.hcl --diff --detailed-exitcode
  sallyport generate --policy policy.hcl --target edge --stdout | nft -c -f -`,
		Args: takes(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.generate(cmd, &f) },
	}
	f.add(cmd, a)
	fl := cmd.Flags()
	fl.StringVarP(&f.out, "out", "o", "out", "write into `DIR`")
	fl.StringArrayVarP(&f.targets, "target", "t", nil, "only the target `NAME`; may be repeated")
	complete(cmd, "target", words(f.declared(a, "target")))
	fl.StringVar(&f.templates, "templates", "", "use the templates in `DIR` where it has them")
	fl.BoolVar(&f.stdout, "stdout", false, "print the one target's file instead of writing it, where it has only one to load")
	fl.BoolVar(&f.diff, "diff", false, "show what would change, and write nothing")
	fl.BoolVar(&f.json, "json", false, "say what was done as JSON")
	fl.BoolVar(&f.detailed, "detailed-exitcode", false, "exit with 4 when a file changed, or would with --diff")
	fl.BoolVar(&f.stamp, "stamp", false, "write the time of the last change into headers")
	fl.StringVar(&f.bundle, "bundle", "", "write what a client verifies into `FILE`, for sallyport verify FILE where there is no policy")
	fl.BoolVar(&f.force, "force", false, "replace outputs that were edited since they were written")
	fl.BoolVar(&f.prune, "prune", false, "delete the outputs of targets that left the policy or moved")
	files(cmd, "", "bundle")
	folders(cmd, "out", "templates")
	exclusive(cmd, "stdout", "diff")
	exclusive(cmd, "bundle", "diff")
	exclusive(cmd, "bundle", "stdout")
	exclusive(cmd, "stdout", "json")
	exclusive(cmd, "quiet", "json")
	return cmd
}

func (a *app) generate(cmd *cobra.Command, f *generateFlags) error {
	req, err := f.request(a)
	if err != nil {
		return err
	}
	if f.out == "" {
		return usage("--out names no folder: leave it out for ./out")
	}
	if slices.Contains(f.targets, "") {
		return usage("--target names no target: leave it out for all")
	}
	req.Out, req.Templates, req.Stamp = f.out, f.templates, f.stamp
	res, err := render(cmd.Context(), req, f.targets...)
	if err := a.settle(res, err); err != nil {
		return err
	}
	set := pipeline.SetOf(res)
	set.Force, set.Prune = f.force, f.prune
	switch {
	case f.stdout:
		return a.printOutput(res)
	case f.diff:
		return a.showDiff(res, f, set)
	}
	bundle := publish.Document{Name: f.bundle, Mark: verifier.PlanFormat, Inputs: res.Inputs}
	if f.bundle != "" {
		if err := bundle.Check(); err != nil {
			return err
		}
	}
	report, err := publish.Publish(f.out, set)
	if err != nil {
		return err
	}
	if f.bundle != "" {
		var b bytes.Buffer
		if err := res.VerifyPlan().WriteJSON(&b); err != nil {
			return err
		}
		bundle.Data = b.Bytes()
		if err := bundle.Write(); err != nil {
			return err
		}
	}
	return a.reportGenerate(res, f, report)
}

func policyName(res *sallyport.Result) string {
	for name := range res.Sources {
		return name
	}
	return "the policy"
}

// printOutput prints the one file that is loaded. A target with several of them cannot be
// printed; files that only undo a load do not count.
func (a *app) printOutput(res *sallyport.Result) error {
	if len(res.Outputs) != 1 {
		var names []string
		for _, o := range res.Outputs {
			names = append(names, o.Target.Name)
		}
		return usage("--stdout prints one target, and the policy has %s: choose one with --target", strings.Join(names, ", "))
	}
	o := &res.Outputs[0]
	var names []string
	var data []byte
	for _, f := range o.Files {
		if f.Use == "" && f.Undo != "" {
			continue
		}
		names, data = append(names, f.Path), f.Data
	}
	if len(names) != 1 {
		return usage("--stdout prints one file, and target %s has %d that go together, %s: leave --stdout out, and name a folder with --out",
			o.Target.Name, len(names), list(names, mostNames))
	}
	_, err := a.out.Write(data)
	return err
}

// mostNames is the most names that a message lists.
const mostNames = 8

// list joins names for a sentence, and leaves out those after the first most.
func list(names []string, most int) string {
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

func sum(data []byte) string {
	h := sha256.Sum256(data)
	return hex.EncodeToString(h[:])
}

func fileRow(out string, f renderers.File, status string) fileJSON {
	row := fileJSON{Path: filepath.Join(out, filepath.FromSlash(f.Path)), Status: status, Bytes: len(f.Data), SHA256: sum(f.Data), On: f.On, Once: f.Once}
	row.Load, row.ByHand = command(f.Use, out, f.Path), command(f.Hand, out, f.Path)
	return row
}
