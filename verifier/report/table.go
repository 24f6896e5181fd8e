package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"sallyport/verifier"
)

// WriteTable writes a report for people: what failed, what is undecided and what is
// worth a look, each with its evidence and what to do; then every check by rule and
// host; then the sum.
func WriteTable(w io.Writer, r *verifier.Report, opt TextOptions) error {
	p := newPrinter(opt)
	p.head(r)
	p.diagnosis(r)
	for _, o := range []verifier.Outcome{verifier.Fail, verifier.Undecided, verifier.Warn, verifier.Unprobed} {
		p.problems(r, o)
	}
	p.checks(r)
	for _, n := range r.Notes {
		p.b.WriteString("\n" + p.paint(Faint, "note") + "  ")
		p.hang(plain, clean(n), 6)
	}
	p.sum(r)
	return p.writeTo(w)
}

// diagnosis writes the diagnoses of a report.
func (p *printer) diagnosis(r *verifier.Report) {
	if len(r.Diagnosis) == 0 {
		return
	}
	p.b.WriteString("\n" + p.paint(Heading, "In short") + "\n")
	for _, d := range r.Diagnosis {
		p.b.WriteString("  ")
		p.hang(Heading, clean(d.Text), 2)
		p.b.WriteString("    " + p.paint(Faint, pad("seen", 6)))
		p.hang(plain, clean(d.Evidence), 10)
		p.b.WriteString("    " + p.paint(Faint, pad("do", 6)))
		p.hang(plain, clean(d.Do), 10)
	}
}

func (p *printer) head(r *verifier.Report) {
	from := []string{clean(r.Machine), clean(r.System), vantage(r), moment(r.Started)}
	p.labelled("policy", subject(r))
	p.labelled("from", strings.Join(nonEmpty(from), ", "))
}

// labelled writes a text behind a label, as the other commands do.
func (p *printer) labelled(label, text string) {
	p.b.WriteString(p.paint(Faint, pad(label, 8)))
	p.hang(plain, text, 8)
}

