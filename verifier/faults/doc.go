// Package faults tests the verifier against known faults; it holds tests only. Each test
// case runs a whole plan, as a user's policy makes it, in a closed network that has one
// fault or several.
//
// Each fault says what it does to the network and, separately, what becomes of packets to
// each target because of it. The second gives the truth of a case: the first fault on a
// target's way decides. Then a case asserts three things.
//
//   - No finding contradicts the truth: none says "reachable", "blocked" or "pass"
//     wrongly, names a router that did not reject, or a hop where nothing was lost.
//   - The verdicts of the case are the expected ones, and so is the exit code.
//   - The client sends nothing to an address that the plan does not name. What it sends
//     is recorded outside of the program.
//
// Runs are at 1/25 of full time. With SALLYPORT_LONG=1 one of them is at full time, and
// every pair of faults is tried for the first assertion.
package faults
