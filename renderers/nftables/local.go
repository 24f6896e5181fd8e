package nftables

import (
	"fmt"
	"slices"
	"strings"

	"sallyport/renderers"
)

// local is how the rule set is loaded and seen on this machine. Listing all tables, unlike
// one, does not fail where ours is not there; -s leaves counters out, and -n names.
func (r *renderer) local() *renderers.Local {
	return &renderers.Local{
		Check:  []string{"nft", "-c", "-f", "{}"},
		State:  []renderers.Reader{{Args: []string{"nft", "-s", "-n", "list", "ruleset"}, Keep: r.keep}},
		Revert: r.revert,
	}
}

// keep picks our chains and sets from a listing, and the rules that jump to ours: a line for
// each rule, in order, and for each element of a set. A listing has a table's end in column
// 1, and that of a chain or set behind one tab (nft 1.0.6, 2026-11).
func (r *renderer) keep(listing string) []string {
	var list []string
	inTable, block, name, rule := false, "", "", 0
	for line := range strings.Lines(listing) {
		line = strings.TrimRight(line, "\n")
		words := strings.Fields(line)
		switch {
		case len(words) == 0:
		case line[0] != '\t':
			inTable = len(words) > 2 && words[0] == "table" && words[1]+" "+words[2] == r.table
		case !inTable:
		case !strings.HasPrefix(line, "\t\t"):
			block, name, rule = "", "", 0
			if len(words) == 3 && words[2] == "{" {
				block, name = words[0], words[1]
			}
			if r.isOurs(name) {
				list = append(list, block+" "+name)
			}
		case r.isOurs(name) && block == "chain":
			rule++
			list = append(list, fmt.Sprintf("chain %s, line %d: %s", name, rule, strings.Join(words, " ")))
		case r.isOurs(name):
			list = append(list, setLines(name, line)...)
		case block == "chain" && r.jumps(words):
			list = append(list, fmt.Sprintf("%schain %s: %s", renderers.Leads, name, strings.Join(words, " ")))
		}
	}
	return list
}

// isOurs reports whether a chain or set of the table is ours: all of our own table, which
// has the other names as well.
func (r *renderer) isOurs(name string) bool {
	return name != "" && (r.opt.Placement == standalone || r.ours(name))
}

// jumps reports whether a rule leads to our chain.
func (r *renderer) jumps(words []string) bool {
	for i, w := range words[:max(len(words)-1, 0)] {
		if (w == "jump" || w == "goto") && words[i+1] == r.chain {
			return true
		}
	}
	return false
}

// setLines are the lines of a set in a listing, with each element on a line of its own.
func setLines(name, line string) []string {
	line = strings.TrimSpace(line)
	rest, first := strings.CutPrefix(line, "elements = {")
	if !first && !strings.HasSuffix(line, ",") && !strings.HasSuffix(line, "}") {
		return []string{"set " + name + ": " + line}
	}
	var list []string
	for e := range strings.SplitSeq(strings.TrimSuffix(rest, "}"), ",") {
		if e = strings.TrimSpace(e); e != "" {
			list = append(list, "set "+name+" has "+e)
		}
	}
	return list
}

// revert is restored with the deletion of what only loaded has, in the same transaction. If
// nothing is restored, it empties the chain that the admin's own chain jumps to: it cannot be
// deleted.
func (r *renderer) revert(loaded, restored []renderers.File) ([]renderers.File, error) {
	if r.opt.Placement == standalone {
		return restored, nil
	}
	now, err := tableOf(loaded, r)
	if err != nil {
		return nil, err
	}
	if len(restored) == 0 {
		return []renderers.File{{Path: r.env.Path, Mode: 0o644, Data: r.emptied(now)}}, nil
	}
	then, err := tableOf(restored, r)
	if err != nil {
		return nil, err
	}
	files := slices.Clone(restored)
	i := slices.IndexFunc(files, func(f renderers.File) bool { return f.Path == r.env.Path })
	if i < 0 {
		return nil, fmt.Errorf("%s is not among the files to restore", r.env.Path)
	}
	lines := r.onlyIn(now, then).delete(r.table)
	files[i].Data = append(slices.Clone(files[i].Data), strings.Join(append(lines, ""), "\n")...)
	return files, nil
}

// emptied is a file that takes all out of our first chain, and deletes the rest of t.
func (r *renderer) emptied(t *table) []byte {
	first := fmt.Sprintf("flush chain %s %s", r.table, r.chain)
	left := r.onlyIn(t, &table{declaredChains: map[string]bool{r.chain: true}})
	return []byte(strings.Join(append([]string{first}, append(left.delete(r.table), "")...), "\n"))
}

// tableOf is what the file that is loaded declares in the target's table. It may be at
// another path than the target's today.
func tableOf(files []renderers.File, r *renderer) (*table, error) {
	i := slices.IndexFunc(files, func(f renderers.File) bool { return f.Use != "" })
	if i < 0 {
		return nil, fmt.Errorf("none of the files of %s is loaded", r.env.Path)
	}
	rs, err := parse(string(files[i].Data))
	if err != nil {
		return nil, err
	}
	if t := rs.tables[r.table]; t != nil {
		return t, nil
	}
	return &table{}, nil
}
