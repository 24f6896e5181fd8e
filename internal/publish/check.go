package publish

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"unicode"
)

// useStdout is the advice for a path such as /dev/stdout.
const useStdout = "use --stdout to write to standard output, or choose another path"

// checkFiles refuses sets with duplicate paths or with paths that some system cannot have.
func checkFiles(files []File) error {
	seen := map[string]bool{}
	for _, f := range files {
		if err := checkPath(f.Path); err != nil {
			return err
		}
		if f.Mode&^fs.ModePerm != 0 {
			return fmt.Errorf("output path %s: mode %v is more than permissions: use a mode such as 0644", f.Path, f.Mode)
		}
		if seen[f.Path] {
			return fmt.Errorf("two files are to be written to the output path %s: give one of them another path", f.Path)
		}
		seen[f.Path] = true
	}
	for _, f := range files {
		for _, folder := range parents(f.Path) {
			if seen[folder] {
				return fmt.Errorf("output path %s is a file, and %s needs a folder there: give one of them another path", folder, f.Path)
			}
		}
	}
	return nil
}

// checkPath refuses a path that is not inside the output folder on every system.
func checkPath(name string) error {
	why := ""
	switch {
	case strings.HasPrefix(name, "/dev/"):
		return fmt.Errorf("output path %q is a device: %s", name, useStdout)
	case !fs.ValidPath(name) || name == "." || strings.Contains(name, `\`) || strings.ContainsFunc(name, unicode.IsControl):
		why = "is not a plain relative path"
	case !filepath.IsLocal(filepath.FromSlash(name)):
		why = "is a name that this system reserves"
	case len(name) >= len(reserved) && strings.EqualFold(name[:len(reserved)], reserved):
		why = "begins with " + reserved + ", which is kept for unfinished runs"
	default:
		return nil
	}
	return fmt.Errorf("output path %q %s: write it like fw/edge.nft, inside the output folder", name, why)
}

// preparePlaces creates the folders that files need. It refuses a place that no rename can
// reach, before anything is published.
func (p *publisher) preparePlaces(files []File) error {
	out, err := where(p.dir)
	if err != nil {
		return cannot("write into", p.dir, err)
	}
	for _, f := range files {
		folder := path.Dir(f.Path)
		err := p.at("make folder " + folder)
		if err == nil {
			err = p.root.MkdirAll(folder, 0o755)
		}
		var at location
		if err == nil {
			at, err = where(p.full(folder))
		}
		if err != nil {
			return p.fail("write into", folder, err)
		}
		if at != out {
			return fmt.Errorf("%s is on another file system than %s, and a set is published within one: "+
				"publish into that folder in a run of its own", p.full(folder), p.dir)
		}
		// Container tools mount single files too, which then cannot be replaced.
		if file, err := where(p.full(f.Path)); err == nil && file.mount != out.mount {
			return fmt.Errorf("%s is a mount point and cannot be replaced: mount the folder that holds it instead", p.full(f.Path))
		}
	}
	return nil
}

// location identifies a file system and a mount of it.
type location struct{ device, mount uint64 }

func (p *publisher) fail(what, name string, err error) error {
	return cannot(what, p.full(name), err)
}

// cannot is the error for an operation that failed, with what to do about it.
func cannot(what, name string, err error) error {
	return fmt.Errorf("cannot %s %s: %w: %s", what, name, bare(err), remedy(err))
}

// remedy is what to do about an error of the file system.
func remedy(err error) string {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "free some space there and run again"
	case errors.Is(err, syscall.EFBIG):
		return "raise the limit on file sizes (ulimit -f) and run again"
	case errors.Is(err, syscall.EROFS):
		return "choose an output folder that is not read-only"
	case errors.Is(err, fs.ErrPermission):
		return "run as a user who may write there, or choose another output folder"
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EISDIR), errors.Is(err, fs.ErrExist):
		return "something else has that name: remove it, or choose another path"
	case errors.Is(err, syscall.ENAMETOOLONG):
		return "choose a shorter path"
	default:
		return "check the disk and the folder, and run again"
	}
}

// bare removes the system call and the path from an error, because the message has them.
func bare(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	if le, ok := errors.AsType[*os.LinkError](err); ok {
		return le.Err
	}
	return err
}

// kind is the word for something that is not a regular file.
func kind(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a folder"
	case m&fs.ModeSymlink != 0:
		return "a symbolic link"
	case m&fs.ModeDevice != 0:
		return "a device"
	case m&fs.ModeNamedPipe != 0:
		return "a pipe"
	case m&fs.ModeSocket != 0:
		return "a socket"
	default:
		return "a file"
	}
}
