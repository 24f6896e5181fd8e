package publish

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
)

// Preview returns what Publish would do, or the error with which it would refuse. It writes
// nothing.
func Preview(dir string, set Set) (Report, error) {
	if err := checkFiles(set.Files); err != nil {
		return Report{}, err
	}
	var rep Report
	if missing(dir) {
		for _, f := range set.Files {
			rep.Files = append(rep.Files, Change{Path: f.Path})
		}
		return rep, nil
	}
	p := publisher{dir: dir}
	if err := p.open(); err != nil {
		return Report{}, err
	}
	defer p.root.Close()
	if p.leftovers() { // the files may belong to two sets
		for _, f := range set.Files {
			old, there, err := Read(dir, f.Path)
			if err != nil {
				return Report{}, err
			}
			c := Change{Path: f.Path, OldSize: int64(len(old)), Status: Changed}
			if !there {
				c.Status = Created
			} else if bytes.Equal(old, f.Data) {
				c.Status = Unchanged
			}
			rep.Files = append(rep.Files, c)
		}
		return rep, nil
	}
	now, err := p.look(set)
	return now.rep, err
}

// situation is what publishing a set would do in a folder.
type situation struct {
	rep  Report
	old  Manifest
	data []byte // the old manifest, as the file has it
}

// look compares set with the files in the folder. It returns an error if the set must not be
// published.
func (p *publisher) look(set Set) (situation, error) {
	m, data, err := p.manifest()
	if err != nil {
		return situation{}, err
	}
	rep, err := p.compare(set, m)
	return situation{rep, m, data}, err
}

// done reports whether there is nothing to write.
func (s *situation) done(set Set) bool {
	todo, err := s.todo(set)
	return err == nil && len(todo) == 0 && !(set.Prune && len(s.rep.Orphans) > 0)
}

// todo returns the files to write, with the manifest.
func (s *situation) todo(set Set) ([]File, error) {
	var todo []File
	for i, c := range s.rep.Files {
		if c.Status != Unchanged {
			f := set.Files[i]
			f.Mode = c.mode
			todo = append(todo, f)
		}
	}
	next, err := s.old.after(set, s.rep).bytes()
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(next, s.data) {
		todo = append(todo, File{Path: ManifestName, Data: next})
	}
	return todo, nil
}

// compare returns what publishing set would do, or an error if it must not be published.
func (p *publisher) compare(set Set, m Manifest) (Report, error) {
	var rep Report
	var refused []error
	if err := p.checkInputs(set); err != nil {
		return Report{}, err
	}
	for _, f := range set.Files {
		c := Change{Path: f.Path, newSum: sumOfBytes(f.Data), mode: mode(f)}
		fi, err := p.lstat(f.Path)
		if err != nil {
			return Report{}, err
		}
		if fi != nil {
			if c.OldSize, c.OldSum, err = p.sum(f.Path); err != nil {
				return Report{}, p.fail("read", f.Path, err)
			}
			c.Status, c.mode = Changed, fi.Mode().Perm()
			if c.OldSum == c.newSum {
				c.Status = Unchanged
			} else if err := p.judge(f, m.find(f.Path), c.OldSum, set); err != nil {
				refused = append(refused, err)
			}
			if closed := c.mode & (0o700 | mode(f)); f.Secret && closed != c.mode {
				c.Status, c.mode = Changed, closed
			}
		}
		rep.Files = append(rep.Files, c)
	}
	var err error
	rep.Orphans, rep.gone, err = p.orphans(m, set)
	return rep, errors.Join(refusals(refused), err)
}

func sumOfBytes(data []byte) string {
	h := sha256.Sum256(data)
	return hex.EncodeToString(h[:])
}
