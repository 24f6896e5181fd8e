// Package pipeline turns the text of a policy into rendered files. All commands use it:
//
//	policy -> feeds -> program -> for each target: lower -> render -> read back
//
// Mistakes in the policy are diagnostics in the result. Errors are other failures, such as
// a file that cannot be read or a feed that cannot be fetched.
package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"sallyport/diag"
	"sallyport/internal/changes"
	"sallyport/internal/feeds"
	"sallyport/internal/readfile"
	"sallyport/ipranges/catalog"
	"sallyport/renderers"
	"sallyport/renderers/all"
	"sallyport/rules"
	"sallyport/rules/policy"
	"sallyport/templates"
)

// Builtin is the name of the policy that is used when none is given.
const Builtin = "built-in"

// builtinNote is in the header of all outputs of the built-in policy.
const builtinNote = "media only: calls need DNS, signalling names and direct media as well, see docs/acs.md"

// Request is what to compile and render, and with what. The zero value is the built-in
// policy.
type Request struct {
	// Policy is a file's name; empty for the built-in policy. Names in the policy are
	// relative to its folder.
	Policy string
	// Text, if not nil, is the text of the policy. Then the file is not read, and Policy is
	// its name in messages.
	Text      []byte
	Vars      map[string]string // values of variables
	Feeds     map[string]string // a file, "-" or an address to read instead of a feed, by its name in the policy
	AllowRead []string          // folders, besides the policy's own, whose files the policy may name
	Templates string            // a folder of templates that take the place of sallyport's own; empty: none
	Set       string            // only the feeds that this set needs are opened; empty: all feeds
	Out       string            // the folder of earlier outputs to compare with; empty: none
	Version   string            // of sallyport, for headers; empty: "devel"
	Now       time.Time         // its date decides what has expired; zero: the present
	Stamp     bool              // write Now into headers
	SelfCheck bool              // read every output back and compare it with the plan
	Opener    *feeds.Opener     // opens feeds; nil: one with the user's cache and the usual limits

	reads func(name string) // called for each file that a target reads; may be nil
}

// withDefaults returns req with the defaults of empty fields.
func (req Request) withDefaults() Request {
	if req.Text != nil {
		req.Policy = cmp.Or(req.Policy, "policy.hcl")
	}
	req.Version = cmp.Or(req.Version, "devel")
	if req.Now.IsZero() {
		req.Now = time.Now()
	}
	if req.Opener == nil {
		req.Opener = feeds.NewOpener(req.Version)
	}
	return req
}

// Result is what a request produced. If Diagnostics has an error, Program and Outputs lack
// what depends on it.
type Result struct {
	Diagnostics diag.List         // in the order of the policy
	Sources     map[string][]byte // the policy's text by its name, for [diag.Print]
	Feeds       []Feed            // that were opened
	Program     *policy.Program
	Outputs     []Output // of the targets that were rendered
	// Inputs are the files that were read. An output must not overwrite one of them.
	Inputs []string

	req      Request
	complete bool // Outputs has every target of the policy
}

// Feed is a feed that was opened.
type Feed struct {
	Name string
	*feeds.Feed
}

// Output is what one target renders.
type Output struct {
	Target *policy.Target
	Kind   renderers.Kind
	Plan   *rules.Plan // lowered
	Caps   rules.Caps  // of the target with its options
	Losses []rules.Loss
	Files  []renderers.File
	// Made is set if an earlier run made the same files from other inputs, so that only the
	// names of inputs in their headers would differ. Then Files are the earlier ones, and Made
	// says what they were made from.
	Made *Origin
	// Change compares Files with those of the earlier run; nil if there are none, or if they
	// cannot be read back.
	Change *changes.Summary
	// ReadBack says that the files were read back and do what Plan says.
	ReadBack bool

	built *renderers.Target
}

// ChangeFrom compares Files with earlier files of the target; nil if one of them cannot be
// read back.
func (o *Output) ChangeFrom(before []renderers.File) *changes.Summary {
	now, err := o.built.ReadBack(o.Files)
	if err != nil {
		return nil
	}
	return change(o.built, before, now, o.Plan, o.Caps)
}

// UsageError is a mistake of the caller: on the command line, or in a Request.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *UsageError) Unwrap() error { return e.Err }

