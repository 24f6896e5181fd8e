package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"sallyport/diag"
)

// A policy accepts a warning in the block that the warning is about, with a reason:
//
//	rule "calls" {
//	  ...
//	  accept "open-cloud" { reason = "the hosts check who calls" }
//	}
//
// Accepted warnings stay in the list of diagnostics, and are not shown. Errors have no ID and
// cannot be accepted.

// acceptBlock is the type of these blocks.
const acceptBlock = "accept"

// Warnings are the warnings of this package: what each is about, by ID. IDs never change.
// Options.Warnings has the IDs of other packages.
var Warnings = map[string]string{
	"unused":       "nothing uses the block",
	"shadowed":     "earlier rules leave the rule nothing to decide",
	"unjudged":     "there are too many rules to find all that decide nothing",
	"family-gap":   "the rule has destinations of a family and no sources of it",
	"open-cloud":   "anyone can rent the addresses",
	"open-names":   "anyone can have a name that is listed",
	"idle-exclude": "what is excluded is not included",
	"no-address":   "the tag has host names and no address",
	"expired":      "the rule has expired and is left out",
	"expires-soon": "the rule expires within 14 days",
}

// Accept is one accept block of a policy.
type Accept struct {
	ID, Reason string
	Place      diag.Range // of the accept block
	Block      diag.Range // of the whole block that it is in
}

// Accepted returns the accept block for the warning with the ID at one of the places, or nil.
func Accepted(list []Accept, id string, places ...diag.Range) *Accept {
	for i := range list {
		a := &list[i]
		within := func(p diag.Range) bool {
			return !p.IsZero() && p.File == a.Block.File && a.Block.Start.Byte <= p.Start.Byte && p.Start.Byte < a.Block.End.Byte
		}
		if a.ID == id && id != "" && slices.ContainsFunc(places, within) {
			return a
		}
	}
	return nil
}

// acceptsOf returns the accept blocks in a body.
func acceptsOf(body *hclsyntax.Body) []*hclsyntax.Block {
	var list []*hclsyntax.Block
	for _, b := range body.Blocks {
		if b.Type == acceptBlock && b.Body != nil {
			list = append(list, b)
		}
	}
	return list
}

// accepts evaluates the accept blocks of all blocks into f.accepts.
func (c *compiler) accepts() {
	for _, kind := range blockKinds {
		for _, d := range c.f.decls[kind] {
			seen := map[string]bool{}
			for _, b := range acceptsOf(d.body) {
				a, ok := c.accept(d, b)
				switch {
				case !ok:
				case seen[a.ID]:
					c.error(b.DefRange(), fmt.Sprintf("%q is accepted twice", a.ID), "", "remove one of the two")
				default:
					seen[a.ID] = true
					c.f.accepts = append(c.f.accepts, a)
				}
			}
		}
	}
}

func (c *compiler) accept(d *decl, b *hclsyntax.Block) (Accept, bool) {
	const form = `write accept "ID" { reason = "..." }`
	out := Accept{Place: place(b.DefRange()), Block: place(d.whole)}
	ok := true
	if len(b.Labels) != 1 {
		c.error(b.DefRange(), fmt.Sprintf("accept takes the ID of a warning, and this has %s", counted(len(b.Labels), "label")), "", form)
		ok = false
	} else if out.ID = b.Labels[0]; !c.warningID(out.ID) {
		c.error(b.LabelRanges[0], fmt.Sprintf("there is no warning %.60q to accept", out.ID), "A warning's ID stands below it.",
			didYouMean("", out.ID, c.warningIDs()))
		ok = false
	}
	inner := &decl{kind: acceptBlock, name: out.ID, header: b.DefRange(), body: b.Body}
	ok = c.correctArguments(inner, blockSchema{labels: `accept "ID"`, args: []string{"reason"}}) && ok
	a := inner.attr("reason")
	if a == nil {
		if !c.mayLack(inner, "reason") {
			c.error(b.DefRange(), "accept has no reason", "Whoever reads the policy later has to know why.", `say why: reason = "..."`)
		}
		return out, false
	}
	reason, good := c.text(a)
	if out.Reason = strings.TrimSpace(reason); good && out.Reason == "" {
		c.error(a.Expr.Range(), "the reason is empty", "Whoever reads the policy later has to know why.", "say why")
		good = false
	}
	return out, ok && good
}

func (c *compiler) warningID(id string) bool { return slices.Contains(c.warningIDs(), id) }

// warningIDs returns the IDs of all warnings, sorted.
func (c *compiler) warningIDs() []string {
	list := slices.Clone(c.f.opt.Warnings)
	for id := range Warnings {
		list = append(list, id)
	}
	slices.Sort(list)
	return list
}

// accepted reports whether d accepts the warning.
func (c *compiler) accepted(d *decl, id string) bool {
	return Accepted(c.f.accepts, id, place(d.header)) != nil
}

// acceptArgument reports accept written as an argument, where it can be a block.
func (c *compiler) acceptArgument(a *hclsyntax.Attribute, couldBe bool) bool {
	if a.Name != acceptBlock || !couldBe {
		return false
	}
	c.error(a.NameRange, "accept is a block", "", `write accept "ID" { reason = "..." }`)
	return true
}
