package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"sallyport/diag"
)

// Deploy says that the output of a target is loaded on the machine that sallyport runs on,
// and how. Commands are argument lists and never go through a shell; "{}" in an argument is
// the path of the file. A nil list means the command of the target's kind.
type Deploy struct {
	Name, Target string
	Check        []string      // exits with 0 if the files can be loaded, and changes nothing
	Load         []string      // loads the files in place of what was loaded before
	State        []string      // prints what is loaded: the same lines if it is the same
	Remove       []string      // takes away what was loaded
	Timeout      time.Duration // of each command
	Confirm      time.Duration // how long a load may stay unconfirmed
	Repair       bool          // load again what somebody changed on the machine
	Place        diag.Range
}

// Times of a deploy block without timeout and confirm, and the longest that they can be.
const (
	defaultTimeout = time.Minute
	defaultConfirm = 5 * time.Minute
	mostTimeout    = time.Hour
	mostConfirm    = 24 * time.Hour
)

// evalDeploys evaluates the deploy blocks.
func (c *compiler) evalDeploys(p *Program) {
	first := map[string]*decl{}
	for _, d := range c.f.decls["deploy"] {
		out, ok := c.deploy(d)
		if other := first[out.Target]; other != nil && out.Target != "" {
			c.error(d.header, fmt.Sprintf("two deploys load target %s", out.Target), "The second would take away what the first has loaded.",
				"remove one of them", at(other.header, "the first is here"))
			ok = false
		}
		if first[out.Target] == nil {
			first[out.Target] = d
		}
		if ok && !d.broken && !d.repeated {
			p.Deploys = append(p.Deploys, out)
		}
	}
}

func (c *compiler) deploy(d *decl) (Deploy, bool) {
	out := Deploy{Name: d.name, Place: place(d.header)}
	_, known := c.textOr(d, "description", "")
	ok := func(good bool) { known = known && good }
	kind, good := c.deployTarget(d, &out)
	ok(good)
	for _, arg := range []struct {
		name string
		to   *[]string
	}{{"check", &out.Check}, {"load", &out.Load}, {"state", &out.State}, {"remove", &out.Remove}} {
		if a := d.attr(arg.name); a != nil {
			*arg.to, good = c.command(a)
			ok(good)
		}
	}
	if kind != nil && !kind.Loads && d.attr("load") == nil {
		ok(c.need(d, "load", `name the command that loads it on this machine: load = ["PROGRAM", "{}"], where {} is the file`) != nil)
	}
	out.Timeout, good = c.span(d, "timeout", defaultTimeout, mostTimeout)
	ok(good)
	out.Confirm, good = c.span(d, "confirm", defaultConfirm, mostConfirm)
	ok(good)
	drift, good := c.textOr(d, "drift", "report")
	ok(good)
	if good && drift != "report" && drift != "repair" {
		c.error(d.attr("drift").Expr.Range(), fmt.Sprintf("drift is report or repair, and this is %.60q", drift),
			"Drift is what somebody changed on the machine since the last load.", didYouMean("", drift, []string{"report", "repair"}))
		ok(false)
	}
	out.Repair = drift == "repair"
	return out, known
}

// deployTarget evaluates target = target.NAME; the kind is nil if it is not known.
func (c *compiler) deployTarget(d *decl, out *Deploy) (*TargetKind, bool) {
	a := c.need(d, "target", "name the target that is loaded here: target = target.NAME")
	if a == nil {
		return nil, false
	}
	t, ok := a.Expr.(*hclsyntax.ScopeTraversalExpr)
	if !ok {
		c.error(a.Expr.Range(), "a single target belongs here", "", "write target = target.NAME, without quotes")
		return nil, false
	}
	target := c.lookup(t.Traversal, "target")
	if target == nil {
		return nil, false
	}
	out.Target = target.name
	if c.f.opt.Kinds == nil {
		return nil, true
	}
	kind, ok := c.f.opt.Kinds(target.target)
	return &kind, ok
}

// command evaluates an argument list.
func (c *compiler) command(a *hclsyntax.Attribute) ([]string, bool) {
	if e, text := a.Expr.(*hclsyntax.TemplateExpr); text {
		c.error(a.Expr.Range(), a.Name+" is a list of arguments, and this is a string", "Commands do not go through a shell.",
			fmt.Sprintf("write %s = [%s]", a.Name, quotedWords(e)))
		return nil, false
	}
	list, ok := c.texts(a, "an argument of a command")
	if i := slices.IndexFunc(list, func(s string) bool { return strings.ContainsRune(s, 0) }); ok && i >= 0 {
		c.error(a.Expr.Range(), fmt.Sprintf("argument %d of %s has a zero byte, which no command can get", i+1, a.Name), "", "remove it")
		return nil, false
	}
	return list, ok
}

// quotedWords is the text of e as the elements of a list, for a fix.
func quotedWords(e *hclsyntax.TemplateExpr) string {
	v, diags := e.Value(nil)
	if diags.HasErrors() || len(v.AsString()) >= maxQuoted || strings.ContainsAny(v.AsString(), "'\"\\") {
		return `"PROGRAM", "{}"`
	}
	words := strings.Fields(v.AsString())
	for i, w := range words {
		words[i] = fmt.Sprintf("%q", w)
	}
	return strings.Join(words, ", ")
}

// span evaluates a time that is more than nothing.
func (c *compiler) span(d *decl, name string, def, most time.Duration) (time.Duration, bool) {
	a := d.attr(name)
	if a == nil {
		return def, true
	}
	s, ok := c.text(a)
	if !ok {
		return 0, false
	}
	v, err := parseDuration(s)
	switch {
	case err != nil:
		c.error(a.Expr.Range(), fmt.Sprintf("%.60q is no time", s), "", `write a number with its unit: "30s", "5m"`)
	case v < time.Second || v > most:
		c.error(a.Expr.Range(), fmt.Sprintf("%s is a time from 1s to %s", name, most), "", fmt.Sprintf("leave it out for %s", def))
	default:
		return v, true
	}
	return 0, false
}
