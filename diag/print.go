package diag

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"
)

// PrintOptions tells how to show diagnostics.
type PrintOptions struct {
	Sources map[string][]byte // source text by Range.File; places without one are shown as file:line:column
	Color   bool              // ANSI colours
	Width   int               // columns of the terminal; 0 is 80
}

const (
	defaultWidth = 80
	minWidth     = 40 // narrower terminals get lines of this width
	tabWidth     = 4
)

// Print writes list for people: for each diagnostic the summary, the place with its source
// line and a marker under it, the detail, the fix, and the ID of a warning. It leaves out
// accepted warnings. It replaces control and invisible characters by "?", so that no text of
// a policy or a feed can control the terminal. The error is that of w.
func Print(w io.Writer, list List, opt PrintOptions) error {
	p := printer{opt: opt, width: max(opt.Width, minWidth)}
	if opt.Width <= 0 {
		p.width = defaultWidth
	}
	for _, d := range list {
		if d.Accepted != nil {
			continue
		}
		if p.out.Len() > 0 {
			p.out.WriteByte('\n')
		}
		p.diagnostic(d)
	}
	_, err := w.Write(p.out.Bytes())
	return err
}

type printer struct {
	opt   PrintOptions
	width int
	out   bytes.Buffer
}

const (
	red    = "1;31"
	yellow = "1;33"
	faint  = "2"
	bold   = "1"
)

func (p *printer) paint(style, s string) string {
	if !p.opt.Color || s == "" {
		return s
	}
	return "\x1b[" + style + "m" + s + "\x1b[0m"
}

func (p *printer) diagnostic(d Diagnostic) {
	style := red
	if d.Severity == Warning {
		style = yellow
	}
	word := d.Severity.String() + ":"
	for i, line := range wrap(d.Summary, p.width-len(word)-1) {
		if i == 0 {
			fmt.Fprintf(&p.out, "%s %s\n", p.paint(style, word), p.paint(bold, line))
		} else {
			fmt.Fprintf(&p.out, "  %s\n", p.paint(bold, line))
		}
	}
	p.place(d.Subject, "", style)
	p.paragraph("", d.Detail)
	for _, r := range d.Related {
		p.place(r.Range, r.Text, faint)
	}
	p.paragraph("fix: ", d.Fix)
	p.paragraph("id: ", d.ID)
}

// paragraph writes text in lines that fit, indented below its label.
func (p *printer) paragraph(label, text string) {
	indent := "  "
	for i, line := range wrap(text, p.width-len(indent)-len(label)) {
		if i == 0 {
			fmt.Fprintf(&p.out, "%s%s%s\n", indent, p.paint(bold, label), line)
		} else {
			fmt.Fprintf(&p.out, "%s%*s%s\n", indent, len(label), "", line)
		}
	}
}

// place writes the place r, text about it, and its source line.
func (p *printer) place(r Range, text, style string) {
	if r.IsZero() {
		p.paragraph("", text)
		return
	}
	where := fmt.Sprintf("%s:%d:%d", r.File, r.Start.Line, r.Start.Column)
	if text != "" {
		where += ": " + text
	}
	p.paragraph("", where)
	src, ok := p.opt.Sources[r.File]
	if !ok {
		return
	}
	line, from, to, ok := excerpt(src, r)
	if !ok {
		return
	}
	number := fmt.Sprintf("%5d", r.Start.Line)
	line, from, to = crop(line, from, to)
	cells, lo, hi := layout(line, from, to)
	cells, lo, hi = window(cells, lo, hi, p.width-len(number)-len(" | "))
	p.out.WriteString(p.paint(faint, number+" |"))
	if text := strings.TrimRight(joined(cells), " "); text != "" {
		p.out.WriteString(" " + text)
	}
	p.out.WriteByte('\n')
	marker := strings.Repeat(" ", columns(cells[:lo])) + p.paint(style, strings.Repeat("^", max(columns(cells[lo:hi]), 1)))
	fmt.Fprintf(&p.out, "%*s %s %s\n", len(number), "", p.paint(faint, "|"), marker)
}

// excerpt returns the line on which r starts, and the bytes of it that r covers. It is not
// ok if r is not within src.
func excerpt(src []byte, r Range) (line []byte, from, to int, ok bool) {
	if r.Start.Byte < 0 || r.Start.Byte > len(src) || r.End.Byte < r.Start.Byte {
		return nil, 0, 0, false
	}
	start := bytes.LastIndexByte(src[:r.Start.Byte], '\n') + 1
	line = src[start:]
	if n := bytes.IndexByte(line, '\n'); n >= 0 {
		line = line[:n]
	}
	line = bytes.TrimSuffix(line, []byte("\r"))
	from = min(r.Start.Byte-start, len(line))
	to = min(r.End.Byte-start, len(line)) // of several lines, the rest of the first
	return line, from, max(to, from), true
}

