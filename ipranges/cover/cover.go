// Package cover fits a set of addresses into a list of prefixes that a device
// can take, at the lowest exact price.
//
// A cover with at most k prefixes either holds the whole set and adds as few
// addresses as possible ([OverCurve]), never one of protected space; or it
// stays inside the set and leaves out as few as possible ([UnderCurve]), never
// one that must be kept. A [Curve] has the price of every k at once, and the
// prefixes for each. [OverBytes] and [UnderBytes] do the same for a budget in
// bytes, where every prefix costs the line that names it; [Joint] splits one
// budget between two families. Without loss, [TwoHop] uses exceptions where routes
// can have two next hops. Every result is an optimum, proven by the argument
// beside the code and tested against exhaustive search.
//
// The idea: the prefixes that can matter form a binary trie whose leaves are
// the set's minimal prefixes. A cover takes one prefix for a whole node, or
// splits its budget between the node's two halves; so the price of every
// budget at a node follows from those of its children (a knapsack on a tree).
// Prices are whole numbers, exact in either family.
//
// Everything here is pure: equal arguments give equal results, and results
// never change and may be used from many goroutines at once.
package cover
