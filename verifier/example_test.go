package verifier_test

import (
	"fmt"
	"os"
	"strings"

	"sallyport/verifier"
)

// A bundle is read on a client that has neither policy nor feed.
func ExampleReadPlan() {
	bundle := `{
	  "format": "sallyport-verify/1",
	  "source": {"name": "policy.hcl"},
	  "sets": [{"name": "acs_media", "ranges": ["20.202.0.0/16", "52.112.0.0/14"]}],
	  "rules": [{"name": "calls", "set": "acs_media", "services": ["udp/3478-3481", "tcp/443"]}],
	  "probes": [{"name": "relay", "host": "relay.example.com", "rule": "calls"}],
	  "routes": []
	}`
	plan, err := verifier.ReadPlan(strings.NewReader(bundle))
	if err != nil {
		fmt.Println(err)
		return
	}
	asks, _ := plan.Asks(&plan.Probes[0])
	for _, a := range asks {
		fmt.Println(a.Kind, a.Protocol, a.Port)
	}
	// Output:
	// stun udp 3478
	// stun udp 3479
	// stun udp 3480
	// stun udp 3481
	// stun tcp 443
}

func ExampleCompare() {
	before := &verifier.Report{Findings: []verifier.Finding{
		{Kind: verifier.STUN, Check: verifier.CheckReach, Host: "relay.example.com", Protocol: "udp", Port: 3478, Outcome: verifier.Pass, Verdict: verifier.Reachable}}}
	after := &verifier.Report{Findings: []verifier.Finding{
		{Kind: verifier.STUN, Check: verifier.CheckReach, Host: "relay.example.com", Protocol: "udp", Port: 3478, Outcome: verifier.Undecided, Verdict: verifier.Silent}}}
	for _, c := range verifier.Compare(before, after) {
		fmt.Fprintln(os.Stdout, c.After.Target(), c.Before.Words(), "->", c.After.Words(), c.Worse())
	}
	// Output: relay.example.com udp/3478 reachable -> silent true
}
