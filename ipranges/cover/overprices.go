package cover

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// prices returns those of the root. Nodes stand in post-order, so that a stack holds all
// that is needed of the others. Several goroutines solve parts of a large trie.
func (p *problem[N]) prices() []N {
	const small = 1 << 14 // leaves
	leaves := int(p.nodes[p.root()].leaves)
	if leaves < small {
		return p.walk(p.root(), nil).prices
	}
	roots := p.parts(nil, p.root(), leaves/64)
	parts := make([]solved[N], len(roots))
	var next atomic.Int32
	var wg sync.WaitGroup
	for range min(4, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(parts); i = int(next.Add(1)) - 1 {
				parts[i] = p.walk(roots[i], nil)
			}
		})
	}
	wg.Wait()
	return p.walk(p.root(), parts).prices
}

// parts appends the highest nodes of v's that have at most so many leaves, ascending.
func (t *trie) parts(dst []int, v, leaves int) []int {
	if int(t.nodes[v].leaves) <= leaves {
		return append(dst, v)
	}
	left, right := t.children(v)
	return t.parts(t.parts(dst, left, leaves), right, leaves)
}

// first returns the index of the first node below v, or v if it is a leaf.
func (t *trie) first(v int) int { return v - 2*int(t.nodes[v].leaves) + 2 }

// solved is a node with its prices, and what the set has in it.
type solved[N number[N]] struct {
	root   int
	prices []N
	has    N
}

// walk solves v from the leaves up. Nodes of parts, which are ascending, are solved.
func (p *problem[N]) walk(v int, parts []solved[N]) solved[N] {
	var stack []solved[N] // without their prices, which are all on one stack, too
	var prices, scratch []N
	for u := p.first(v); u <= v; u++ {
		switch {
		case len(parts) > 0 && u == p.first(parts[0].root):
			prices = append(prices, parts[0].prices...)
			u, stack, parts = parts[0].root, append(stack, solved[N]{root: parts[0].root, has: parts[0].has}), parts[1:]
		case p.isLeaf(u):
			var zero N
			prices = append(prices, zero)
			stack = append(stack, solved[N]{root: u, has: p.size(u)})
		default:
			n := len(stack) - 2
			middle := len(prices) - p.known(stack[n+1].root)
			start := middle - p.known(stack[n].root)
			if k := p.known(u); k > cap(scratch) {
				scratch = make([]N, k, 2*k)
			} else {
				scratch = scratch[:k]
			}
			has := stack[n].has.plus(stack[n+1].has)
			p.solve(u, scratch, prices[start:middle], prices[middle:], has)
			prices = append(prices[:start], scratch...)
			stack = append(stack[:n], solved[N]{root: u, has: has})
		}
	}
	return solved[N]{v, prices, stack[0].has}
}
