package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"sallyport"

	"github.com/rogpeppe/go-internal/diff"

	"sallyport/internal/publish"
)

// showDiff prints what would change: first the changed decisions, then a unified diff of each
// file. If publishing would refuse, it returns that error after printing.
func (a *app) showDiff(res *sallyport.Result, f *generateFlags, set publish.Set) error {
	report, refused := publish.Preview(f.out, set)
	rows, changed, err := diffRows(res, f)
	if err != nil {
		return err
	}
	switch {
	case f.json:
		err = a.printDiffJSON(res, f, rows, changed, report)
	default:
		a.printDiff(res, rows, changed)
		a.printOrphans(f.out, report)
	}
	switch {
	case err != nil:
		return err
	case refused != nil:
		return refused
	case changed > 0 && f.detailed:
		return exit{exitChanged}
	}
	return nil
}

// diffRows returns the rows of the files of each target.
func diffRows(res *sallyport.Result, f *generateFlags) (rows [][]fileJSON, changed int, err error) {
	for _, o := range res.Outputs {
		var list []fileJSON
		for _, file := range o.Files {
			old, there, err := publish.Read(f.out, file.Path)
			if err != nil {
				return nil, 0, err
			}
			row := fileRow(f.out, file, "unchanged")
			if !there || string(old) != string(file.Data) {
				changed++
				row.Status = map[bool]string{true: "would change", false: "would be created"}[there]
				name := filepath.Join(f.out, filepath.FromSlash(file.Path))
				row.Diff = string(diff.Diff(name, old, name+" (new)", file.Data))
			}
			list = append(list, row)
		}
		rows = append(rows, list)
	}
	return rows, changed, nil
}

func (a *app) printDiff(res *sallyport.Result, rows [][]fileJSON, changed int) {
	total := 0
	for i := range res.Outputs {
		o := &res.Outputs[i]
		total += len(rows[i])
		if o.Change != nil {
			fmt.Fprintf(a.out, "%s  %s\n", a.bold(o.Target.Name), hang(o.Kind.Title+", "+content(o), len(o.Target.Name)+2, 4, a.width))
			a.printChange(o)
			fmt.Fprintln(a.out)
		}
	}
	for _, list := range rows {
		for _, row := range list {
			a.out.WriteString(a.colourDiff(row.Diff))
		}
	}
	a.note(fmt.Sprintf("%s of %d would change; nothing was written", plural(changed, "file"), total))
}

func (a *app) printDiffJSON(res *sallyport.Result, f *generateFlags, rows [][]fileJSON, changed int, report publish.Report) error {
	j := a.jsonOf(res)
	j.Changed, j.Orphans = changed > 0, jsonOfOrphans(f.out, report.Orphans)
	for i := range j.Targets {
		j.Targets[i].Files = rows[i]
	}
	return a.printJSON(j)
}

func (a *app) colourDiff(text string) string {
	if !a.colour {
		return text
	}
	lines := strings.SplitAfter(text, "\n")
	for i, l := range lines {
		body, end := strings.TrimSuffix(l, "\n"), ""
		if body != l {
			end = "\n"
		}
		switch {
		case strings.HasPrefix(l, "diff "), strings.HasPrefix(l, "--- "), strings.HasPrefix(l, "+++ "):
			lines[i] = a.bold(body) + end
		case strings.HasPrefix(l, "+"):
			lines[i] = a.style("32", body) + end
		case strings.HasPrefix(l, "-"):
			lines[i] = a.style("31", body) + end
		case strings.HasPrefix(l, "@@"):
			lines[i] = a.style("36", body) + end
		}
	}
	return strings.Join(lines, "")
}
