package iptables

import (
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"sallyport/internal/testkit/conformance"
	"sallyport/internal/testkit/filtercheck"
	"sallyport/internal/testkit/rendered"
	"sallyport/ipranges"
	"sallyport/rules"
)

// walker walks a packet through rendered rules as the kernel does, line by line,
// and counts. It shares no code with the reader.
type walker struct{ chains map[string][]walked }

type walked struct {
	src, dst      netip.Prefix
	proto         string
	ports         [][2]uint64
	target        string
	goTo, ignored bool // ignored: a match that is not simulated always holds
}

func newWalker(t *testing.T, text string) *walker {
	w := &walker{map[string][]walked{}}
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] != "-A" {
			continue
		}
		var r walked
		for i, word := range words {
			switch word {
			case "-s":
				r.src = netip.MustParsePrefix(words[i+1])
			case "-d":
				r.dst = netip.MustParsePrefix(words[i+1])
			case "-p":
				r.proto = words[i+1]
			case "--dport", "--dports":
				for _, p := range strings.Split(words[i+1], ",") {
					first, last, ok := strings.Cut(p, ":")
					if !ok {
						last = first
					}
					lo, err1 := strconv.ParseUint(first, 10, 16)
					hi, err2 := strconv.ParseUint(last, 10, 16)
					if err1 != nil || err2 != nil {
						t.Fatalf("%q", line)
					}
					r.ports = append(r.ports, [2]uint64{lo, hi})
				}
			case "-j", "-g":
				r.target, r.goTo = words[i+1], word == "-g"
			case "-o", "--ctstate", "--icmpv6-type":
				r.ignored = true // other interfaces, connections and types: these packets never match
			}
		}
		w.chains[words[1]] = append(w.chains[words[1]], r)
	}
	return w
}

func (r *walked) hits(f rules.Flow) bool {
	switch {
	case r.ignored, r.src.IsValid() && !r.src.Contains(f.Src), r.dst.IsValid() && !r.dst.Contains(f.Dst):
		return false
	case r.proto != "" && r.proto != f.Proto.String():
		return false
	}
	for _, p := range r.ports {
		if uint64(f.Point) >= p[0] && uint64(f.Point) <= p[1] {
			return true
		}
	}
	return r.ports == nil
}

// walk returns the verdict, how many lines were examined, and how many chains lay
// in a row at the end.
func (w *walker) walk(chain string, f rules.Flow, depth int) (verdict string, examined, row int) {
	for i := range w.chains[chain] {
		r := &w.chains[chain][i]
		examined++
		if !r.hits(f) {
			continue
		}
		if _, ours := w.chains[r.target]; !ours {
			if r.target == "LOG" {
				continue
			}
			return r.target, examined, depth
		}
		v, n, row := w.walk(r.target, f, depth+1)
		examined += n
		if v != "" || r.goTo {
			return v, examined, row
		}
	}
	return "", examined, depth
}

// TestTrieIsShort walks every boundary of the whole Azure cloud through the chains:
// each packet meets at most 40 rules where it hits, and the verdict is the plan's.
func TestTrieIsShort(t *testing.T) {
	p := filtercheck.Calls(conformance.AzureCloud(t, 398))
	_, files := renderAs(t, Options{Placement: fragment, Sets: trie, Hook: "forward", Ingress: []string{"lan0"}}, "edge", p, nil)
	for _, f := range []struct {
		family ipranges.Family
		file   string
	}{{ipranges.IPv4, ".v4.rules"}, {ipranges.IPv6, ".v6.rules"}} {
		w := newWalker(t, rendered.Text(t, files, f.file))
		hits, sum, most, mostMiss, deepest := 0, 0, 0, 0, 0
		for _, flow := range filtercheck.Flows(p.Rules[0].To.Set().Only(f.family), func(netip.Addr) bool { return true }) {
			got, n, row := w.walk("sallyport_edge", flow, 1)
			v, _ := p.Decide(flow)
			if (got == "ACCEPT") != (v == rules.Allow) || got != "ACCEPT" && got != "" {
				t.Fatalf("%v: the plan says %v, the chains %q", flow, v, got)
			}
			deepest = max(deepest, row)
			if v != rules.Allow {
				mostMiss = max(mostMiss, n)
				continue
			}
			hits, sum, most = hits+1, sum+n, max(most, n)
		}
		t.Logf("%s: %d hits examine %.1f rules on average, %d at most, %d on a miss, in %d chains in a row at most",
			f.family, hits, float64(sum)/float64(hits), most, mostMiss, deepest)
		if hits == 0 || most > 40 || mostMiss > 45 || deepest > 12 {
			t.Errorf("%s: the trie is too long, or nothing was asked", f.family)
		}
	}
}

// TestTrieStaysShallow: prefixes that nest at every length, as the complement of one
// address has them, would make a trie too deep for nf_tables.
func TestTrieStaysShallow(t *testing.T) {
	one := ipranges.MustParse("2603:1063::77", "20.202.1.2")
	holes := ipranges.Full(ipranges.IPv4).Union(ipranges.Full(ipranges.IPv6)).Minus(one)
	p := filtercheck.Calls(holes)
	p.Rules[0].From, p.Rules[0].Log = rules.In("from", holes), true
	r, files := renderAs(t, Options{Placement: fragment, Sets: trie, Hook: "forward", Ingress: []string{"lan0"}}, "edge", p, nil)
	got, err := r.ReadBack(files)
	if err != nil {
		t.Fatal(err)
	}
	if d := rules.Compare(p, got); d != nil {
		t.Error(d)
	}
	w := newWalker(t, rendered.Text(t, files, ".v6.rules"))
	deepest := 0
	for _, flow := range filtercheck.Flows(holes.Only(ipranges.IPv6), func(netip.Addr) bool { return true }) {
		for a := range holes.Ranges(ipranges.IPv6) {
			flow.Src = a.From()
			_, _, row := w.walk("sallyport_edge", flow, 1)
			deepest = max(deepest, row)
		}
	}
	if deepest > 14 || deepest < 5 {
		t.Errorf("%d chains in a row", deepest)
	}
}
