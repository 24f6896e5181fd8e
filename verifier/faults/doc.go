// Package faults holds tests only: it runs whole plans, as a user's policy makes them,
// in closed networks with known faults, and holds every finding to the truth.
//
// A case is one fault or several at once. Each fault says what it does to the network
// and, apart from that, what becomes of packets to each target by it. From the second
// the truth of a case is put together: the first fault on a target's way decides.
// Then two things are asserted.
//
//   - No finding contradicts the truth: none is a false "reachable", "blocked" or
//     "pass", names somebody who did not reject, or a hop where nothing was lost.
//   - The verdicts of the case are the expected ones, and so is the exit code.
//
// What the machine sends is recorded below the program, and nothing may go where the
// plan does not name.
//
// Runs are at 1/25 of full time. With SALLYPORT_LONG=1 one of them is at full time, and
// every pair of faults is tried for the first assertion.
package faults
