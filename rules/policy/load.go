package policy

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"sallyport/diag"
	"sallyport/ipranges/catalog"
)

// File is a parsed policy. It is immutable: Compile may be called again, for
// newer catalogs, and from several goroutines at once.
type File struct {
	name    string // as given
	src     []byte // as text in UTF-8
	tooLong bool   // larger than MaxSize, and not parsed
	wrong   string // why it is no text, and at which byte
	wrongAt int
	opt     Options
	decls   map[string][]*decl // by kind of block, in the order of the file
	index   map[string]map[string]*decl
	used    map[string]map[string]bool // names that something refers to, by kind
	order   []*decl                    // sets, each after those that it refers to
	vars    map[string]cty.Value
	specs   map[string]catalog.FeedSpec
	hash    string
	accepts []Accept

	// partial says that blocks may be missing because of a syntax mistake. Then unknown
	// names are not reported.
	partial  bool
	reported map[string]bool // the diagnostics of Load
	// excused are missing arguments that are not reported, because of a reported mistake.
	excused map[*hclsyntax.Body]map[string]bool
}

// Load parses a policy and checks what needs no feed. The filename is used for places and
// for the policy's folder; Load reads no file. Load returns as much as it can: the File is
// never nil, and calling Compile(nil) on it is safe.
func Load(filename string, src []byte, opt Options) (*File, diag.List) {
	f := &File{name: filename, opt: opt,
		decls: map[string][]*decl{}, index: map[string]map[string]*decl{}, used: map[string]map[string]bool{},
		vars: map[string]cty.Value{}, specs: map[string]catalog.FeedSpec{}, reported: map[string]bool{}, excused: map[*hclsyntax.Body]map[string]bool{}}
	if f.tooLong = len(src) > MaxSize; !f.tooLong {
		f.src, f.wrong, f.wrongAt = decodeSource(src)
	}
	c := newCompiler(f, nil)
	c.loading = true
	body := c.parse()
	if body != nil {
		c.declare(body)
		c.markUses(body)
		c.orderSets()
		c.variables()
		c.feeds()
		c.accepts()
		f.hash = f.fingerprint()
		c.start()
		c.program()
		c.unevaluated(body)
		c.unused()
	}
	list := c.finish()
	for _, d := range list {
		f.reported[diagKey(d)] = true
	}
	return f, list
}

// Feeds returns the feeds that the policy uses, in the order of the file. Compile needs the
// catalog of each, by its name.
func (f *File) Feeds() []catalog.FeedSpec {
	var out []catalog.FeedSpec
	for _, d := range f.decls["feed"] {
		if spec, ok := f.specs[d.name]; ok && f.used["feed"][d.name] {
			out = append(out, spec)
		}
	}
	return out
}

// Compile evaluates the policy over the catalogs of its feeds, by the feeds'
// names, and returns the program with the diagnostics that Load does not have. Everything
// that depends on a feed without a catalog is unknown. Compile does not report that, because
// the caller knows that it has no catalog.
func (f *File) Compile(catalogs map[string]*catalog.Catalog) (*Program, diag.List) {
	c := newCompiler(f, catalogs)
	c.start()
	p := c.program()
	list := slices.DeleteFunc(c.finish(), func(d diag.Diagnostic) bool { return f.reported[diagKey(d)] })
	return p, list
}

// Declared returns the names of the blocks of a kind, such as "target", in the order of the
// file. It includes blocks with mistakes.
func (f *File) Declared(kind string) []string {
	var names []string
	for _, d := range f.decls[kind] {
		names = append(names, d.name)
	}
	return names
}

// Sources returns the source text by file name, for diag.Print.
func (f *File) Sources() map[string][]byte { return map[string][]byte{f.name: f.src} }

// Name is the policy's file name, as Load got it.
func (f *File) Name() string { return f.name }

// dir is the folder that paths in the policy are relative to.
func (f *File) dir() string { return filepath.Dir(f.name) }

