package iptables

import (
	"maps"
	"path"
	"slices"
	"strings"

	"sallyport/renderers"
	"sallyport/rules"
)

// paths are where the files of a target go: edge.rules in the policy stands for
// edge.v4.rules, edge.v6.rules, edge.ipset, edge.load.sh and edge.remove.sh.
type paths struct{ base string }

func pathsOf(p string) paths { return paths{strings.TrimSuffix(p, info.Extension)} }

func (p paths) rules(d dialect) string { return p.base + "." + d.suffix + ".rules" }
func (p paths) ipset() string          { return p.base + ".ipset" }
func (p paths) load() string           { return p.base + ".load.sh" }
func (p paths) remove() string         { return p.base + ".remove.sh" }

// view is what the templates see. Every string in it is made here from names
// that the policy language has checked, or passed through renderers.Clean. Scripts
// name no file: they find those beside them.
type view struct {
	Header       []string // in the first file alone, so that its counts change in one place
	HeaderIn     string   // the first file, for the others
	Name         string   // the files' name in common, for comments
	Fragment     bool
	Hook         string
	Main, Prefix string // our first chain; what all our other names begin with
	Pattern      string // Prefix as a basic regular expression
	Jump         string // a command

	Program, Suffix string   // of one family
	Declare         string   // chains of one family
	Body            string   // rules or sets
	Retire          []string // commands that remove the chains of an earlier file

	Programs []program // of every family that has a file
	Others   []string  // the programs of those that have none
	Sets     []string
	Sum      string // of the files that are loaded

	OtherHook    string // from which nothing may jump to ours
	Mark         string // the match and target of a jump that is ours to take away
	Shell        renderers.Shell
	Parts, Clear string // functions
}

// program is what loads the file of a family.
type program struct {
	Name, Suffix, Jump string
	Number             int // of its file, while the load script has it open
	Sets               int // of the family
}

// Render implements renderers.Renderer.
func (r *renderer) Render(p *rules.Plan) ([]renderers.File, error) {
	common := r.view()
	common.Header = renderers.Header(p)
	var tables []*table
	var sets []set
	for _, d := range dialects {
		if !p.Families.Has(d.family) {
			continue
		}
		t, err := r.newTable(p, d)
		if err != nil {
			return nil, err
		}
		t.previous = r.env.Previous(r.paths.rules(d))
		tables, sets = append(tables, t), append(sets, t.sets...)
	}
	var files []renderers.File
	add := func(file, template string, v *view) error {
		data, err := r.execute(template, v)
		files = append(files, renderers.File{Path: file, Mode: 0o644, Data: data})
		if common.HeaderIn == "" {
			common.Header, common.HeaderIn = nil, renderers.Clean(path.Base(file))
		}
		return err
	}
	if len(sets) > 0 {
		if err := add(r.paths.ipset(), "ipset.tmpl", r.setView(*common, sets)); err != nil {
			return nil, err
		}
	}
	for _, t := range tables {
		if err := add(r.paths.rules(t.fam), "rules.tmpl", t.view(*common)); err != nil {
			return nil, err
		}
	}
	scripts, err := r.scripts(files)
	return append(files, scripts...), err
}

// scripts are those that load files, and that take away what they made.
func (r *renderer) scripts(files []renderers.File) ([]renderers.File, error) {
	v := r.view()
	var loaded [][]byte
	number := 3 // the first that a shell leaves to its scripts
	if f, err := renderers.FileAt(files, r.paths.ipset()); err == nil {
		v.Sets = setNames(f.Data, r.names)
		loaded, number = append(loaded, f.Data), number+1
	}
	for _, d := range dialects {
		f, err := renderers.FileAt(files, r.paths.rules(d))
		if err != nil {
			v.Others = append(v.Others, d.program)
			continue
		}
		sets := 0
		for _, name := range v.Sets {
			if strings.HasSuffix(name, "_"+d.suffix) {
				sets++
			}
		}
		v.Programs = append(v.Programs, program{d.program, d.suffix, r.jump(d.program), number, sets})
		loaded, number = append(loaded, f.Data), number+1
	}
	v.Sum = renderers.CommandSum(loaded...)
	var err error
	if v.Shell, err = renderers.ShellOf(r.env.Name); err != nil {
		return nil, err
	}
	for name, text := range map[string]*string{"parts.sh.tmpl": &v.Parts, "clear.sh.tmpl": &v.Clear} {
		part, err := r.execute(name, v)
		if err != nil {
			return nil, err
		}
		*text = string(part)
	}
	load, err := r.execute("load.sh.tmpl", v)
	if err != nil {
		return nil, err
	}
	remove, err := r.execute("remove.sh.tmpl", v)
	return []renderers.File{
		{Path: r.paths.load(), Mode: 0o755, Data: load, Use: "sh {}", On: v.machine(), Once: v.jumps()},
		{Path: r.paths.remove(), Mode: 0o755, Data: remove, Undo: "sh {}"},
	}, err
}

