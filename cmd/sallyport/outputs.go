package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"sallyport"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"sallyport/internal/publish"
)

// The states of an output.
const (
	asWritten = "as written"
	edited    = "edited"
	notThere  = "not there"
)

// outputJSON is a recorded file.
type outputJSON struct {
	Path    string         `json:"path"`
	Target  string         `json:"target"`
	Kind    string         `json:"kind"`
	Policy  string         `json:"policy"`
	State   string         `json:"state"`
	SHA256  string         `json:"sha256"` // as it was written
	Load    string         `json:"load,omitempty"`
	Undo    string         `json:"undo,omitempty"`
	Made    jsontext.Value `json:"made,omitempty"`    // what it was made from
	Current jsontext.Value `json:"current,omitempty"` // newer inputs from which the same file would be made
}

func newOutputs(a *app) *cobra.Command {
	var out string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "outputs",
		Short: "Show what was written into a folder, and from what",
		Long: `outputs shows the files that generate has written into a folder: for which target,
whether they are as they were written, and from which policy and change of a feed.
A file that a newer feed leaves as it is keeps its header; the newer one is shown here.`,
		Example: "  sallyport outputs --out /etc/sallyport",
		Args:    takes(0, 0, ""),
		RunE: func(*cobra.Command, []string) error {
			m, err := publish.ReadManifest(out)
			if err != nil {
				return err
			}
			rows := []outputJSON{}
			for _, e := range m {
				state, err := outputState(out, e)
				if err != nil {
					return err
				}
				rows = append(rows, outputJSON{filepath.Join(out, filepath.FromSlash(e.Path)), e.Target, e.Kind, e.Policy, state, e.SHA256,
					command(e.Load, out, e.Path), command(e.Undo, out, e.Path), e.Made, e.Current})
			}
			if asJSON {
				return a.printJSON(map[string]any{"outputs": rows})
			}
			if len(rows) == 0 {
				fmt.Fprintf(a.out, "nothing is on record in %s\n", out)
			}
			return a.printOutputs(rows)
		},
	}
	fl := cmd.Flags()
	fl.StringVarP(&out, "out", "o", "out", "look into `DIR`")
	fl.BoolVar(&asJSON, "json", false, "print the list as JSON")
	folders(cmd, "out")
	return cmd
}

// outputState compares a file with its record.
func outputState(out string, e publish.Entry) (string, error) {
	f, err := os.Open(filepath.Join(out, filepath.FromSlash(e.Path)))
	if errors.Is(err, fs.ErrNotExist) {
		return notThere, nil
	}
	if err != nil {
		return "", fmt.Errorf("%w: run as a user who may read it", err)
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return edited, err
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	if hex.EncodeToString(h.Sum(nil)) != e.SHA256 {
		return edited, nil
	}
	return asWritten, nil
}

func (a *app) printOutputs(rows []outputJSON) error {
	for _, r := range rows {
		fmt.Fprintf(a.out, "%s  %s %s  %s\n", a.bold(r.Path), r.Kind, r.Target, r.State)
		for label, v := range [2]jsontext.Value{r.Made, r.Current} {
			if v == nil {
				continue
			}
			var o sallyport.Origin
			if err := json.Unmarshal(v, &o); err != nil {
				return fmt.Errorf("the record of %s: %w: run sallyport generate again", r.Path, err)
			}
			fmt.Fprintf(a.out, "  %s\n", hang([]string{"made from ", "the same today: "}[label]+originText(o), 2, 4, a.width))
		}
	}
	return nil
}

// originText describes what a file was made from.
func originText(o sallyport.Origin) string {
	parts := []string{"policy " + o.Policy}
	for _, f := range o.Feeds {
		text := "feed " + f.Name + " (" + strings.TrimSpace(f.Kind+" "+f.Cloud) + ")"
		if f.Change != "" {
			text += " change " + f.Change
		}
		parts = append(parts, text)
	}
	return strings.Join(append(parts, "sallyport "+o.Version), ", ")
}
