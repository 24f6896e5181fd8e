package report

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the page and its style
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"sync"

	"sallyport/verifier"
)

//go:embed page.tmpl
var pageText string

//go:embed page.css
var pageStyle string

// pageTemplate is parsed when a page is written: every start of the program would pay for it.
var pageTemplate = sync.OnceValue(func() *template.Template { return template.Must(template.New("page").Parse(pageText)) })

// contentPolicy allows nothing but the page's own style: if a hostile text ever gets
// past the escaping, it can neither run nor load anything.
func contentPolicy() string {
	return fmt.Sprintf("default-src 'none'; style-src 'sha256-%s'; base-uri 'none'; form-action 'none'", styleHash(pageStyle))
}

func styleHash(css string) string {
	sum := sha256.Sum256([]byte(css))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// HTMLMark stands near the beginning of what WriteHTML writes.
const HTMLMark = `<meta name="generator" content="sallyport verify">`

// WriteHTML writes a report as one page that needs nothing else: no script, no font, no
// image, nothing from elsewhere. On top is what a manager reads; then what to do; then
// media trains as plots; then all checks, folded. It fits phones, paper, and dark
// screens; outcomes are words, and colour only repeats them.
func WriteHTML(w io.Writer, r *verifier.Report) error {
	var b bytes.Buffer
	if err := pageTemplate().Execute(&b, pageOf(r)); err != nil {
		return fmt.Errorf("html: %w", err)
	}
	_, err := w.Write(b.Bytes())
	return err
}

// page is what the template shows. All texts are cleaned; the template escapes them.
type page struct {
	Policy    string
	CSS       template.CSS
	Subject   string
	result    // of the run
	Sentence  string
	Diagnosis []verifier.Diagnosis
	Counted   string
	Facts     []fact
	Sections  []pageSection
	Problems  []pageProblems
	Trains    []pageTrain
	Notes     []string
	Footer    string
}

// result is an outcome in words, and the class of their colour.
type result struct{ Word, Class string }

func resultOf(o verifier.Outcome) result {
	class := "doubt"
	switch o {
	case verifier.Pass:
		class = "pass"
	case verifier.Fail:
		class = "fail"
	case verifier.Unprobed:
		class = "none"
	}
	return result{outcomeWord(o), class}
}

type fact struct{ Name, Value string }

type pageSection struct {
	Title, Set string
	result
	Counted string
	Open    bool
	Hosts   []pageHost
}

type pageHost struct {
	Name string
	Rows []pageRow
}

type pageRow struct {
	What, Port, Family string
	result
	Seen     string
	Evidence []string
}

type pageProblems struct {
	Title string
	List  []pageProblem
}

type pageProblem struct {
	Summary, Remedy, Place string
	Evidence               []string
}

type pageTrain struct {
	Title string
	Rows  []pageMetric
	Plot  *plot
}

type pageMetric struct {
	Name, Measured, Limit string
	result
	Why string
}

func pageOf(r *verifier.Report) page {
	outcome, word, sentence := conclusion(r)
	p := page{
		Policy: contentPolicy(), CSS: template.CSS(pageStyle), Subject: subject(r),
		Sentence: sentence, Counted: "No findings.",
		Footer: strings.TrimSpace("Written by sallyport "+clean(r.Version)) + ". A check that is inconclusive or was not tried has not passed.",
	}
	p.result = result{word, resultOf(outcome).Class}
	if n := len(r.Findings); n > 0 {
		p.Counted = fmt.Sprintf("%s: %s.", plural(n, "finding"), counted(r.Counts()))
	}
	for _, d := range r.Diagnosis {
		p.Diagnosis = append(p.Diagnosis, verifier.Diagnosis{Text: clean(d.Text), Evidence: clean(d.Evidence), Do: clean(d.Do)})
	}
	p.Facts = factsOf(r)
	p.Sections = pageSections(r)
	for _, o := range []verifier.Outcome{verifier.Fail, verifier.Undecided, verifier.Warn, verifier.Unprobed} {
		p.problems(r, o)
	}
	p.Trains = trainsOf(r)
	p.Notes = cleaned(r.Notes)
	return p
}

func factsOf(r *verifier.Report) []fact {
	all := []fact{
		{"When", fmt.Sprintf("%s, for %s", moment(r.Started), verifier.FormatSeconds(took(r)))},
		{"Machine", strings.Join(nonEmpty([]string{clean(r.Machine), clean(r.System)}), ", ")},
		{"Measured from", vantage(r)},
		{"Policy", clean(r.Plan.Name)},
		{"Policy's SHA-256", clean(r.Plan.PolicyHash)},
		{"Feeds", strings.Join(cleaned(r.Plan.Feeds), ", ")},
	}
	return slices.DeleteFunc(all, func(f fact) bool { return f.Value == "" })
}

func cleaned(list []string) []string {
	var out []string
	for _, s := range list {
		out = append(out, clean(s))
	}
	return out
}

func pageSections(r *verifier.Report) []pageSection {
	var list []pageSection
	for _, s := range sectionsOf(r) {
		worst := s.worst()
		one := pageSection{Title: s.title, Set: s.set, result: resultOf(worst), Counted: counted(s.counts()),
			Open: worst == verifier.Fail || worst == verifier.Undecided}
		for _, g := range byHost(s.findings) {
			h := pageHost{Name: host(g[0])}
			for _, row := range rowsOf(g) {
				h.Rows = append(h.Rows, pageRow{row.what, row.port, row.family, resultOf(row.outcome), row.seen, cleaned(row.evidence)})
			}
			one.Hosts = append(one.Hosts, h)
		}
		list = append(list, one)
	}
	return list
}

func (p *page) problems(r *verifier.Report, o verifier.Outcome) {
	list := problemsOf(r, o)
	if o == verifier.Unprobed {
		list = withRemedy(list)
	}
	// What trains leave undecided is shown with its numbers under "Quality for calls".
	list = slices.DeleteFunc(list, func(one problem) bool {
		return o == verifier.Undecided && one.findings[0].Check == verifier.CheckTrain
	})
	if len(list) == 0 {
		return
	}
	section := pageProblems{Title: problemTitles[o]}
	for i := range list {
		one := pageProblem{Summary: list[i].summary(), Remedy: list[i].remedy(), Evidence: cleaned(list[i].findings[0].Evidence)}
		one.Place = list[i].where()
		section.List = append(section.List, one)
	}
	p.Problems = append(p.Problems, section)
}

// trainsOf are the media trains: the findings on one, of which one carries the series.
func trainsOf(r *verifier.Report) []pageTrain {
	var trains []pageTrain
	at := map[string]int{}
	for i := range r.Findings {
		f := &r.Findings[i]
		if f.Check != verifier.CheckTrain {
			continue
		}
		whole := *f
		whole.Case = ""
		key := whole.Key() + "|" + f.Address.String()
		n, known := at[key]
		if !known {
			n = len(trains)
			at[key] = n
			trains = append(trains, pageTrain{Title: strings.Join(nonEmpty([]string{host(f), port(f), clean(f.Family)}), " ")})
		}
		t := &trains[n]
		m := pageMetric{Name: strings.TrimPrefix(checkName(f), "media "), result: resultOf(f.Outcome), Why: clean(f.Summary)}
		if limited := len(f.Metrics) > 0 && f.Metrics[0].Limit != nil; limited && len(f.Evidence) > 0 {
			m.Why = clean(f.Evidence[0])
		}
		if len(f.Metrics) > 0 {
			first := f.Metrics[0]
			m.Measured, m.Limit = first.Words(), first.LimitWords()
		}
		t.Rows = append(t.Rows, m)
		if t.Plot == nil {
			t.Plot = plotOf(f)
		}
	}
	return trains
}
