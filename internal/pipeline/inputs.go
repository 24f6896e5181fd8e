package pipeline

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"sallyport/internal/readfile"
)

// inputPath is the path of a file that the policy names.
func inputPath(req Request, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(req.Policy), name)
}

// readInput reads a file that the policy names. It must be in the policy's folder or in one
// that the request allows: outputs contain such files, and a policy from somebody else must
// not copy a private key or a password file into an output.
func readInput(req Request, name string) ([]byte, error) {
	path := inputPath(req, name)
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, bare(err))
	}
	if !allowed(req, real) {
		return nil, fmt.Errorf("%s is outside of the policy's folder: copy it there, or allow its folder with --allow-read %s",
			name, filepath.Dir(real))
	}
	if req.reads != nil {
		req.reads(path)
	}
	return readfile.File(real, maxOwnFile)
}

// bare is err without the path, which the message names.
func bare(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}

// allowed reports whether a file, with all links resolved, is in a folder that may be read.
func allowed(req Request, real string) bool {
	for _, dir := range append([]string{filepath.Dir(req.Policy)}, req.AllowRead...) {
		dir, err := filepath.EvalSymlinks(dir)
		if err != nil {
			continue
		}
		dir, err1 := filepath.Abs(dir)
		file, err2 := filepath.Abs(real)
		if err1 != nil || err2 != nil {
			continue
		}
		if rel, err := filepath.Rel(dir, file); err == nil && filepath.IsLocal(rel) {
			return true
		}
	}
	return false
}

// insideOf is the folder of the user's templates. Links that lead out of it cannot be read,
// so that no file from elsewhere gets into an output.
func insideOf(dir string) fs.FS {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return os.DirFS(dir) // reading from it will say why
	}
	return root.FS()
}
