// Package probe asks the hosts of a plan, live, and reports what it found.
//
//	report := probe.Run(ctx, plan, probe.Options{})
//
// Each kind of probe is one function in one literal table. All targets are asked at
// once, so that a run takes as long as its slowest target. Probes share results: a name
// is resolved once, a port is asked once, and whoever needs the result waits for it.
//
// Everything is sent through a [Network], and only to hosts that the plan names and to
// name servers that the plan or the system names. A relay gets at most ten datagrams to
// a port, unless the run is long; packets of a TTL walk, which end on the way, are not
// counted.
//
// No verdict is firmer than its evidence. What an ICMP error means depends on who sent
// it, which Linux tells and other systems do not: there, verdicts are weaker, and the
// report's notes say so.
package probe
