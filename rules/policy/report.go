package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/hashicorp/hcl/v2"

	"sallyport/diag"
)

// maxDiagnostics is the most diagnostics in a list. Nobody reads more.
const maxDiagnostics = 200

func place(r hcl.Range) diag.Range {
	return diag.Range{File: r.Filename, Start: diag.Pos(r.Start), End: diag.Pos(r.End)}
}

// error reports a mistake. The detail says why it is wrong, and the fix what to write instead.
// One of the two may be empty.
func (c *compiler) error(r hcl.Range, summary, detail, fix string, related ...diag.Related) {
	c.add(diag.Diagnostic{Severity: diag.Error, Summary: summary, Detail: detail, Fix: fix, Subject: place(r), Related: related})
}

// warn reports a warning, by its ID in Warnings.
func (c *compiler) warn(id string, r hcl.Range, summary, detail, fix string, related ...diag.Related) {
	c.add(diag.Diagnostic{Severity: diag.Warning, ID: id, Summary: summary, Detail: detail, Fix: fix, Subject: place(r), Related: related})
}

func (c *compiler) add(d diag.Diagnostic) {
	// The list has one more than is shown, so that finish knows that some are left out. The
	// first error is added even if the list is full of warnings.
	if len(c.list) <= maxDiagnostics || d.Severity == diag.Error && !c.list.HasErrors() {
		c.list = append(c.list, d)
	}
}

// crowded reports whether there are so many diagnostics that costly explanations are left
// out.
func (c *compiler) crowded() bool { return len(c.list) > maxDiagnostics/2 }

// finish returns the diagnostics in the order of the file, without duplicates.
func (c *compiler) finish() diag.List {
	slices.SortStableFunc(c.list, func(a, b diag.Diagnostic) int {
		return cmp.Or(cmp.Compare(a.Subject.File, b.Subject.File), cmp.Compare(a.Subject.Start.Byte, b.Subject.Start.Byte),
			cmp.Compare(a.Severity, b.Severity))
	})
	seen := map[string]bool{}
	list := slices.DeleteFunc(c.list, func(d diag.Diagnostic) bool {
		key := diagKey(d)
		dup := seen[key]
		seen[key] = true
		return dup
	})
	if len(c.list) > maxDiagnostics {
		list = append(list, diag.Diagnostic{Severity: diag.Warning, Summary: "there are more mistakes than are shown here",
			Fix: "correct these first, then check again"})
	}
	return list
}

func diagKey(d diag.Diagnostic) string {
	return fmt.Sprintf("%d %d %d %s", d.Severity, d.Subject.Start.Byte, d.Subject.End.Byte, d.Summary)
}

// at is a related place.
func at(r hcl.Range, text string) diag.Related { return diag.Related{Range: place(r), Text: text} }

// syntaxFix is the fix for common syntax mistakes, by HCL's summary of them.
func syntaxFix(summary string) string {
	switch summary {
	case "Attribute redefined":
		return "keep one of the two"
	case "Invalid single-argument block definition", "Argument definition required":
		return "write the block over several lines, one argument a line"
	case "Missing newline after argument", "Missing newline after block definition", "Unexpected comma after argument":
		return "end the line here"
	case "Missing item separator":
		return `put a comma between the items: ["a", "b"]`
	case "Argument or block definition required":
		return "write NAME = VALUE, or a block"
	case "Invalid argument name":
		return "write the name without quotes"
	case "Invalid number literal":
		return "put it in quotes, as addresses, dates and times are written"
	case "Unbalanced parentheses", "Missing closing parenthesis", "Unterminated function call":
		return `close the parenthesis with ")"`
	case "Unterminated object constructor expression":
		return `close the map with "}"`
	case "Missing attribute separator":
		return "put a comma between the items"
	case "Invalid escape sequence":
		return `write \\ for a backslash`
	case "Unclosed template interpolation sequence":
		return `close it with "}", or write $${ for the characters themselves`
	case "Invalid block definition":
		return `write the block as KIND "NAME" { ... }`
	case "Invalid template directive", "Invalid template control keyword":
		return "write %%{ for the characters themselves"
	case "Unclosed configuration block":
		return `close the block with "}"; if the file was cut short, take a whole copy of it`
	case "Unterminated template string":
		return "close the string; if the file was cut short, take a whole copy of it"
	case "Unterminated tuple constructor expression":
		return `close the list with "]"`
	case "Invalid expression", "Missing expression":
		return "write a value after the equals sign"
	case "Missing argument separator":
		return `put a comma between the arguments: tag(feed.azure, "AzureCloud")`
	}
	return ""
}

// addSyntax reports syntax mistakes, the first of each line: the others are often consequences
// of it. If the parser found a mistake, at least one is reported.
func (c *compiler) addSyntax(diags hcl.Diagnostics) {
	lines := map[int]bool{}
	for _, d := range diags {
		if d.Subject != nil && (lines[d.Subject.Start.Line] || d.Subject.Start.Byte >= c.trust) && c.list.HasErrors() {
			continue
		}
		if d.Subject != nil {
			lines[d.Subject.Start.Line] = true
		}
		c.addHCL(hcl.Diagnostics{d})
	}
}

// addHCL reports HCL's diagnostics in the style of this package.
func (c *compiler) addHCL(diags hcl.Diagnostics) {
	for _, d := range diags {
		out := diag.Diagnostic{Severity: diag.Error, Summary: lowerFirst(strings.TrimSuffix(d.Summary, ".")), Detail: d.Detail,
			Fix: syntaxFix(d.Summary)}
		switch d.Summary {
		case "Invalid single-argument block definition", "Argument definition required", "Invalid character":
			if d.Subject == nil {
				break
			}
			if line := c.oneLinerAt(d.Subject.Start); line != nil {
				out.Detail = "A block on one line has one argument."
				out.Fix = "write one argument a line:\n" + line.text(c.chars)
			}
		}
		if d.Summary == "Attribute redefined" {
			out.Detail = "Each argument can be set only once." // HCL's detail has a place in another format
		}
		if d.Severity == hcl.DiagWarning {
			out.Severity = diag.Warning
		}
		if d.Subject != nil {
			out.Subject = place(*d.Subject)
		} else {
			out.Subject = diag.Range{File: c.f.name, Start: diag.Pos(hcl.InitialPos), End: diag.Pos(hcl.InitialPos)}
		}
		c.add(out)
	}
}

func lowerFirst(s string) string {
	for i, r := range s {
		return string(unicode.ToLower(r)) + s[i+len(string(r)):]
	}
	return s
}
