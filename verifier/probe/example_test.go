package probe_test

import (
	"context"
	"fmt"
	"net"

	"github.com/pion/stun/v3"

	"sallyport/ipranges"
	"sallyport/verifier"
	"sallyport/verifier/probe"
)

// A plan of one host and one port, run against a STUN server on this machine.
func Example() {
	server, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	go answer(server)
	port := server.LocalAddr().(*net.UDPAddr).AddrPort().Port()

	plan := &verifier.Plan{
		Format: verifier.PlanFormat,
		Sets:   []verifier.Set{{Name: "own", To: verifier.Ranges{Set: ipranges.MustParse("127.0.0.0/8")}}},
		Rules:  []verifier.Rule{{Name: "calls", Set: "own", Services: []verifier.Service{{Protocol: "udp", From: port, To: port}}}},
		Probes: []verifier.Probe{{Name: "relay", Host: "127.0.0.1", Rule: "calls"}},
	}
	if err := plan.Validate(); err != nil {
		fmt.Println(err)
		return
	}
	report := probe.Run(context.Background(), plan, probe.Options{Kinds: []verifier.Kind{verifier.STUN}})
	for _, f := range report.Findings {
		fmt.Println(f.Outcome, f.Address, f.Check)
	}
	fmt.Println("exit code", report.ExitCode())
	// Output:
	// pass 127.0.0.1 quality
	// pass 127.0.0.1 reach
	// exit code 0
}

// answer is the least that a STUN server does.
func answer(c *net.UDPConn) {
	buf := make([]byte, 1500)
	for {
		n, from, err := c.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		m := new(stun.Message)
		if stun.Decode(buf[:n], m) != nil {
			continue
		}
		out, err := stun.Build(stun.NewTransactionIDSetter(m.TransactionID), stun.BindingSuccess,
			&stun.XORMappedAddress{IP: from.Addr().AsSlice(), Port: int(from.Port())})
		if err == nil {
			_, _ = c.WriteToUDPAddrPort(out.Raw, from)
		}
	}
}