// maxExcerpt is how many bytes of a line before and after a place are used: more than a
// terminal shows, and few of a line with a megabyte.
const maxExcerpt = 2 << 10

// crop removes the parts of a line that are too far from the place to be shown.
func crop(line []byte, from, to int) ([]byte, int, int) {
	start, end := max(0, from-maxExcerpt), min(len(line), from+maxExcerpt)
	for start > 0 && start < from && !utf8.RuneStart(line[start]) {
		start++
	}
	return line[start:end], from - start, min(to, end) - start
}

// cell is one character of the source as the terminal shows it.
type cell struct {
	text  string
	width int
}

// layout turns a line into cells, and the byte range from, to into the range lo, hi of
// cells.
func layout(line []byte, from, to int) (cells []cell, lo, hi int) {
	column := 0
	lo, hi = -1, -1
	for i := 0; i < len(line); {
		if i >= from && lo < 0 {
			lo = len(cells)
		}
		if i >= to && hi < 0 {
			hi = len(cells)
		}
		r, size := utf8.DecodeRune(line[i:])
		c := cell{shown(r, size), 1}
		switch {
		case r == '\t':
			c.width = tabWidth - column%tabWidth
			c.text = strings.Repeat(" ", c.width)
		case c.text != "?":
			c.width = runeWidth(r)
		}
		cells = append(cells, c)
		column += c.width
		i += size
	}
	if lo < 0 {
		lo = len(cells)
	}
	if hi < 0 {
		hi = len(cells)
	}
	return cells, lo, max(lo, hi)
}

// window shortens cells to the width so that the marked range, or its start, stays visible.
// It puts dots where it removes cells.
func window(cells []cell, lo, hi, width int) ([]cell, int, int) {
	if columns(cells) <= width {
		return cells, lo, hi
	}
	const dots = "..."
	start := 0
	if columns(cells[:hi]) > width-len(dots) { // the end of the mark would not fit
		lead := max((width-columns(cells[lo:hi]))/2, width/4)
		for start = lo; start > 0 && columns(cells[start-1:lo]) <= lead-len(dots); start-- {
		}
	}
	var out []cell
	if start > 0 {
		out = append(out, cell{dots, len(dots)})
	}
	shift := len(out) - start
	end := start
	used := columns(out)
	for end < len(cells) && used+cells[end].width <= width-len(dots) {
		used += cells[end].width
		end++
	}
	out = append(out, cells[start:end]...)
	if end < len(cells) {
		out = append(out, cell{dots, len(dots)})
	}
	return out, min(lo+shift, len(out)), min(hi+shift, len(out))
}

func columns(cells []cell) int {
	n := 0
	for _, c := range cells {
		n += c.width
	}
	return n
}

func joined(cells []cell) string {
	var b strings.Builder
	for _, c := range cells {
		b.WriteString(c.text)
	}
	return b.String()
}

// shown is r, or "?" if it must not be written to a terminal.
func shown(r rune, size int) string {
	if r == utf8.RuneError && size <= 1 || !unicode.IsPrint(r) && r != '\t' {
		return "?"
	}
	return string(r)
}

// runeWidth is the number of columns of r. Characters of ambiguous width have one, as on
// most terminals.
func runeWidth(r rune) int {
	if r < utf8.RuneSelf {
		return 1
	}
	return (&runewidth.Condition{}).RuneWidth(r)
}

// clean returns s as one line that is safe to write to a terminal.
func clean(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == '\n' || r == '\t' {
			b.WriteByte(' ')
		} else {
			b.WriteString(shown(r, size))
		}
		i += size
	}
	return b.String()
}

// wrap breaks text between words into lines of at most width columns. It keeps newlines,
// and does not break lines that begin with two blanks.
func wrap(text string, width int) []string {
	var lines []string
	if text == "" {
		return nil
	}
	for para := range strings.SplitSeq(text, "\n") {
		if strings.HasPrefix(para, "  ") {
			lines = append(lines, clean(para))
			continue
		}
		line, used := "", 0
		for word := range strings.FieldsSeq(para) {
			word = clean(word)
			n := (&runewidth.Condition{}).StringWidth(word)
			if used > 0 && used+1+n > width {
				lines = append(lines, line)
				line, used = "", 0
			}
			if used > 0 {
				line += " "
				used++
			}
			line += word
			used += n
		}
		if used > 0 {
			lines = append(lines, line)
		}
	}
	return lines
}
