package report_test

import (
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"sallyport/verifier"
	"sallyport/verifier/report"
)

func TestProm(t *testing.T) {
	golden(t, "metrics.prom", func(w io.Writer) error { return report.WriteProm(w, sample()) })
}

var (
	promMeta  = regexp.MustCompile(`^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$`)
	promName  = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*`)
	promLabel = regexp.MustCompile(`^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"`)
)

// readProm reads the text format as the textfile collector does, and more strictly: no
// time, no series twice, HELP and TYPE before a family, each family in one piece.
func readProm(text string) (map[string]float64, error) {
	series, done := map[string]float64{}, map[string]bool{}
	family, typed := "", false
	if !strings.HasSuffix(text, "\n") {
		return nil, fmt.Errorf("no newline at the end")
	}
	for n, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		if m := promMeta.FindStringSubmatch(line); m != nil {
			switch {
			case m[1] == "HELP" && done[m[2]]:
				return nil, fmt.Errorf("line %d: family %s twice", n+1, m[2])
			case m[1] == "HELP":
				family, typed = m[2], false
				done[family] = true
			case m[2] != family || typed || m[3] != "gauge":
				return nil, fmt.Errorf("line %d: a TYPE out of place", n+1)
			default:
				typed = true
			}
			continue
		}
		name := promName.FindString(line)
		if name == "" || name != family || !typed {
			return nil, fmt.Errorf("line %d: a sample outside its family: %q", n+1, line)
		}
		rest := line[len(name):]
		if strings.HasPrefix(rest, "{") {
			rest = rest[1:]
			labels := map[string]bool{}
			for {
				m := promLabel.FindStringSubmatch(rest)
				if m == nil || labels[m[1]] {
					return nil, fmt.Errorf("line %d: a label that is none, or twice: %q", n+1, rest)
				}
				labels[m[1]] = true
				rest = rest[len(m[0]):]
				if strings.HasPrefix(rest, "}") {
					rest = rest[1:]
					break
				}
				if !strings.HasPrefix(rest, ",") {
					return nil, fmt.Errorf("line %d: after a label: %q", n+1, rest)
				}
				rest = rest[1:]
			}
		}
		v, err := strconv.ParseFloat(strings.TrimPrefix(rest, " "), 64)
		if err != nil || !strings.HasPrefix(rest, " ") {
			return nil, fmt.Errorf("line %d: no value, or more than one: %q", n+1, rest)
		}
		key := strings.TrimSuffix(line, rest)
		if _, twice := series[key]; twice {
			return nil, fmt.Errorf("line %d: series %s twice", n+1, key)
		}
		series[key] = v
	}
	return series, nil
}

func prom(t *testing.T, r *verifier.Report) map[string]float64 {
	t.Helper()
	series, err := readProm(text(t, func(w io.Writer) error { return report.WriteProm(w, r) }))
	if err != nil {
		t.Fatal(err)
	}
	return series
}

func TestPromIsValid(t *testing.T) {
	for name, r := range odd() {
		t.Run(name, func(t *testing.T) {
			if got := prom(t, r)["sallyport_verify_exit_code"]; got != float64(r.ExitCode()) {
				t.Errorf("exit code %v, want %d", got, r.ExitCode())
			}
		})
	}
}

func TestPromValues(t *testing.T) {
	got := prom(t, sample())
	check := func(port, outcome string) string {
		return fmt.Sprintf(`sallyport_verify_check{rule="calls",probe="relay",kind="stun",check="reach",case="",host="relay.example",family="ipv4",port="udp/%s",resolver="",outcome="%s"}`, port, outcome)
	}
	media := func(name, slug string) string {
		return fmt.Sprintf(`sallyport_verify_%s{rule="calls",probe="reflector",kind="media",check="train",case="%s",host="reflect.example",family="ipv4",port="udp/7000",resolver=""}`, name, slug)
	}
	for series, want := range map[string]float64{
		"sallyport_verify_last_run_timestamp_seconds":     1795424440.712,
		"sallyport_verify_duration_seconds":               40.712,
		"sallyport_verify_exit_code":                      1,
		`sallyport_verify_findings{outcome="not-probed"}`: 2,
		`sallyport_verify_verdicts{verdict="filtered"}`:   2,
		`sallyport_verify_verdicts{verdict="no-host"}`:    0,
		check("3478", "pass"):                             1,
		check("3478", "fail"):                             0,
		check("3479", "fail"):                             1,
		media("limit_rtt_seconds", "round_trip"):          0.1,
		media("measured_burst_loss_ratio", "burst_loss"):  0.7,
		media("limit_jitter_seconds", "jitter"):           0.03,
		media("measured_reordering_ratio", "reordering"):  0,
	} {
		if v, ok := got[series]; !ok || v != want {
			t.Errorf("%s is %v (%v), want %v", series, v, ok, want)
		}
	}
}
