package pipeline

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"sallyport/renderers"
	"sallyport/templates"
)

// narrow limits the permissions of files to those of their inputs, which may contain
// secrets: the user's file that an output contains, and the user's own templates.
func narrow(kind string, files []renderers.File, req Request) {
	own := allOpen
	if req.Templates != "" {
		for _, name := range templates.Names() {
			if path.Dir(name) == kind {
				own &= open(filepath.Join(req.Templates, filepath.FromSlash(name)))
			}
		}
	}
	for i := range files {
		most := own
		if files[i].From != "" {
			most &= open(inputPath(req, files[i].From))
		}
		files[i].Mode &= 0o700 | most
	}
}

// allOpen is all permissions of group and others.
const allOpen fs.FileMode = 0o077

// open returns the permissions that group and others may have on a file made from the one
// with the name: all if there is none, else reading for those that can read it, and with
// that executing. If the file has another group than new files get, the group has the
// permissions of others.
func open(name string) fs.FileMode {
	info, err := os.Stat(name)
	if err != nil {
		return allOpen
	}
	mode := info.Mode()
	group, others := mode>>3&7, mode&7
	if !isOurGroup(info) {
		group &= others
	}
	for _, class := range []*fs.FileMode{&group, &others} {
		if *class&4 != 0 {
			*class |= 1
		} else {
			*class = 0
		}
	}
	return group<<3 | others
}
