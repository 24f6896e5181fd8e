// Package renderers is the contract between a plan and the targets that can
// carry it out.
//
// A Kind is what a target is and can do, as data, with its typed options and a function
// that builds a Target from them. Render turns a lowered plan into
// files; ReadBack turns the files into a plan again, so that what was rendered
// can be compared with what was meant. Both are pure: equal plans, options and
// environments give equal bytes, without clock, map order or network.
//
// Render never weakens a rule. What the target cannot say is refused by
// rules.Lower from the kind's Caps, or with a *rules.RuleError.
package renderers

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"sallyport/rules"
)

// Renderer renders plans for one target with its options. It is safe for
// concurrent use.
type Renderer interface {
	// Render returns the files for p, a plan that Lower adapted to the
	// renderer's capabilities. File paths are relative to the output folder.
	Render(p *rules.Plan) ([]File, error)
	// ReadBack returns the plan that files carry out: Decide of it is Decide of
	// the plan they were rendered from. An error wraps ErrNoReadBack where
	// these options make reading back impossible.
	ReadBack(files []File) (*rules.Plan, error)
}

// Target is a kind with its options, as Build makes it once a run. Everything that the
// options decide is in it. Nobody writes to it.
type Target struct {
	Renderer
	Caps   rules.Caps // what it can express; the zero Caps that Build gets become those of the kind
	Claims []Claim    // what its output takes for itself; two targets of a policy cannot share it
	// Ports are the protocols and ports of the listed addresses that a bypass sends past
	// the VPN; the others stay in it. Empty: all of them go past.
	Ports rules.Matches
	// Advice returns warnings about a plan that it can render all the same: what the admin
	// would want to know before loading it. Option may be empty where it is about the
	// target. Nil where there is none to give.
	Advice func(p *rules.Plan) []*OptionError
	// Local is how it is loaded on the machine that sallyport runs on; nil if sallyport
	// cannot do that, or if Info.Local is not set.
	Local *Local
}

// Claim is a thing outside of a target's output that the output takes for itself.
type Claim struct {
	Thing  string // equal for equal things, in words: "protocol 213 of table main"
	File   string // in place of Thing: a file that the policy names
	Option string // the option that chooses it
	Cost   string // what happens to two targets that have it, as a clause
	Fix    string
	// MayDiffer says that two targets can mean different machines, so that sharing
	// is worth a warning and no more.
	MayDiffer bool
}

// File is one rendered file.
type File struct {
	Path string // relative to the output folder, with slashes
	Mode fs.FileMode
	Data []byte
	// Use is the command that loads it, empty for files that go with another. Undo is the
	// command that takes away what it loaded. In both, and in Hand, {} stands for the file's
	// path.
	Use, Undo string
	// On is the machine that Use or Hand is for, as in "a Linux machine with nftables".
	On string
	// Hand is what somebody has to do by hand: before Use, or where no command loads the file.
	Hand string
	// Once are commands to run once, after the first load. They are printed as they are: {}
	// has no meaning in them.
	Once []string
	// From is the user's file, as the policy names it, whose content is in this one. The
	// published file gets no permission that the user's lacks.
	From string
}

// ShellWord quotes s for a shell where it needs quoting (POSIX, Shell Command
// Language, 2.2.2): load commands are there to be copied.
func ShellWord(s string) string {
	for _, c := range []byte(s) {
		plain := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("/._-+,:=@%", c) >= 0
		if !plain {
			return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
		}
	}
	if s == "" {
		return "''"
	}
	return s
}

// IsName reports whether s is made of letters, digits and bytes of extra, and has from one
// to most bytes: a name that no format reads as anything else.
func IsName(s string, most int, extra string) bool {
	for _, c := range []byte(s) {
		plain := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !plain && strings.IndexByte(extra, c) < 0 {
			return false
		}
	}
	return s != "" && len(s) <= most
}

// ErrNoReadBack says that files cannot be turned into a plan again.
var ErrNoReadBack = errors.New("this output cannot be read back")

// Env is what a renderer may look at besides the plan and its options.
type Env struct {
	Name string // the target's label in the policy: letters, digits, underscores
	Path string // the output path, relative to the output folder
	// PathGiven says that the policy names the path; otherwise it is the name with
	// the kind's extension, and a renderer may choose another ending.
	PathGiven bool
	// Templates holds the user's own template files, which override the
	// embedded ones of the same name; nil when there are none.
	Templates fs.FS
	// Read returns a file that the policy names, relative to the policy's folder.
	Read func(name string) ([]byte, error)
	// Previous returns what was published at an output path before, or nil. A
	// renderer uses it to remove objects that it no longer needs; for one it is never nil.
	Previous func(path string) []byte
}

