// Package setexpr evaluates sets of addresses on a command line:
//
//	AzureCloud.westeurope    a tag of the feed
//	m365:Teams               a tag of the feed of another kind
//	20.202.0.0/16            a prefix, a range or an address
//	set.NAME                 a set of the policy
//
// A mistake in an expression is a [pipeline.UsageError]. Unknown names, and feeds that
// cannot be opened, are other errors.
package setexpr

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"sallyport/internal/pipeline"
	"sallyport/ipranges"
	"sallyport/ipranges/catalog"
)

// Evaluator evaluates sets. It opens each feed once, and compiles the policy once for each
// of its sets. It is not safe for concurrent use.
type Evaluator struct {
	Feeds Feeds
	// Open opens a feed.
	Open func(context.Context, catalog.FeedSpec) (*catalog.Catalog, error)
	// Policy returns the request for the policy that has the set.
	Policy func(set string) (pipeline.Request, error)
	// Settle returns the error, if any, for a result of compiling the policy.
	Settle func(*pipeline.Result, error) error

	opened map[string]*catalog.Catalog // by kind of feed; "" is the one of Feeds
	sets   map[string]ipranges.Set     // of the policy
}

// Named is a set with a name: a tag, or a set of the policy.
type Named struct {
	Set ipranges.Set
	// Catalog and Tag are those of a tag. Catalog is nil for a set of the policy.
	Catalog *catalog.Catalog
	Tag     catalog.Tag
}

// usage is a mistake on the command line. The text says what to write instead.
func usage(format string, args ...any) error {
	return &pipeline.UsageError{Err: fmt.Errorf(format, args...)}
}

// Name finds the set of a name alone: a tag of the one feed, or set.NAME.
func (e *Evaluator) Name(ctx context.Context, name string) (Named, error) {
	if set, ok := strings.CutPrefix(name, setPrefix); ok {
		s, err := e.policySet(ctx, set)
		return Named{Set: s}, err
	}
	return e.tag(ctx, "", e.Feeds, name)
}

// Sets evaluates expressions, each to a set.
func (e *Evaluator) Sets(ctx context.Context, exprs []string) ([]ipranges.Set, error) {
	var list []ipranges.Set
	for i, expr := range exprs {
		if i > 0 {
			if err := notAlone(exprs[i-1], expr); err != nil {
				return nil, err
			}
		}
		set, err := e.Set(ctx, expr)
		if err != nil {
			return nil, err
		}
		list = append(list, set)
	}
	return list, nil
}

// Set evaluates one expression.
func (e *Evaluator) Set(ctx context.Context, expr string) (ipranges.Set, error) {
	if expr == "" {
		return ipranges.Set{}, usage("a set has no name: write a tag, a prefix, or set.NAME")
	}
	if set, ok := strings.CutPrefix(expr, setPrefix); ok {
		return e.policySet(ctx, set)
	}
	kind, tag, ok := strings.Cut(expr, ":")
	if !ok || !isKind(kind) {
		r, err := ipranges.ParseRange(expr)
		switch {
		case err == nil:
			return ipranges.FromRanges(r)
		case ok && !strings.ContainsAny(tag, ":/") && strings.Trim(kind, "0123456789abcdefABCDEF") != "":
			return ipranges.Set{}, usage("%s: no kind of feed is called %q: choose one of %s", expr, kind, kindNames())
		case strings.ContainsAny(expr, "/:") || strings.ContainsAny(expr, ".-") && strings.Trim(expr, "0123456789.-") == "":
			return ipranges.Set{}, usage("%v", err)
		}
		kind, tag = e.Feeds.usual(), expr
	}
	n, err := e.tag(ctx, kind, e.Feeds.of(kind), tag)
	return n.Set, err
}

// setPrefix begins the name of a policy's set.
const setPrefix = "set."