// machine is the one that the scripts are for.
func (v *view) machine() string {
	if len(v.Sets) > 0 {
		return "a Linux machine with iptables and ipset"
	}
	return "a Linux machine with iptables"
}

// jumps are the commands of the admin's: a standalone load puts its jump in by itself.
func (v *view) jumps() []string {
	var list []string
	for _, p := range v.Programs {
		if v.Fragment {
			list = append(list, p.Jump)
		}
	}
	return list
}

func (r *renderer) view() *view {
	other := "OUTPUT"
	if r.hook() == other {
		other = "FORWARD"
	}
	return &view{
		Name: renderers.Clean(path.Base(r.paths.base)), Fragment: r.opt.Placement == fragment,
		Hook: r.hook(), OtherHook: other, Main: r.names.main, Mark: r.mark(),
		Prefix: r.names.prefix, Pattern: strings.ReplaceAll(r.names.prefix, ".", `\.`),
	}
}

// view is v with the rules of t.
func (t *table) view(v view) *view {
	v.Program, v.Suffix, v.Jump = t.fam.program, t.fam.suffix, t.r.jump(t.fam.program)
	size := len(t.nodeRules)
	for _, c := range t.chains {
		size += len(c.rules)
	}
	var names, body strings.Builder
	names.Grow((maxChain + 10) * (len(t.chains) + len(t.nodes)))
	body.Grow(size)
	for _, c := range t.chains {
		declare(&names, c.name)
		body.Write(c.rules)
	}
	for _, name := range t.nodes {
		declare(&names, name)
	}
	body.Write(t.nodeRules)
	for _, name := range t.retired() {
		declare(&names, name)
		v.Retire = append(v.Retire, "-X "+name)
	}
	v.Declare, v.Body = names.String(), body.String()
	return &v
}

func declare(b *strings.Builder, chain string) {
	b.WriteByte(':')
	b.WriteString(chain)
	b.WriteString(" - [0:0]\n")
}

func (r *renderer) setView(v view, sets []set) *view {
	var b []byte
	for i := range sets {
		b = sets[i].appendTo(b, r.names)
	}
	v.Body = string(b)
	return &v
}

func (r *renderer) execute(name string, v *view) ([]byte, error) {
	return renderers.Execute("iptables", name, r.env.Templates, v)
}

// retired are the chains that the earlier file of the family left in place and this
// one does not need. Those of still earlier versions, where that one was never
// loaded, are left to the load script, or the list would grow for ever.
func (t *table) retired() []string {
	current := map[string]bool{}
	for _, c := range t.chains {
		current[c.name] = true
	}
	for _, name := range t.nodes {
		current[name] = true
	}
	old := map[string]bool{}
	for line := range strings.Lines(string(t.previous)) {
		line = strings.TrimRight(line, "\n")
		if name, deleted := strings.CutPrefix(line, "-X "); deleted {
			delete(old, name)
			continue
		}
		name, declared := strings.CutPrefix(line, ":")
		name, _, _ = strings.Cut(name, " ")
		if declared && len(name) <= maxChain && t.names.ours(name) && isName(name) && !current[name] {
			old[name] = true
		}
	}
	return slices.Sorted(maps.Keys(old))
}

// isName keeps to the characters of names that we make.
func isName(s string) bool { return renderers.IsName(s, len(s), "_.-") }
