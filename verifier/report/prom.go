package report

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"sallyport/verifier"
)

// WriteProm writes a report as gauges in Prometheus's text format, for the textfile
// collector of node_exporter: without timestamps and with each series once, because the
// collector refuses files with timestamps or duplicates. Write the file next to the
// collector's folder, and rename it into the folder.
// (https://prometheus.io/docs/instrumenting/exposition_formats, and node_exporter's
// README, "Textfile Collector"; both read 2026-11-23.)
func WriteProm(w io.Writer, r *verifier.Report) error {
	p := &prom{known: map[string]bool{}}
	p.run(r)
	p.checks(r)
	_, err := w.Write(p.b.Bytes())
	return err
}

// prom collects families, each whole.
type prom struct {
	b     bytes.Buffer
	known map[string]bool // series that are written
}

const promPrefix = "sallyport_verify_"

// PromMark stands near the beginning of what WriteProm writes.
const PromMark = "# HELP " + promPrefix

// label is a label of a series.
type label struct{ name, value string }

func (p *prom) family(name, help string) {
	fmt.Fprintf(&p.b, "# HELP %s%s %s\n# TYPE %s%s gauge\n", promPrefix, name, help, promPrefix, name)
}

// escaped is a label's value: the format knows these three escapes.
var escaped = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

func (p *prom) sample(name string, labels []label, v float64) {
	var s strings.Builder
	s.WriteString(promPrefix + name)
	for i, l := range labels {
		before := ","
		if i == 0 {
			before = "{"
		}
		s.WriteString(before + l.name + `="` + escaped.Replace(clean(l.value)) + `"`)
	}
	if len(labels) > 0 {
		s.WriteString("}")
	}
	if series := s.String(); !p.known[series] {
		p.known[series] = true
		p.b.WriteString(series + " " + promNumber(v) + "\n")
	}
}

func promNumber(v float64) string {
	if math.IsInf(v, 0) {
		return fmt.Sprintf("%+v", v)
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// run is what concerns the whole run.
func (p *prom) run(r *verifier.Report) {
	p.family("last_run_timestamp_seconds", "When the last run ended, in seconds since 1970.")
	p.sample("last_run_timestamp_seconds", nil, float64(r.Finished.UnixMilli())/1000)
	p.family("duration_seconds", "How long the last run took.")
	p.sample("duration_seconds", nil, took(r))
	p.family("exit_code", "0 passed, 1 something failed, 3 inconclusive.")
	p.sample("exit_code", nil, float64(r.ExitCode()))
	p.family("info", "What was verified, by which sallyport; always 1.")
	p.sample("info", []label{{"policy", r.Plan.Name}, {"policy_sha256", r.Plan.PolicyHash}, {"system", r.System},
		{"vantage", string(r.Vantage)}, {"version", r.Version}}, 1)
	counts, verdicts := r.Counts(), map[verifier.Verdict]int{}
	for i := range r.Findings {
		verdicts[r.Findings[i].Verdict]++
	}
	p.family("findings", "Findings of the last run by outcome.")
	for _, o := range verifier.Outcomes() {
		p.sample("findings", []label{{"outcome", string(o)}}, float64(counts[o]))
	}
	p.family("verdicts", "Findings of the last run that judge reachability, by verdict.")
	for _, v := range promVerdicts {
		p.sample("verdicts", []label{{"verdict", string(v)}}, float64(verdicts[v]))
	}
}

var promVerdicts = []verifier.Verdict{verifier.Reachable, verifier.Rejected, verifier.Closed, verifier.Refused, verifier.NoHost,
	verifier.DeniedLocally, verifier.NoRoute, verifier.Silent, verifier.Filtered, verifier.Inconclusive, verifier.NotProbed}

// checks are a series for each check and outcome, so that a change of outcome is a
// change of values and not of series; then what was measured.
func (p *prom) checks(r *verifier.Report) {
	// Cleaning can make two keys equal; then the worst finding counts for both.
	var list []*verifier.Finding
	at := map[string]int{}
	for _, e := range entriesOfRun(r) {
		key := fmt.Sprint(checkLabels(e.worst))
		i, known := at[key]
		if !known {
			at[key] = len(list)
			list = append(list, e.worst)
		} else if e.worst.Outcome.Worse(list[i].Outcome) {
			list[i] = e.worst
		}
	}
	p.family("check", "1 for the outcome that a check had in the last run, 0 for the others.")
	for _, f := range list {
		for _, o := range verifier.Outcomes() {
			v := 0.0
			if f.Outcome == o {
				v = 1
			}
			p.sample("check", append(checkLabels(f), label{"outcome", string(o)}), v)
		}
	}
	p.measured(list)
}

// checkLabels are what [verifier.Finding.Key] identifies a check by.
func checkLabels(f *verifier.Finding) []label {
	return []label{{"rule", clean(f.Rule)}, {"probe", clean(f.Probe)}, {"kind", clean(string(f.Kind))}, {"check", clean(string(f.Check))},
		{"case", clean(f.Case)}, {"host", host(f)}, {"family", clean(f.Family)}, {"port", port(f)}, {"resolver", clean(f.Resolver)}}
}

// measured writes a family for each metric, and one for the limits of those that have
// any.
func (p *prom) measured(list []*verifier.Finding) {
	families := map[string]*prom{}
	sample := func(name string, f *verifier.Finding, v float64) {
		if families[name] == nil {
			families[name] = &prom{known: p.known}
		}
		families[name].sample(name, checkLabels(f), v)
	}
	for _, f := range list {
		for _, m := range f.Metrics {
			sample("measured_"+promName(m.Name), f, m.Value)
			if m.Limit != nil {
				sample("limit_"+promName(m.Name), f, *m.Limit)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(families)) {
		help := "What a check measured in the last run; docs/verify-report.md explains each."
		if strings.HasPrefix(name, "limit_") {
			help = "The limit that the measured value of the same name is judged by."
		}
		p.family(name, help)
		p.b.Write(families[name].b.Bytes())
	}
}

// promName makes a metric's name valid for Prometheus. The names of sallyport's own
// reports are valid already.
func promName(s string) string {
	s = strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_' {
			return c
		}
		return '_'
	}, strings.ToLower(s))
	return s[:min(len(s), 100)]
}