func nonEmpty(list []string) []string {
	var out []string
	for _, s := range list {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}

// problemTitles head the list of findings with an outcome.
var problemTitles = map[verifier.Outcome]string{
	verifier.Fail: "Failed", verifier.Undecided: "Inconclusive", verifier.Warn: "Worth a look", verifier.Unprobed: "Not probed",
}

func (p *printer) problems(r *verifier.Report, o verifier.Outcome) {
	list := problemsOf(r, o)
	if o == verifier.Unprobed { // only where something can be done about it
		list = withRemedy(list)
	}
	if len(list) == 0 {
		return
	}
	p.b.WriteString("\n" + p.paint(roleOf(o), problemTitles[o]) + "\n")
	for i := range list {
		p.problem(&list[i])
	}
}

func withRemedy(list []problem) []problem {
	var out []problem
	for _, p := range list {
		if p.remedy() != "" {
			out = append(out, p)
		}
	}
	return out
}

// problem writes what is wrong, what was seen, and what to do.
func (p *printer) problem(one *problem) {
	const indent = 2
	f := one.findings[0]
	p.b.WriteString(strings.Repeat(" ", indent))
	p.hang(Heading, one.summary(), indent)
	field := func(label, text string) {
		if text == "" {
			return
		}
		p.b.WriteString("    " + p.paint(Faint, pad(label, 6)))
		p.hang(plain, text, 10)
	}
	var evidence []string
	for _, e := range f.Evidence {
		evidence = append(evidence, clean(e))
	}
	field("seen", strings.Join(evidence, "; "))
	field("do", one.remedy())
	field("see", one.where())
}

// row is one line of the table of checks.
type row struct {
	what, port, family string
	outcome            verifier.Outcome
	seen               string
	evidence           []string
}

// rowsOf are the rows of one host. Addresses with the same result share one.
func rowsOf(findings []*verifier.Finding) []row {
	var rows []row
	for _, e := range entriesOf(findings) {
		for _, same := range alike(e.all) {
			f := same[0]
			one := row{checkName(f), port(f), clean(f.Family), f.Outcome, seen(f), f.Evidence}
			if f.Resolver != "" && f.Host != "" {
				one.seen += ", at " + clean(f.Resolver)
			}
			if len(same) > 1 {
				one.seen = fmt.Sprintf("%s, at %s", clean(f.Words()), addresses(len(same)))
			}
			rows = append(rows, one)
		}
	}
	return rows
}

// alike groups the findings of one check that say the same of several addresses.
func alike(findings []*verifier.Finding) [][]*verifier.Finding {
	var groups [][]*verifier.Finding
	for _, f := range findings {
		at := slices.IndexFunc(groups, func(g []*verifier.Finding) bool {
			return f.Check == verifier.CheckReach && g[0].Outcome == f.Outcome && g[0].Words() == f.Words()
		})
		if at < 0 {
			groups = append(groups, []*verifier.Finding{f})
			continue
		}
		groups[at] = append(groups[at], f)
	}
	return groups
}

// widths of the columns before the last.
type widths struct{ what, port, family, outcome int }

// start is where the last column begins.
func (w widths) start() int { return 4 + w.what + 2 + w.port + 2 + w.family + 2 + w.outcome + 2 }

// leastSeen is the least width of the last column. Where there is less room, rows are
// not written as columns.
const leastSeen = 20

// block is the rows of one host, or of something that is no host.
type block struct {
	title string
	rows  []row
}

func (p *printer) checks(r *verifier.Report) {
	w := widths{len("CHECK"), len("PORT"), len("FAMILY"), len("RESULT")}
	sections := sectionsOf(r)
	blocks := make([][]block, len(sections))
	for i, s := range sections {
		for _, g := range byHost(s.findings) {
			b := block{host(g[0]), rowsOf(g)}
			for _, row := range b.rows {
				w.what = max(w.what, min(columns.StringWidth(row.what), 20))
				w.port = max(w.port, min(columns.StringWidth(row.port), 12))
				w.outcome = max(w.outcome, columns.StringWidth(outcomeWord(row.outcome)))
			}
			blocks[i] = append(blocks[i], b)
		}
	}
	if len(sections) == 0 {
		return
	}
	p.b.WriteString("\n")
	if p.width >= w.start()+leastSeen {
		p.line("    %s", p.paint(Faint, w.cells("CHECK", "PORT", "FAMILY", pad("RESULT", w.outcome))+"  SEEN"))
	}
	for i, s := range sections {
		title := s.title
		if s.set != "" {
			title += ", set " + s.set
		}
		p.line("%s", p.paint(Heading, title))
		for _, b := range blocks[i] {
			if b.title != "" {
				p.line("  %s", b.title)
			}
			for _, row := range b.rows {
				p.row(row, w)
			}
		}
	}
}

func (w widths) cells(what, port, family, outcome string) string {
	return pad(what, w.what) + "  " + pad(port, w.port) + "  " + pad(family, w.family) + "  " + outcome
}

// maxSeen is how many lines of the last column a row shows: what did not pass stands in
// full above.
const maxSeen = 2

// row writes a line of the table. Where the terminal has no room for columns, what was
// seen goes below.
func (p *printer) row(r row, w widths) {
	start := w.start()
	outcome := p.paint(roleOf(r.outcome), pad(outcomeWord(r.outcome), w.outcome))
	if p.width >= start+leastSeen && columns.StringWidth(r.what) <= w.what && columns.StringWidth(r.port) <= w.port {
		p.b.WriteString("    " + w.cells(r.what, cmp.Or(r.port, "."), cmp.Or(r.family, "."), outcome) + "  ")
	} else {
		start = 6
		p.line("    %s  %s", outcome, strings.Join(nonEmpty([]string{r.what, r.port, r.family}), " "))
		p.b.WriteString("      ")
	}
	lines := wrap(r.seen, p.width-start)
	if len(lines) > maxSeen && !p.verbose {
		lines = append(lines[:maxSeen-1], columns.Truncate(lines[maxSeen-1]+"...", p.width-start, "..."))
	}
	p.b.WriteString(strings.Join(lines, "\n"+strings.Repeat(" ", start)) + "\n")
	if !p.verbose {
		return
	}
	for _, e := range r.evidence {
		p.b.WriteString("      ")
		p.hang(Faint, clean(e), 6)
	}
}

func (p *printer) sum(r *verifier.Report) {
	outcome, word, sentence := conclusion(r)
	text := fmt.Sprintf("%s in %s: %s.", plural(len(r.Findings), "finding"), verifier.FormatSeconds(took(r)), counted(r.Counts()))
	if len(r.Findings) == 0 {
		text = "No findings."
	}
	p.b.WriteString("\n" + p.paint(roleOf(outcome), word) + "  ")
	p.hang(plain, text+" "+sentence, columns.StringWidth(word)+2)
}