// Compile reads the policy, opens the feeds it uses and compiles it. If a feed cannot be
// fetched, it returns the result with the error, for its diagnostics; with other errors the
// result is nil.
func Compile(ctx context.Context, req Request) (*Result, error) {
	req = req.withDefaults()
	file, diags, err := load(req)
	if err != nil {
		return nil, err
	}
	if err := checkTemplates(req.Templates); err != nil {
		return nil, err
	}
	res := &Result{Diagnostics: diags, Sources: file.Sources(), req: req}
	if req.Policy != "" && req.Text == nil {
		res.reads(req.Policy)
	}
	var catalogs map[string]*catalog.Catalog
	if diags.HasErrors() { // the user has to correct a mistake first: report as many as can be found without a download
		catalogs = feedsAtHand(ctx, file, req)
	} else if catalogs, err = res.openFeeds(ctx, file, req); err != nil {
		return res, err
	}
	var more diag.List
	res.Program, more = file.Compile(catalogs)
	res.add(more)
	res.add(collisions(res.Program, nil))
	res.acknowledge(false)
	return res, nil
}

// add adds diagnostics and sorts all by their place in the policy. Errors without a place
// come first, warnings without a place last.
func (res *Result) add(more diag.List) {
	res.Diagnostics = append(res.Diagnostics, more...)
	at := func(d diag.Diagnostic) int {
		if d.Subject.IsZero() && d.Severity == diag.Warning {
			return math.MaxInt
		}
		return d.Subject.Start.Byte
	}
	slices.SortStableFunc(res.Diagnostics, func(a, b diag.Diagnostic) int {
		return cmp.Or(cmp.Compare(at(a), at(b)), cmp.Compare(a.Severity, b.Severity))
	})
}

// Render renders the named targets, or all if none is named. It returns a copy of the
// result of Compile with the outputs and their diagnostics. It also checks the targets of a
// policy with mistakes, as far as they are known. An unknown name is a [UsageError].
func (res *Result) Render(names ...string) (*Result, error) {
	own := *res // the result of Compile stays as it is
	res = &own
	res.Diagnostics, res.Inputs, res.Outputs = slices.Clone(res.Diagnostics), slices.Clone(res.Inputs), nil
	req := res.req
	req.reads = res.reads
	res.readFeeds()
	b := newBuilder(req)
	broken := res.Diagnostics.HasErrors()
	targets, err := chosen(res.Program, names)
	switch {
	case broken: // check what is known in spite of the mistakes
		targets = b.judgeRest(res, targets)
	case err != nil:
		return res, err
	}
	before, err := look(req)
	if err != nil {
		return res, err
	}
	before.warnOlder(res.Feeds)
	res.complete = len(targets) == len(res.Program.Targets)
	for _, t := range targets {
		out, diags := b.render(t, before)
		res.add(diags)
		if out != nil {
			res.Outputs = append(res.Outputs, *out)
		}
	}
	res.add(res.unsaid(collisions(res.Program, res.Outputs)))
	res.add(b.claimedTwice(res.Program))
	res.add(b.blockedInside(res.Program, res.Outputs))
	res.acknowledge(res.complete)
	return res, nil
}

// unsaid returns the diagnostics of list that res does not have yet.
func (res *Result) unsaid(list diag.List) diag.List {
	return slices.DeleteFunc(list, func(d diag.Diagnostic) bool {
		return slices.ContainsFunc(res.Diagnostics, func(said diag.Diagnostic) bool { return said.Summary == d.Summary && said.Subject == d.Subject })
	})
}

// load reads the policy and checks what can be checked without feeds.
func load(req Request) (*policy.File, diag.List, error) {
	name, src, err := readPolicy(req)
	if err != nil {
		return nil, nil, err
	}
	file, diags := policy.Load(name, src, policy.Options{Vars: req.Vars, Kinds: targetKind, KindNames: kindNames(), Now: req.Now,
		Warnings: slices.Collect(maps.Keys(Warnings()))})
	return file, diags, nil
}

func readPolicy(req Request) (string, []byte, error) {
	name := req.Policy
	switch {
	case req.Text != nil:
		return name, req.Text, nil
	case name == "":
		return Builtin, templates.DefaultPolicy, nil
	case name == "-":
		return "", nil, &UsageError{errors.New("a policy is a file, because paths in it are relative to its folder: name one")}
	}
	src, err := readfile.File(name, policy.MaxSize)
	var large *readfile.TooLarge
	switch {
	case errors.As(err, &large):
		return name, src, nil // Load reports it
	case errors.Is(err, fs.ErrNotExist):
		return "", nil, fmt.Errorf("no policy %s: write one with sallyport init, or take the built-in one with --policy built-in", name)
	case err != nil:
		return "", nil, fmt.Errorf("reading the policy: %w: name a file that you can read", err)
	}
	return name, src, nil
}

