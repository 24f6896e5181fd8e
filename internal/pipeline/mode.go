package pipeline

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"sallyport/renderers"
	"sallyport/templates"
)

// narrow makes files no more open than what they are made from, which may hold secrets:
// the file of the user's that one carries along, and the user's own templates.
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

// allOpen is what group and others can have.
const allOpen fs.FileMode = 0o077

// open is what group and others can do with the file, and may do with what is made from
// it: all where there is no file. A class that can read can execute what is made, too.
// The file's group counts where it is ours, since that is the group of what is written;
// else it can do what others can.
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
