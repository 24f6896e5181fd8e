package measure

import (
	"context"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"sallyport/internal/errqueue"
	"sallyport/ipranges"
	"sallyport/verifier"
	"sallyport/verifier/media"
	"sallyport/verifier/probe"
	"sallyport/verifier/reflector"
)

// startReflector runs a reflector on loopback.
func startReflector(t *testing.T) (netip.AddrPort, *reflector.Key) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key")
	if err := reflector.NewKeyFile(file); err != nil {
		t.Fatal(err)
	}
	key, err := reflector.ReadKeyFile(file)
	if err != nil {
		t.Fatal(err)
	}
	sockets, err := reflector.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- reflector.NewServer(key, reflector.Options{PerSource: 5000}).Serve(ctx, sockets...) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return sockets[0].LocalAddr(), key
}

func plan() *verifier.Plan {
	return &verifier.Plan{Format: verifier.PlanFormat, Source: verifier.Source{Name: "test.hcl"}, Vantage: verifier.Client,
		Sets:  []verifier.Set{{Name: "lo", To: verifier.Ranges{Set: ipranges.MustParse("127.0.0.0/8")}}},
		Rules: []verifier.Rule{{Name: "calls", Set: "lo", Services: []verifier.Service{{Protocol: "tcp", From: 9, To: 9}}}}}
}

func TestTrainIsPartOfTheReport(t *testing.T) {
	to, key := startReflector(t)
	var seen []verifier.Finding
	report := Run(context.Background(), plan(), Options{Reflectors: []netip.AddrPort{to}, Host: "reflector", Key: key,
		Probe: probe.Options{Progress: func(f verifier.Finding) { seen = append(seen, f) }},
		Train: media.Options{Rate: 500, Duration: time.Second, Linger: 100 * time.Millisecond}})
	got := map[string]verifier.Outcome{}
	for _, f := range report.Findings {
		if f.Kind == verifier.Media {
			got[f.Case] = f.Outcome
		}
	}
	if len(got) != 6 {
		t.Fatalf("metrics %v", got)
	}
	// A second is shorter than the 15 s that loss and jitter are limited in.
	if got["round_trip"] != verifier.Pass || got["loss"] != verifier.Undecided || got["reordering"] != verifier.Unprobed {
		t.Errorf("a train on loopback: %v", got)
	}
	at := slices.IndexFunc(report.Findings, func(f verifier.Finding) bool { return f.Case == "round_trip" })
	if f := report.Findings[at]; len(f.Series) == 0 || len(f.Series[0].Points) < 450 || len(f.Metrics) < 2 {
		t.Errorf("the round trip carries %d series and %d figures", len(f.Series), len(f.Metrics))
	}
	if len(seen) < 6 {
		t.Errorf("progress told of %d findings", len(seen))
	}
}

// TestNoReflector: silence, and a wrong key, are inconclusive, because either the path
// is bad or no reflector runs there.
func TestNoReflector(t *testing.T) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, key := startReflector(t)
	report := Run(context.Background(), plan(), Options{Reflectors: []netip.AddrPort{conn.LocalAddr().(*net.UDPAddr).AddrPort()}, Key: key,
		Train: media.Options{Waits: []time.Duration{20 * time.Millisecond, 20 * time.Millisecond}}})
	for _, f := range report.Findings {
		if f.Kind == verifier.Media && (f.Outcome != verifier.Undecided || f.Remedy == "") {
			t.Errorf("%+v", f)
		}
	}
	if report.ExitCode() != 3 {
		t.Errorf("exit code %d", report.ExitCode())
	}
}

// TestPersistence asks the reflector whether a mapping outlives a silence.
func TestPersistence(t *testing.T) {
	to, key := startReflector(t)
	opt := Options{Reflectors: []netip.AddrPort{to}, Key: key}
	conn, err := probe.System{}.DialUDP(context.Background(), to, errqueue.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	kept, decided, evidence, err := opt.persister().Outlives(context.Background(), conn, 50*time.Millisecond)
	if err != nil || !kept || !decided || evidence == "" {
		t.Errorf("on loopback: kept %v, decided %v, %q, %v", kept, decided, evidence, err)
	}
}

// TestLostReflector: a reflector without an address is inconclusive, and leaves the rest
// of the report.
func TestLostReflector(t *testing.T) {
	p := plan()
	p.Probes = []verifier.Probe{{Name: "closed", Host: "127.0.0.1", Rule: "calls"}}
	report := Run(context.Background(), p, Options{Host: "reflector.example", Lost: &net.DNSError{Err: "no such host", Name: "reflector.example"}})
	var media, reach bool
	for _, f := range report.Findings {
		media = media || f.Kind == verifier.Media && f.Outcome == verifier.Undecided && f.Remedy != "" && len(f.Evidence) == 1
		reach = reach || f.Check == verifier.CheckReach && f.Verdict != verifier.NotProbed
	}
	if !media || !reach {
		t.Errorf("media %v, the rest %v: %+v", media, reach, report.Findings)
	}
}
