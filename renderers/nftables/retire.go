package nftables

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sallyport/renderers"
)

// leftover is what an earlier version of the file made and this one does not
// need. A fragment shares its table, so nobody else removes it.
type leftover struct {
	chains []string
	sets   []set
}

// retired finds the leftovers in the files that were published before: the one that is
// loaded, and the one that removes all of it. Both name the leftovers of their time, so
// they are carried on until the target is removed, however many versions were never
// loaded. Where one of them is damaged, the other one tells.
func (r *renderer) retired(objects []*set, chains []chain) (leftover, error) {
	old, err := r.declared()
	if err != nil {
		return leftover{}, err
	}
	needed := &table{declaredSets: map[string]string{}, declaredChains: map[string]bool{}}
	for _, c := range chains {
		needed.declaredChains[c.name] = true
	}
	for _, o := range objects {
		needed.declaredSets[o.name] = o.typ
	}
	return r.onlyIn(old, needed), nil
}

// onlyIn is what of ours only one of two versions declares.
func (r *renderer) onlyIn(now, then *table) leftover {
	var left leftover
	for name := range now.declaredChains {
		if !then.declaredChains[name] && r.ours(name) && isTable(name) {
			left.chains = append(left.chains, name)
		}
	}
	for name, typ := range now.declaredSets {
		if _, kept := then.declaredSets[name]; !kept && r.ours(name) && isTable(name) && knownType(typ) {
			left.sets = append(left.sets, set{name: name, typ: typ})
		}
	}
	slices.Sort(left.chains)
	slices.SortFunc(left.sets, func(a, b set) int { return strings.Compare(a.name, b.name) })
	return left
}

// readDeclared is what the files that were published before have declared in the table.
func (r *renderer) readDeclared() (*table, error) {
	old := &table{declaredSets: map[string]string{}, declaredChains: map[string]bool{}}
	var damage error
	read := 0
	for _, path := range []string{r.env.Path, removePath(r.env.Path)} {
		data := r.env.Previous(path)
		if len(data) == 0 {
			continue
		}
		rs, err := parse(string(data))
		if err != nil {
			damage = cmp.Or(damage, err)
			continue
		}
		read++
		if t := rs.tables[r.table]; t != nil {
			maps.Copy(old.declaredSets, t.declaredSets)
			maps.Copy(old.declaredChains, t.declaredChains)
		}
	}
	if read == 0 && damage != nil && renderers.Marked(r.env.Previous(r.env.Path), r.env.Name) {
		return nil, r.damaged(damage)
	}
	return old, nil
}

// damaged says that nothing tells what earlier versions have left in the kernel.
func (r *renderer) damaged(err error) error {
	file, remove := renderers.Clean(r.env.Path), renderers.Clean(removePath(r.env.Path))
	return &renderers.OptionError{Option: "path",
		Cause: fmt.Sprintf("%s and %s of an earlier run are damaged (%s), so nothing tells which sets and chains of sallyport are loaded and not needed any more", file, remove, renderers.Clean(err.Error())),
		Fix: fmt.Sprintf("put them back from a copy; or, where they were loaded, delete your jump and then each chain and set that begins with %s from table %s, delete both files, and run again",
			r.chain, r.table)}
}

// ours reports whether a chain or set of a shared table is ours by its name.
func (r *renderer) ours(name string) bool {
	return name == r.chain || strings.HasPrefix(name, r.chain+".")
}

// placedMark begins the header line that says where a file's rules live, so that
// the next version knows what it replaces.
const placedMark = "placed: "

// placed is where the rules live. While it stays the same, loading a new version
// replaces the old one whole.
func (r *renderer) placed() string {
	return fmt.Sprintf("%s, table %s, hook %s", r.opt.Placement, r.table, r.opt.Hook)
}

// checkPlace refuses to write over a fragment whose rules live elsewhere: the old ones
// would go on working beside the new ones, with nothing left that removes them, and
// a jump of the admin's from another hook would take in our chain without its gate. A
// standalone rule set is a table of our own, which every later file takes away.
func (r *renderer) checkPlace() error {
	for line := range strings.Lines(string(r.env.Previous(r.env.Path))) {
		was, ok := strings.CutPrefix(strings.TrimSpace(line), "# "+placedMark)
		if whole := strings.HasSuffix(line, "\n"); !ok || !whole || was == r.placed() || strings.HasPrefix(was, standalone+",") {
			continue
		}
		option := "hook"
		switch {
		case !strings.HasPrefix(was, r.opt.Placement+","):
			option = "placement"
		case !strings.Contains(was, "table "+r.table+","):
			option = "table"
		}
		return &renderers.OptionError{Option: option,
			Cause: fmt.Sprintf("%s was made for another place (%s), and would go on working there beside this one (%s)",
				renderers.Clean(r.env.Path), renderers.Clean(was), r.placed()),
			Fix: fmt.Sprintf("where it was loaded, delete your jump and load %s; then delete both files and run again",
				renderers.Clean(removePath(r.env.Path)))}
	}
	return nil
}

func knownType(typ string) bool {
	return typ == "ipv4_addr" || typ == "ipv6_addr" || typ == serviceType
}

func (l leftover) delete(table string) []string {
	var lines []string
	for _, name := range l.chains {
		lines = append(lines, deleteChain(table, name)...)
	}
	for _, s := range l.sets {
		lines = append(lines, s.declare(table), fmt.Sprintf("delete set %s %s", table, s.name))
	}
	return lines
}

// deleteAll removes each of our objects, there or not: first the chains, whose
// rules hold the sets.
func deleteAll(table string, chains []chain, objects []*set, left leftover) []string {
	names := slices.Clone(left.chains)
	for _, c := range chains {
		names = append(names, c.name)
	}
	sets := slices.Clone(left.sets)
	for _, s := range objects {
		sets = append(sets, *s)
	}
	slices.SortFunc(sets, func(a, b set) int { return cmp.Compare(a.name, b.name) })
	slices.Sort(names)
	return leftover{chains: names, sets: sets}.delete(table)
}

func deleteChain(table, name string) []string {
	return []string{
		fmt.Sprintf("add chain %s %s", table, name),
		fmt.Sprintf("flush chain %s %s", table, name),
		fmt.Sprintf("delete chain %s %s", table, name),
	}
}
