// Package pipeline runs a policy from its text to rendered files, the one way that
// every command takes:
//
//	policy -> feeds -> program -> for each target: lower -> render -> read back
//
// Mistakes of the user are diagnostics in the result; errors are failures of the
// world: a file that cannot be read, a feed that cannot be had.
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

// builtinNote stands in every header that the built-in policy makes.
const builtinNote = "media only: calls need DNS, signalling names and direct media as well, see docs/acs.md"

// Request is what to run, and with what.
type Request struct {
	Policy    string            // a file's name; empty for the built-in policy
	Vars      map[string]string // values of variables
	Feeds     map[string]string // a file, "-" or https address for a feed, by its label
	Targets   []string          // names of targets to render; empty: all
	Set       string            // the one set that is wanted: Compile opens the feeds that it needs, and no others
	Out       string            // the folder that outputs are published in
	AllowRead []string          // folders, besides the policy's own, whose files the policy may name
	Templates string            // a folder of the user's own templates; empty: none
	Version   string            // of sallyport, for headers
	Now       time.Time         // its date decides what has expired
	Stamp     bool              // write Now into headers
	SelfCheck bool              // read every output back and compare
	Opener    *feeds.Opener

	reads func(name string) // told of each file that a target reads; may be nil
}

// Result is how far a request came. Outputs is complete when Diagnostics holds no
// error.
type Result struct {
	Diagnostics diag.List
	Sources     map[string][]byte // of the policy, for printing diagnostics
	Feeds       []Feed
	Program     *policy.Program
	Outputs     []Output
	// Inputs are the files that were read: an output must not take the place of one.
	Inputs   []string
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
	// Made is what Files were made from, where an earlier run made the same from other
	// inputs, and nothing but the mention of those would differ; nil otherwise.
	Made *Origin
	// Change is what Files do that those before them did not; nil where nothing was
	// published before, or where that cannot be read back any more.
	Change *changes.Summary
	// ReadBack says that the files were read back and do what Plan says.
	ReadBack bool
}

// UsageError is a mistake on the command line.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *UsageError) Unwrap() error { return e.Err }

// Compile reads the policy, opens the feeds it uses and compiles it.
func Compile(ctx context.Context, req Request) (*Result, error) {
	res, err := compile(ctx, req)
	if err != nil || res.Program == nil {
		return res, err
	}
	res.add(collisions(res.Program, nil))
	res.acknowledge(false)
	return res, nil
}

// compile is Compile without the judgement of what targets do to one another.
func compile(ctx context.Context, req Request) (*Result, error) {
	file, diags, err := load(req)
	if err != nil {
		return nil, err
	}
	if err := checkTemplates(req.Templates); err != nil {
		return nil, err
	}
	res := &Result{Diagnostics: diags, Sources: file.Sources()}
	if req.Policy != "" {
		res.reads(req.Policy)
	}
	var catalogs map[string]*catalog.Catalog
	if diags.HasErrors() { // with a mistake to mend first, the other mistakes are worth more than a download
		catalogs = feedsAtHand(ctx, file, req)
	} else if catalogs, err = res.openFeeds(ctx, file, req); err != nil {
		return res, err
	}
	var more diag.List
	res.Program, more = file.Compile(catalogs)
	res.add(more)
	return res, nil
}

// add takes more diagnostics, and keeps all in the order of the policy: first what
// is wrong with the command line, last what is said of the list itself.
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

// Run compiles the policy and renders its targets.
func Run(ctx context.Context, req Request) (*Result, error) {
	res, err := compile(ctx, req)
	if err != nil || res.Program == nil {
		return res, err
	}
	req.reads = res.reads
	res.readFeeds()
	b := newBuilder(req)
	broken := res.Diagnostics.HasErrors()
	targets, err := chosen(res.Program, req.Targets)
	switch {
	case broken: // what a mistake leaves of the policy is judged all the same
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
	res.add(collisions(res.Program, res.Outputs))
	res.add(b.claimedTwice(res.Program))
	res.add(b.blockedInside(res.Program, res.Outputs))
	res.acknowledge(res.complete)
	return res, nil
}

// load reads the policy and what can be seen of it without feeds.
func load(req Request) (*policy.File, diag.List, error) {
	name, src, err := readPolicy(req.Policy)
	if err != nil {
		return nil, nil, err
	}
	file, diags := policy.Load(name, src, policy.Options{Vars: req.Vars, Kinds: targetKind, KindNames: kindNames(), Now: req.Now,
		Warnings: slices.Collect(maps.Keys(Warnings()))})
	return file, diags, nil
}

func readPolicy(name string) (string, []byte, error) {
	switch name {
	case "":
		return Builtin, templates.DefaultPolicy, nil
	case "-":
		return "", nil, &UsageError{errors.New("a policy is a file, because paths in it are relative to its folder: name one")}
	}
	src, err := readfile.File(name, policy.MaxSize)
	var large *readfile.TooLarge
	switch {
	case errors.As(err, &large):
		return name, src, nil // Load says so, with the rest of what is wrong with policies
	case errors.Is(err, fs.ErrNotExist):
		return "", nil, fmt.Errorf("no policy %s: write one with sallyport init, or take the built-in one with --policy built-in", name)
	case err != nil:
		return "", nil, fmt.Errorf("reading the policy: %w: name a file that you can read", err)
	}
	return name, src, nil
}

// checkTemplates refuses a folder of templates that would have no effect: one that
// is not there, or a file in it that overrides nothing.
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
	return policy.TargetKind{Name: k.Name, Class: policy.ClassOf(k.Caps), Extension: k.Extension, NewOptions: k.NewOptions}, true
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

// feedsAtHand are the catalogs that can be had without sending anything.
func feedsAtHand(ctx context.Context, file *policy.File, req Request) map[string]*catalog.Catalog {
	catalogs := map[string]*catalog.Catalog{}
	for _, s := range file.Feeds() {
		if f, err := req.Opener.AtHand().Open(ctx, specOf(s, req)); err == nil {
			catalogs[s.Name] = f.Catalog
		}
	}
	return catalogs
}

// specOf is the feed of the policy, or what the request names instead.
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

// Declared are the names of the policy's blocks of a kind, such as "target", as far as it
// can be read, without any feed: for completion.
func Declared(req Request, kind string) []string {
	file, _, err := load(req)
	if err != nil {
		return nil
	}
	return file.Declared(kind)
}

// chosen are the targets with the names, or all.
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