// OptionError says what is wrong with an option. Option is its path in the
// policy, such as "table" or "budget.routes".
type OptionError struct {
	Option string
	Cause  string
	Fix    string
	ID     string // of advice: that of the warning, one of Info.Warnings
}

func (e *OptionError) Error() string { return fmt.Sprintf("option %s: %s", e.Option, e.Cause) }

// Wrong is a mistake in an option: fix is what to write, and cause, a format for args, what
// is wrong.
func Wrong(option, fix, cause string, args ...any) error {
	return &OptionError{Option: option, Cause: fmt.Sprintf(cause, args...), Fix: fix}
}

// Mistakes collects the errors in a target's options, so that the user sees all of them at
// once. Build functions return its Err.
type Mistakes []error

// Option adds Wrong.
func (m *Mistakes) Option(option, fix, cause string, args ...any) {
	m.Add(Wrong(option, fix, cause, args...))
}

// Add adds the errors that err joins, or err alone; nil is none.
func (m *Mistakes) Add(err error) { *m = append(*m, Each(err)...) }

// Has reports whether there is a mistake in an option.
func (m Mistakes) Has(option string) bool {
	return slices.ContainsFunc(m, func(e error) bool { o, ok := e.(*OptionError); return ok && o.Option == option })
}

// Err is the mistakes as one error, or nil.
func (m Mistakes) Err() error { return errors.Join(m...) }

// Each returns the errors that err joins, or err alone; none for nil.
func Each(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var list []error
	for _, e := range joined.Unwrap() {
		list = append(list, Each(e)...)
	}
	return list
}

// LoadContract is how a target's files replace what was loaded before. Each
// target declares its own, and tests hold it to that.
type LoadContract string

// The load contracts.
const (
	// Transaction: load A, then B, equals a fresh B, without a gap between.
	Transaction LoadContract = "transaction"
	// PerFamily: the same, a family and table at a time.
	PerFamily LoadContract = "per family"
	// Additive: loading adds; what left the plan needs deleting.
	Additive LoadContract = "additive"
	// Restart: a program reads them when it starts, and takes away what it made
	// when it ends: equal to a fresh B, with the VPN down in between.
	Restart LoadContract = "restart"
	// NotLoaded: the files are for reading, or for a program of the user's.
	NotLoaded LoadContract = "not loaded"
)

// Limit is a number that the target or its device imposes.
type Limit struct {
	Name   string // what is limited
	Value  string // the number with its unit
	Source string // where it is documented or was measured
	Option string // the option that changes it; empty when none does
}

// Info describes a kind of target. It is data: the capability matrix and the
// targets command are made from it.
type Info struct {
	Name       string // as the policy says it: lower-case letters and digits
	Title      string // as the field says it
	Summary    string // one line
	Caps       rules.Caps
	Load       LoadContract
	Placements []string // where its rules can live; empty when there is no choice
	Limits     []Limit
	NoReadBack string // the reason where some options cannot be read back; empty where all can
	Extension  string // of the default output path, with the dot
	Local      bool   // its targets have a Local
	// Warnings are what its advice can be about, by IDs that never change: see
	// policy.Accept.
	Warnings map[string]string
}

// Kind is a target that policies can name.
type Kind struct {
	Info
	newOptions func() any
	build      func(options any, env Env) (*Target, error)
}

// Define makes a kind whose options are an O: a plain struct whose exported
// fields carry `policy:"name"` and `doc:"..."` tags. A policy's options are
// decoded over a copy of defaults, so O must not hold pointers or maps in its
// defaults. build fails with an *OptionError for what the user got wrong, or with
// Mistakes: all there are, and none that is only a consequence of another.
func Define[O any](info Info, defaults O, build func(O, Env) (*Target, error)) Kind {
	return Kind{
		Info:       info,
		newOptions: func() any { o := defaults; return &o },
		build:      func(options any, env Env) (*Target, error) { return build(*options.(*O), env) },
	}
}

// NewOptions returns a pointer to a fresh copy of the default options.
func (k Kind) NewOptions() any { return k.newOptions() }

// Build makes the target of options, which come from NewOptions of the same kind.
func (k Kind) Build(options any, env Env) (*Target, error) {
	if env.Previous == nil {
		env.Previous = func(string) []byte { return nil }
	}
	t, err := k.build(options, env)
	if err != nil {
		return nil, err
	}
	if t.Caps.Families == 0 {
		t.Caps = k.Caps
	}
	return t, nil
}
