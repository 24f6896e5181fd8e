// Package probe asks the hosts of a plan, live, and reports what it found.
//
//	report := probe.Run(ctx, plan, probe.Options{})
//
// Each kind of probe is one function in one literal table. All targets are asked at
// once, so that a run takes as long as its slowest target. Probes share what they
// learn by name: an address is resolved once, a port is asked once, and who needs
// the result waits for it.
//
// Nothing is sent but through a [Network], to hosts that the plan names and to name
// servers that it or the system names. A relay gets at most ten datagrams to a port,
// unless the run is long; packets of a TTL walk, which end on the way, come on top.
//
// No verdict is firmer than its evidence. What an ICMP error means depends on who sent
// it, which Linux tells and other systems do not: there, verdicts are weaker, and the
// report's notes say so.
package probe
