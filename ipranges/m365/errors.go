package m365

import "sallyport/ipranges/refusal"

// Error says why an answer of the web service is refused; its problems are of sets.
type Error = refusal.Error

// Problem is one mistake.
type Problem = refusal.Problem

func clean(s string, limit int) string  { return refusal.Clean(s, limit) }
func quoted(s string, limit int) string { return refusal.Quoted(s, limit) }
