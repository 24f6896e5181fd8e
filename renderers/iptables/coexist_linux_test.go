package iptables

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"sallyport/internal/testkit/filtercheck"
	"sallyport/internal/testkit/lab"
	"sallyport/ipranges"
	"sallyport/rules"
)

// TestBesideAnAdminsRules adds our fragment to an admin's rules, reloads it ten times
// while packets pass, and removes it.
func TestBesideAnAdminsRules(t *testing.T) {
	backends(t, func(t *testing.T, on func(*lab.Host) *device) {
		for _, sets := range []string{ipset, trie} {
			t.Run(sets, func(t *testing.T) { besideAnAdminsRules(t, on, sets) })
		}
	})
}

func besideAnAdminsRules(t *testing.T, on func(*lab.Host) *device, sets string) {
	in := lab.NewInjector(t)
	d := on(in.Host())
	d.adminRules()
	start := d.state()
	verdicts := func(list []lab.Packet) []lab.Verdict { return filtercheck.Verdicts(t, in, list...) }
	addr := netip.MustParseAddr
	everyday := []lab.Packet{
		lab.Connect(addr("9.9.9.9"), 22), lab.Connect(addr("2620:fe::9"), 22), lab.UDP(addr("9.9.9.9"), 53), lab.UDP(addr("2620:fe::9"), 53),
		lab.Connect(addr("9.9.9.9"), 80), lab.Connect(addr("2620:fe::9"), 80), lab.UDP(addr("9.9.9.9"), 3478), lab.UDP(addr("20.202.0.1"), 3477),
		lab.UDP(addr("2603:1063::1"), 53000), lab.UDP(addr("20.201.255.255"), 3478), lab.Echo(addr("20.202.0.1")), lab.Echo(addr("2603:1063::1")),
	}
	calls := []lab.Packet{
		lab.UDP(addr("20.202.0.1"), 3478), lab.UDP(addr("52.115.255.255"), 3481), lab.UDP(addr("2603:1063::1"), 3480),
		lab.Connect(addr("52.112.0.9"), 443), lab.Connect(addr("2603:1063:3ff::7"), 443),
	}
	before := verdicts(everyday)
	if !slices.Contains(before, lab.Passed) || !slices.Contains(before, lab.Dropped) {
		t.Fatalf("the admin's rules do not tell everyday's packets apart: %v", before)
	}
	if got := verdicts(calls); slices.Contains(got, lab.Passed) {
		t.Fatalf("calls pass before there is a rule for them: %v", got)
	}

	p := filtercheck.Calls(ipranges.MustParse("20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "2603:1063::/38"))
	p.Rules[0].Log = true
	_, files := renderAs(t, Options{Placement: fragment, Sets: sets, Hook: "forward", Ingress: []string{"lan0"}}, "edge", p, nil)
	d.load(files)
	d.jump("FORWARD", "sallyport_edge")
	d.jump("FORWARD", "sallyport_edge") // a second time changes nothing
	loaded := d.state()
	if n := strings.Count(loaded, "-A FORWARD -j sallyport_edge\n"); n != 2 {
		t.Errorf("%d jumps in two families", n)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 10 {
			if err := d.script(files, ".load.sh"); err != nil {
				t.Error(err)
			}
		}
	}()
	rounds := 0
	for reloading := true; reloading; rounds++ {
		select {
		case <-done:
			reloading = false
		default:
		}
		for i, v := range verdicts(calls) {
			if v != lab.Passed {
				t.Errorf("while reloading, %v is %v", &calls[i], v)
			}
		}
	}
	t.Logf("%d times %d new flows during ten reloads", rounds, len(calls))
	if now := d.state(); now != loaded {
		t.Error("ten reloads changed what is loaded")
	}
	replies(t, in, calls[:3])
	if after := verdicts(everyday); !slices.Equal(after, before) {
		t.Errorf("beside our fragment everyday's packets are %v, not %v", after, before)
	}

	if err := d.script(files, ".remove.sh"); err == nil {
		t.Error("the chain was removed although the admin's chain jumps to it")
	}
	if now := d.state(); now != loaded {
		t.Errorf("the refused removal changed something:\n%s", now)
	}
	for _, program := range []string{"iptables", "ip6tables"} {
		d.run("", program, "-w", "-D", "FORWARD", "-j", "sallyport_edge")
	}
	d.remove(files)
	if now := d.state(); now != start {
		t.Errorf("after removal what is loaded differs from the start:\n%s", now)
	}
	if after := verdicts(everyday); !slices.Equal(after, before) {
		t.Errorf("after removal everyday's packets are %v, not %v", after, before)
	}
}

// replies checks that answers, and packets too big, come back to the caller.
func replies(t *testing.T, in *lab.Injector, list []lab.Packet) {
	t.Helper()
	got, err := in.Decide(list)
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range got {
		answer, err := o.Reply()
		if err != nil {
			t.Fatal(err)
		}
		typ, code := uint8(3), uint8(4)
		if list[i].Dst.Is6() {
			typ, code = 2, 0
		}
		tooBig, err := o.ICMPError(list[i].Dst, typ, code)
		if err != nil {
			t.Fatal(err)
		}
		back, err := in.Continue([]lab.Packet{answer, tooBig})
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range back {
			if b.Verdict != lab.Passed {
				t.Errorf("an answer to %v is %v", &list[i], b.Verdict)
			}
		}
	}
}

// TestStandaloneJump: the load script puts the jump first, once, and the removal
// takes it out again.
func TestStandaloneJump(t *testing.T) {
	backends(t, func(t *testing.T, on func(*lab.Host) *device) {
		in := lab.NewInjector(t, lab.Lan("lan0", "10.20.0.1/16", "fd20::1/64"), lab.Lan("dmz0", "10.30.0.1/16", "fd30::1/64"))
		d := on(in.Host())
		start := d.state()
		p := filtercheck.Calls(ipranges.MustParse("20.202.0.0/16", "2603:1063::/38"))
		p.Default = rules.Deny
		no := p.Rules[0]
		no.Name, no.Verdict, no.Reject, no.To = "no", rules.Deny, true, rules.In("nine", ipranges.MustParse("9.9.9.9", "2620:fe::9"))
		p.Rules = append(p.Rules, no)
		_, files := renderAs(t, Options{Placement: standalone, Sets: ipset, Hook: "forward", Ingress: []string{"lan0"}}, "edge", p, nil)
		d.load(files)
		once := d.state()
		d.load(files)
		if d.state() != once || strings.Count(once, "-A FORWARD -m comment --comment sallyport_edge -j sallyport_edge\n") != 2 {
			t.Errorf("loading twice gives another state than once, or no jump:\n%s", once)
		}
		for _, tt := range []struct {
			dst  string
			from string
			want lab.Verdict
		}{
			{"20.202.0.1", "lan0", lab.Passed}, {"2603:1063::1", "lan0", lab.Passed}, {"9.9.9.9", "lan0", lab.Rejected}, {"2620:fe::9", "lan0", lab.Rejected},
			{"9.9.9.8", "lan0", lab.Dropped}, {"2620:fe::8", "lan0", lab.Dropped}, {"9.9.9.8", "dmz0", lab.Passed}, {"2620:fe::8", "dmz0", lab.Passed},
		} {
			packet := lab.UDP(netip.MustParseAddr(tt.dst), 3478)
			packet.In = tt.from
			if got := filtercheck.Verdicts(t, in, packet); got[0] != tt.want {
				t.Errorf("from %s to %s: %v, not %v", tt.from, tt.dst, got[0], tt.want)
			}
		}
		d.remove(files)
		if now := d.state(); now != start {
			t.Errorf("removal leaves something behind:\n%s", now)
		}
	})
}
