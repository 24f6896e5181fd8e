package apply

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"sallyport/internal/publish"
	"sallyport/renderers"
	"sallyport/renderers/all"
)

// local is how the target of the deploy is loaded and seen; empty if only the policy's
// commands say it.
func (d *Deploy) local() (renderers.Local, error) {
	kind, ok := all.Named(d.Kind)
	if !ok || !kind.Local {
		return renderers.Local{}, nil
	}
	options := kind.NewOptions()
	if err := json.Unmarshal(d.Options, options); err != nil {
		return renderers.Local{}, fmt.Errorf("deploy %s: its options in the journal: %w", d.Name, err)
	}
	t, err := kind.Build(options, renderers.Env{Name: d.Target, Path: d.Path, PathGiven: true})
	if err != nil || t.Local == nil {
		return renderers.Local{}, errors.Join(err)
	}
	return *t.Local, nil
}

// state returns the lines of what the deploy has loaded now. It is not known if no command
// tells.
func (d *Deploy) state(ctx context.Context) (lines []string, known bool, err error) {
	local, err := d.local()
	if err != nil {
		return nil, false, err
	}
	readers := local.State
	if d.State != nil {
		readers = []renderers.Reader{{Args: d.State}}
	}
	for _, r := range readers {
		out, err := d.run(ctx, "", r.Args, d.Path)
		if err != nil {
			return nil, false, fmt.Errorf("deploy %s: what is loaded cannot be seen: %w", d.Name, err)
		}
		if r.Keep == nil {
			r.Keep = allLines
		}
		lines = append(lines, r.Keep(out)...)
	}
	return lines, len(readers) > 0, nil
}

func allLines(out string) []string {
	return strings.Split(strings.TrimRight(out, "\n"), "\n")
}

// keepState keeps the state as a blob and returns its name; empty if it is not known.
func (f *Folder) keepState(ctx context.Context, d *Deploy) (sum string, err error) {
	lines, known, err := d.state(ctx)
	if err != nil || !known {
		return "", err
	}
	return f.put(joined(lines))
}

// file returns the file that the command in field is for.
func file(files []File, field func(publish.Record) string) (File, bool) {
	i := slices.IndexFunc(files, func(f File) bool { return field(f.Record) != "" })
	if i < 0 {
		return File{}, false
	}
	return files[i], true
}

func loadOf(r publish.Record) string { return r.Load }
func undoOf(r publish.Record) string { return r.Undo }

// loadWith is the command that loads files, and the one of them that it is for.
func (d *Deploy) loadWith(files []File) ([]string, File, error) {
	main, ok := file(files, loadOf)
	args := d.Load
	if args == nil {
		args = renderers.Words(main.Record.Load)
	}
	if !ok && d.Load != nil && len(files) > 0 {
		main, ok = files[0], true
	}
	if !ok || len(args) == 0 {
		return nil, File{}, fmt.Errorf(`deploy %s: no command loads the target's files: add load = ["PROGRAM", "{}"] to it`, d.Name)
	}
	return args, main, nil
}

// load loads files of the deploy from dir.
func (d *Deploy) load(ctx context.Context, mark, dir string, files []File) error {
	args, main, err := d.loadWith(files)
	if err != nil {
		return err
	}
	_, err = d.run(ctx, mark, args, filepath.Join(dir, filepath.FromSlash(main.Path)))
	return err
}

// check asks whether the files in dir can be loaded.
func (d *Deploy) check(ctx context.Context, dir string, files []File) error {
	local, err := d.local()
	if err != nil {
		return err
	}
	args := local.Check
	if d.Check != nil {
		args = d.Check
	}
	if len(args) == 0 {
		return nil
	}
	_, main, err := d.loadWith(files)
	if err != nil {
		return err
	}
	_, err = d.run(ctx, "", args, filepath.Join(dir, filepath.FromSlash(main.Path)))
	return err
}

// removeWith is the command that takes away what files have loaded, and the file that it is
// for; nil if there is none.
func (d *Deploy) removeWith(files []File) ([]string, File) {
	undo, ok := file(files, undoOf)
	if d.Remove == nil {
		return renderers.Words(undo.Record.Undo), undo
	}
	if !ok {
		_, undo, _ = d.loadWith(files)
	}
	return d.Remove, undo
}

