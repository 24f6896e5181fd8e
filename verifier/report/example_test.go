package report_test

import (
	"fmt"
	"net/netip"
	"os"
	"time"

	"sallyport/verifier"
	"sallyport/verifier/report"
)

// A report of one port, as a terminal shows it.
func ExampleWriteTable() {
	began := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	r := &verifier.Report{
		Format: verifier.ReportFormat, Started: began, Finished: began.Add(2 * time.Second), System: "linux/amd64",
		Plan: verifier.Source{Name: "policy.hcl"},
		Findings: []verifier.Finding{{
			Kind: verifier.STUN, Check: verifier.CheckReach, Outcome: verifier.Fail, Verdict: verifier.Rejected,
			Host: "relay.example", Address: netip.MustParseAddr("20.202.0.1"), Family: "ipv4", Protocol: "udp", Port: 3478,
			Offender: netip.MustParseAddr("10.0.0.1"), Summary: "relay.example 20.202.0.1 udp/3478 rejected by 10.0.0.1",
			Evidence: []string{"admin prohibited from 10.0.0.1"}, Rule: "calls", Set: "acs_media",
			Remedy: "let udp/3478 to 20.202.0.1 pass at 10.0.0.1: rule calls (policy.hcl:14), set acs_media (policy.hcl:3)",
		}},
	}
	if err := report.WriteTable(os.Stdout, r, report.TextOptions{}); err != nil {
		fmt.Println(err)
	}
	// Output:
	// policy  policy.hcl
	// from    linux/amd64, 2026-11-23 09:00:00 UTC
	//
	// Failed
	//   relay.example 20.202.0.1 udp/3478 rejected by 10.0.0.1
	//     seen  admin prohibited from 10.0.0.1
	//     do    let udp/3478 to 20.202.0.1 pass at 10.0.0.1: rule calls
	//           (policy.hcl:14), set acs_media (policy.hcl:3)
	//
	//     CHECK  PORT      FAMILY  RESULT  SEEN
	// rule calls, set acs_media
	//   relay.example
	//     stun   udp/3478  ipv4    fail    rejected by 10.0.0.1
	//
	// Failed  1 finding in 2 s: 1 failed. Something that the policy asks for does not
	//         work from here, or not well enough.
}
