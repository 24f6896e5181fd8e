package probe

import "sallyport/verifier"

// A fact is one piece of evidence about a port. It is always something that was
// observed; that something was not tried is no fact.
type fact uint32

// The facts.
const (
	anAnswer      fact = 1 << iota // a valid answer with our transaction id
	aProof                         // a TLS handshake with a certificate that fits
	aRefusal                       // a refusal without a sender, such as a TCP reset
	anUnreachable                  // an ICMP error that says unreachable
	fromTarget                     // from the target's own address
	fromOther                      // from another machine
	fromOwn                        // from this machine
	forPort                        // it is about the port: nobody listens
	forWhole                       // it is about the way or the host
	forNeighbour                   // it is about the neighbour: nobody has the address
	early                          // it came as soon as a packet can come back
	late                           // it came after the time that a router waits for a neighbour
	notNear                        // the same does not come back when the packet ends at a router before
	near                           // the same comes back then, and packets to another port go on from there
	expired                        // the time to live ran out, at full length
	repeats                        // at routers in turns
	sticks                         // at one router, however long it is
	refusedHere                    // this machine's own filter refuses to send
	noWayHere                      // this machine has no route
	silence                        // nothing came back
	reference                      // beyond the last hop that was heard, a router answers for a port that works, each time
	neverThere                     // and for this port never, asked in turns
	sameWay                        // up to that hop both go the same way
	heardBeyond                    // routers beyond it answer for this protocol and port, or for none of it anywhere
)

// An evidenceRule is the facts that a verdict needs.
type evidenceRule struct {
	verdict verifier.Verdict
	needs   fact
}

// evidenceTable is the table of docs/verify.md. The first row whose facts are all there
// holds. Facts are positive, so that to take one away never makes a verdict firmer.
var evidenceTable = []evidenceRule{
	{verifier.Reachable, aProof},
	{verifier.Reachable, anAnswer | notNear},
	{verifier.Intercepted, anAnswer | near},
	{verifier.DeniedLocally, refusedHere},
	{verifier.DeniedLocally, anUnreachable | fromOwn | forPort},
	{verifier.DeniedLocally, anUnreachable | fromOwn | forWhole},
	{verifier.NoRoute, noWayHere},
	{verifier.NoRoute, expired | repeats},
	{verifier.Rejected, expired | sticks},
	{verifier.Rejected, anUnreachable | fromTarget | near},
	{verifier.Closed, anUnreachable | fromTarget | forPort | notNear},
	{verifier.Rejected, anUnreachable | fromTarget | forWhole | notNear},
	{verifier.Rejected, anUnreachable | fromOther | forPort},
	{verifier.Rejected, anUnreachable | fromOther | forWhole},
	{verifier.NoHost, anUnreachable | fromOwn | forNeighbour | late},
	{verifier.NoHost, anUnreachable | fromOther | forNeighbour | late},
	{verifier.Rejected, anUnreachable | fromOther | forNeighbour | early},
	{verifier.Rejected, aRefusal | near},
	{verifier.Refused, aRefusal},
	{verifier.Filtered, silence | reference | neverThere | sameWay | heardBeyond},
	{verifier.Silent, silence},
}

// conclude returns the verdict that facts allow.
func conclude(f fact) verifier.Verdict {
	for _, r := range evidenceTable {
		if f&r.needs == r.needs {
			return r.verdict
		}
	}
	return verifier.Inconclusive
}
