// Package verifier is the model of "does it pass, and if not, where does it
// stop?": what is to be verified, what was found, and how firm that is.
//
//	Plan (from a policy, or a bundle) -> verifier/probe -> Report -> table, JSON, ...
//
// A [Plan] says everything a client needs to verify a policy: hosts to probe,
// the rules they stand for with their ports and ranges, routes that are expected.
// It travels as JSON, so that a client needs neither the policy nor a feed. A
// [Report] is a list of [Finding], each with a [Verdict] (what was seen) and an
// [Outcome] (what that means for the policy), its evidence, and a remedy that
// names the rule, the set and the place in the policy.
//
// Two rules hold everywhere. A verdict is never firmer than its evidence: what
// cannot be told apart has a verdict of its own or is [Inconclusive]. And nothing
// is sent to a host that the plan does not name.
//
// The package knows neither HCL nor the policy language, and does no I/O.
package verifier