// replace brings the machine from the files that are loaded to others that were loaded once,
// or to none. Neither was rendered with the other one in mind, so a target may have to be
// asked for files that leave nothing behind.
func (f *Folder) replace(ctx context.Context, mark string, d *Deploy, out string, loaded, next []File) error {
	published := error(nil)
	if len(next) > 0 {
		published = f.publish(d, out, next)
	}
	local, err := d.local()
	if err != nil {
		return err
	}
	dir := filepath.Join(f.dir, "load-"+d.Name)
	defer os.RemoveAll(dir)
	if len(next) == 0 {
		return f.takeAway(ctx, mark, d, dir, local, loaded)
	}
	args, _, err := d.loadWith(next)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(args, func(a string) bool { return strings.Contains(a, "{}") }) {
		return errors.Join(published, d.load(ctx, mark, out, next)) // it reads the folder of outputs
	}
	if err := f.layReverted(dir, local, loaded, next); err != nil {
		return err
	}
	return errors.Join(d.load(ctx, mark, dir, next), published)
}

// takeAway takes away what loaded has loaded, where nothing was before.
func (f *Folder) takeAway(ctx context.Context, mark string, d *Deploy, dir string, local renderers.Local, loaded []File) error {
	args, file := d.removeWith(loaded)
	if len(args) == 0 {
		return fmt.Errorf(`deploy %s: nothing was loaded before, and no command takes away what is loaded: add remove = ["PROGRAM", "{}"] to it, or do it by hand`, d.Name)
	}
	if err := f.lay(dir, loaded); err != nil {
		return err
	}
	_, err := d.run(ctx, mark, args, filepath.Join(dir, filepath.FromSlash(file.Path)))
	if err == nil || local.Revert == nil {
		return err
	}
	from, failed := f.rendered(loaded, nil)
	if failed != nil {
		return errors.Join(err, failed)
	}
	files, failed := local.Revert(from, nil)
	if failed != nil || len(files) == 0 {
		return errors.Join(err, failed)
	}
	if failed := writeFiles(dir, files); failed != nil {
		return errors.Join(err, failed)
	}
	return d.load(ctx, mark, dir, loaded)
}

// layReverted writes next into dir, in the form that leaves nothing of loaded behind.
func (f *Folder) layReverted(dir string, local renderers.Local, loaded, next []File) error {
	if err := f.lay(dir, next); err != nil || local.Revert == nil || len(loaded) == 0 {
		return err
	}
	from, err := f.rendered(loaded, nil)
	if err != nil {
		return err
	}
	to, err := f.rendered(next, nil)
	if err != nil {
		return err
	}
	files, err := local.Revert(from, to)
	if err != nil {
		return nil // the files as they are: better than none
	}
	return writeFiles(dir, files)
}

// writeFiles writes files into dir, in place of those that are there.
func writeFiles(dir string, files []renderers.File) error {
	for _, x := range files {
		name := filepath.Join(dir, filepath.FromSlash(x.Path))
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), ignoreMissing(os.Remove(name)), os.WriteFile(name, x.Data, x.Mode.Perm()|0o600)); err != nil {
			return err
		}
	}
	return nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// lay writes files into dir, as links where that is possible: a full disk has room for them.
func (f *Folder) lay(dir string, files []File) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	for _, x := range files {
		data, err := f.get(x.SHA256)
		if err != nil {
			return fmt.Errorf("the state folder: %s: %w: restore the folder from a copy", x.Path, err)
		}
		name := filepath.Join(dir, filepath.FromSlash(x.Path))
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			return err
		}
		if os.Link(f.blob(x.SHA256), name) == nil {
			continue
		}
		if err := os.WriteFile(name, data, 0o700); err != nil {
			return err
		}
	}
	return nil
}

func modeOf(f File) fs.FileMode { return fs.FileMode(f.Mode).Perm() }

// publish writes files of the deploy into the folder of outputs, over those that are there.
func (f *Folder) publish(d *Deploy, out string, files []File) error {
	m, err := publish.ReadManifest(out)
	if err != nil {
		return err
	}
	set := publish.Set{Force: true}
	for _, e := range m {
		if e.Target == d.Target {
			set.Policy = e.Policy
		}
	}
	for _, x := range files {
		data, err := f.get(x.SHA256)
		if err != nil {
			return err
		}
		set.Files = append(set.Files, publish.File{Path: x.Path, Mode: modeOf(x), Data: data, Record: x.Record,
			Ours: func(head []byte) bool { return renderers.Marked(head, d.Target) }})
	}
	_, err = publish.Publish(out, set)
	return err
}