// checkTemplates refuses a folder of templates that does not exist, and templates in it
// that override nothing.
func checkTemplates(dir string) error {
	if dir == "" {
		return nil
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return &UsageError{fmt.Errorf("--templates %s is no folder: name the one that holds your templates", dir)}
	}
	known := templates.Names()
	return fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return fmt.Errorf("reading your templates: %w: check the folder's permissions", err)
		case strings.HasSuffix(path, ".tmpl") && !d.IsDir() && !slices.Contains(known, path):
			return &UsageError{fmt.Errorf("--templates: %s overrides no template: there are %s", path, strings.Join(known, ", "))}
		}
		return nil
	})
}

func targetKind(name string) (policy.TargetKind, bool) {
	k, ok := all.Named(name)
	if !ok {
		return policy.TargetKind{}, false
	}
	return policy.TargetKind{Name: k.Name, Class: policy.ClassOf(k.Caps), Extension: k.Extension, NewOptions: k.NewOptions, Loads: k.Local}, true
}

func kindNames() []string {
	var names []string
	for _, k := range all.Kinds() {
		names = append(names, k.Name)
	}
	return names
}

func (res *Result) openFeeds(ctx context.Context, file *policy.File, req Request) (map[string]*catalog.Catalog, error) {
	specs := file.Feeds()
	if err := knownFeeds(req.Feeds, specs); err != nil {
		return nil, err
	}
	catalogs := map[string]*catalog.Catalog{}
	needed := file.FeedsFor("set", req.Set)
	for _, s := range specs {
		if req.Set != "" && !slices.Contains(needed, s.Name) {
			continue
		}
		f, err := req.Opener.Open(ctx, specOf(s, req))
		if err != nil {
			return nil, err
		}
		res.Feeds = append(res.Feeds, Feed{s.Name, f})
		catalogs[s.Name] = f.Catalog
	}
	return catalogs, nil
}

// feedsAtHand returns the catalogs that can be opened without the network.
func feedsAtHand(ctx context.Context, file *policy.File, req Request) map[string]*catalog.Catalog {
	catalogs := map[string]*catalog.Catalog{}
	for _, s := range file.Feeds() {
		if f, err := req.Opener.AtHand().Open(ctx, specOf(s, req)); err == nil {
			catalogs[s.Name] = f.Catalog
		}
	}
	return catalogs
}

// specOf is the feed as the policy has it, or with the file or address of the request.
func specOf(s catalog.FeedSpec, req Request) catalog.FeedSpec {
	if own, ok := req.Feeds[s.Name]; ok {
		return s.From(own)
	}
	return s
}

func knownFeeds(given map[string]string, specs []catalog.FeedSpec) error {
	var names []string
	for _, s := range specs {
		names = append(names, s.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if slices.Contains(names, name) {
			continue
		}
		if len(names) == 0 {
			return &UsageError{fmt.Errorf("--feed %s=%s: the policy uses no feed: leave it out", name, given[name])}
		}
		return &UsageError{fmt.Errorf("--feed %s=%s: the policy uses no feed %s: it uses %s", name, given[name], name, strings.Join(names, ", "))}
	}
	return nil
}

// Declared returns the names of the policy's blocks of a kind, such as "target". It needs no
// feed, and returns what it can read; it is for completion.
func Declared(req Request, kind string) []string {
	file, _, err := load(req)
	if err != nil {
		return nil
	}
	return file.Declared(kind)
}

// chosen returns the named targets, or all if none is named.
func chosen(p *policy.Program, names []string) ([]*policy.Target, error) {
	var list []*policy.Target
	var all []string
	for i := range p.Targets {
		t := &p.Targets[i]
		all = append(all, t.Name)
		if len(names) == 0 || slices.Contains(names, t.Name) {
			list = append(list, t)
		}
	}
	for _, n := range names {
		if !slices.Contains(all, n) {
			return nil, &UsageError{fmt.Errorf("no target %s in the policy: it has %s", n, strings.Join(all, ", "))}
		}
	}
	return list, nil
}
