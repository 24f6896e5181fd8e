package conformance

import (
	"slices"
	"testing"

	"sallyport/internal/testkit/quickfuzz"
	"sallyport/internal/testkit/rendered"
	"sallyport/renderers"
	"sallyport/rules"
)

// Fuzz feeds the readers of a target with files that were edited: one to read back, one that
// an earlier run published, and the user's files that options name. Nothing panics, what is
// rendered then reads back as the plan, and so does what was read from an edited file.
// The files are those of a rich plan and of routes each way, with every variant.
//
// An input is two edits of a file and not the file: the fuzzer minimizes each input that is
// new to it, which takes it minutes where an input has some thousand bytes. So the texts
// that are put in are short.
func Fuzz(f *testing.F, c Contract) {
	quickfuzz.Prepare()
	list := fuzzed(f, c)
	for i, x := range list {
		for at, file := range x.files {
			f.Add(uint8(i), uint8(at), uint16(len(file.Data)/2), uint16(1), "\n", uint16(0), uint16(0), "<!--")
			f.Add(uint8(i), uint8(at), uint16(len(file.Data)-1), uint16(9), " ", uint16(len(file.Data)/3), uint16(100), "\"")
		}
	}
	f.Fuzz(func(t *testing.T, variant, at uint8, from1, n1 uint16, text1 string, from2, n2 uint16, text2 string) {
		if len(text1) > LongestEdit || len(text2) > LongestEdit {
			return
		}
		x := list[int(variant)%len(list)]
		edit := func(data []byte) []byte {
			return Edited(Edited(data, from1, n1, text1), from2, n2, text2)
		}
		files := slices.Clone(x.files)
		file := &files[int(at)%len(files)]
		file.Data = edit(file.Data)
		switch p, err := x.r.ReadBack(files); {
		case err != nil:
		case p == nil:
			t.Error("neither a plan nor an error")
		default:
			x.s.renderedAgain(t, x.r, p)
		}
		x.s.renderIn(t, "after "+file.Path, x.next, renderers.Env{Read: x.s.readFile, Previous: rendered.Previous(files)})
		if len(x.s.read) > 0 {
			x.s.renderIn(t, "with a file of the user's", x.next, renderers.Env{Read: func(name string) ([]byte, error) { return edit(x.s.read[name]), nil }})
		}
	})
}

// subject is files that the fuzzer edits, of a variant, with the plan of the next run.
type subject struct {
	s     *suite
	r     *renderers.Target
	files []renderers.File
	next  *rules.Plan
}

// fuzzed are the files of every variant: of a rich plan, and of routes each way.
func fuzzed(f *testing.F, c Contract) (list []subject) {
	for _, v := range c.Variants {
		s := newSuite(c, v)
		r := s.build(f, "edge")
		_, next := s.rendered(f, r, s.plan(f, cloud))
		for _, p := range append(s.damagePlans(f, cloud), s.rich(f)) {
			if files, _ := s.rendered(f, r, p); len(files) > 0 {
				list = append(list, subject{s, r, files, next})
			}
		}
	}
	return list
}

// renderedAgain renders a plan that was read from an edited file, where that can be.
func (s *suite) renderedAgain(t *testing.T, r *renderers.Target, p *rules.Plan) {
	t.Helper()
	lowered, _, errs := rules.Lower(p, r.Caps)
	if len(errs) > 0 {
		return
	}
	files, err := r.Render(lowered)
	if err != nil {
		return
	}
	if got, err := r.ReadBack(files); err != nil || rules.Compare(lowered, got) != nil {
		t.Errorf("what was read and rendered again differs: %v", err)
	}
}

// LongestEdit is the longest text of an edit that is worth trying.
const LongestEdit = 16

// Edited is data with n bytes from an offset on replaced: what a fuzz target makes of its
// seeds, instead of taking whole files.
func Edited(data []byte, from, n uint16, with string) []byte {
	at := min(int(from), len(data))
	return slices.Concat(data[:at], []byte(with), data[min(at+int(n), len(data)):])
}