// notAlone refuses an address and a mask, or another part of a range, as two expressions:
// as sets of their own they would be single addresses.
func notAlone(before, expr string) error {
	if _, err := netip.ParseAddr(before); err != nil {
		return nil
	}
	if expr == "-" {
		return usage("%s %s: write a range without blanks, such as 192.0.2.1-192.0.2.9", before, expr)
	}
	r, ok, err := ipranges.ParseLine(before+" "+expr, ipranges.ReadOptions{NoWords: true})
	if err == nil && ok && r.From() != r.To() {
		return usage("%s %s: write it in one word, %s", before, expr, ipranges.AppendRange(nil, r))
	}
	return nil
}

// catalog opens the feed that f means, once for each key.
func (e *Evaluator) catalog(ctx context.Context, key string, f Feeds) (*catalog.Catalog, error) {
	if c := e.opened[key]; c != nil {
		return c, nil
	}
	spec, err := f.Spec()
	if err != nil {
		return nil, err
	}
	c, err := e.Open(ctx, spec)
	if err != nil {
		return nil, err
	}
	if e.opened == nil {
		e.opened = map[string]*catalog.Catalog{}
	}
	e.opened[key] = c
	return c, nil
}

func (e *Evaluator) tag(ctx context.Context, key string, f Feeds, name string) (Named, error) {
	c, err := e.catalog(ctx, key, f)
	if err != nil {
		return Named{}, err
	}
	t, ok := c.Tag(name)
	if !ok {
		return Named{}, NoTag(c, name)
	}
	s, _ := c.Set(name)
	return Named{s, c, t}, nil
}

func (e *Evaluator) policySet(ctx context.Context, name string) (ipranges.Set, error) {
	if s, ok := e.sets[name]; ok {
		return s, nil
	}
	req, err := e.Policy(name)
	if err != nil {
		return ipranges.Set{}, err
	}
	req.Set = name
	declared := pipeline.Declared(req, "set")
	if len(declared) > 0 && !slices.Contains(declared, name) { // no feed would change that
		return ipranges.Set{}, noSet(name, declared)
	}
	res, err := pipeline.Compile(ctx, req)
	if err := e.Settle(res, err); err != nil {
		return ipranges.Set{}, err
	}
	s, ok := res.Program.Set(name)
	if !ok {
		return ipranges.Set{}, noSet(name, declared)
	}
	if e.sets == nil {
		e.sets = map[string]ipranges.Set{}
	}
	e.sets[name] = s.Set
	return s.Set, nil
}

// Complete returns the expressions that begin with typed: tags, ignoring case, and
// declared, the sets of the policy. It returns no tags of a feed that cannot be opened.
func (e *Evaluator) Complete(ctx context.Context, typed string, declared []string) []string {
	kind, tag, ok := strings.Cut(typed, ":")
	if !ok || !isKind(kind) {
		return e.CompleteName(ctx, typed, declared)
	}
	var list []string
	for _, name := range e.tags(ctx, kind, e.Feeds.of(kind), tag) {
		list = append(list, kind+":"+name)
	}
	return list
}

// CompleteName is Complete for the names that [Evaluator.Name] finds.
func (e *Evaluator) CompleteName(ctx context.Context, typed string, declared []string) []string {
	var list []string
	for _, name := range declared {
		if strings.HasPrefix(setPrefix+name, typed) {
			list = append(list, setPrefix+name)
		}
	}
	if strings.HasPrefix(typed, setPrefix) {
		return list
	}
	return append(list, e.tags(ctx, "", e.Feeds, typed)...)
}

// tags returns the names of tags that begin with a prefix, ignoring case.
func (e *Evaluator) tags(ctx context.Context, key string, f Feeds, prefix string) (names []string) {
	c, err := e.catalog(ctx, key, f)
	if err != nil {
		return nil
	}
	for t := range c.Tags() {
		if len(t.Name) >= len(prefix) && strings.EqualFold(t.Name[:len(prefix)], prefix) {
			names = append(names, t.Name)
		}
	}
	return names
}