// fingerprint hashes the source and the values of the variables. It hashes each part with its
// length, so that different inputs never give the same bytes.
func (f *File) fingerprint() string {
	h := sha256.New()
	put := func(b []byte) {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(b))))
		h.Write(b)
	}
	put(f.src)
	names := make([]string, 0, len(f.vars))
	for name := range f.vars {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		put([]byte(name))
		writeValue(h, f.vars[name])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// writeValue writes a variable's value. Different values give different bytes.
func writeValue(w io.Writer, v cty.Value) {
	if !v.IsWhollyKnown() || v.IsNull() {
		fmt.Fprint(w, "unknown;")
		return
	}
	if !v.Type().IsPrimitiveType() {
		fmt.Fprintf(w, "list %d;", v.LengthInt())
		for _, e := range listItems(v) {
			writeValue(w, e)
		}
		return
	}
	s := showValue(v)
	fmt.Fprintf(w, "%s %d %s;", v.Type().FriendlyName(), len(s), s)
}

// compiler is one pass over a file, with its diagnostics and the evaluated blocks.
type compiler struct {
	f        *File
	catalogs map[string]*catalog.Catalog
	list     diag.List
	env      *hcl.EvalContext
	work     int // what is left of loopWork
	tokens   hclsyntax.Tokens
	chars    []byte      // the source with its mistakes in characters repaired
	trust    int         // up to this byte, the syntax is reliable
	damaged  []hcl.Range // where the parsed syntax is a guess, because of a mistake
	reach    []int       // the furthest end of damaged up to each
	loading  bool
	meant    map[string]bool // "KIND NAME" of what misspelt references most likely mean

	sets     map[string]addresses
	names    map[string]hostNames
	services map[string]service
	rules    map[string]*rule
	taken    map[string]bool // names of address sets in plans
	open     []openUse
	all      *ruleList         // of the targets without the argument rules
	hints    int               // unknown tags that got a suggestion
	carried  int               // rules in all plans together
	ranges   int               // of all sets together
	ports    map[string]string // names of services that ports() made, by feed and tag
}

func newCompiler(f *File, catalogs map[string]*catalog.Catalog) *compiler {
	return &compiler{f: f, catalogs: catalogs, work: loopWork + 3*len(f.src), taken: map[string]bool{}, meant: map[string]bool{},
		sets: map[string]addresses{}, names: map[string]hostNames{}, services: map[string]service{}, rules: map[string]*rule{}, ports: map[string]string{}}
}

// start prepares the evaluation, after the variables have their values.
func (c *compiler) start() {
	c.env = &hcl.EvalContext{Variables: map[string]cty.Value{"var": cty.ObjectVal(c.f.vars)}}
}

// parse returns the file's body, or nil if it cannot be parsed.
func (c *compiler) parse() *hclsyntax.Body {
	if !c.checkSize() {
		c.f.partial = true
		return nil
	}
	file, diags := hclsyntax.ParseConfig(c.chars, c.f.name, hcl.InitialPos)
	if diags.HasErrors() {
		c.f.partial = true
	}
	for _, d := range diags {
		if d.Subject != nil {
			c.damaged = append(c.damaged, *d.Subject)
		}
	}
	c.addSyntax(diags)
	body, _ := file.Body.(*hclsyntax.Body)
	return body
}

// program evaluates every block.
func (c *compiler) program() *Program {
	p := &Program{Accepts: c.f.accepts, Name: filepath.Base(c.f.name), Hash: c.f.hash}
	for _, d := range slices.Concat(c.f.decls["set"], c.f.decls["names"]) {
		c.taken[d.name] = true
	}
	p.FeedPlaces = map[string]diag.Range{}
	for name, d := range c.f.index["feed"] {
		p.FeedPlaces[name] = place(d.header)
	}
	c.evalSets(p)
	c.evalNames(p)
	c.evalServices(p)
	c.evalRules(p)
	c.evalTargets(p)
	c.evalProbes(p)
	c.evalDeploys(p)
	c.warnOpen()
	c.warnOpenNames()
	p.Feeds = c.feedList(allFeeds(p))
	return p
}
