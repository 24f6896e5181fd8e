package policy

import (
	"bytes"
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// MaxSize is the maximum size of a policy in bytes. Callers of Load pass at least one byte
// more of a larger policy.
const MaxSize = 1 << 20

// Limits of a policy. HCL's parser and evaluator are recursive, and Go cannot recover from a
// stack overflow. So nesting is counted in the tokens, before the parser gets them.
const (
	maxNesting   = 50   // levels of brackets, braces and parentheses
	maxOperators = 2000 // in the whole file; each can be a level of its own
	maxDigits    = 40   // of a number
	maxText      = 2048 // bytes of a string value: templates multiply them
	// maxRules is the maximum number of rules in all targets together, and maxRanges that of
	// ranges in all sets that are made of others: a short policy can use large sets many
	// times.
	maxRules  = 500_000
	maxRanges = 8_000_000
	// maxHints is how many unknown tags get a suggestion.
	maxHints = 25
	// loopWork limits the evaluation of for expressions, in bytes of evaluated source. A
	// policy without them needs at most three times its size.
	loopWork = 1 << 20
)

// checkSize reports whether the source is within the limits of the parser.
func (c *compiler) checkSize() bool {
	if c.f.tooLong {
		c.error(c.placeAt(0, 0),
			fmt.Sprintf("the policy is too long: it has more than %d MiB", MaxSize>>20), "",
			`keep long lists of addresses in files of their own, each in a feed with kind = "text" and file = "lan.txt"`)
		return false
	}
	c.chars = bytes.Clone(c.f.src)
	if !c.checkText(c.f.wrong, c.f.wrongAt) {
		return false
	}
	c.tokens = c.scan()
	if r, what, fix := tooDeep(c.tokens); what != "" {
		c.error(r, what, "", fix)
		return false
	}
	return true
}

// tooDeep finds the first token that exceeds a limit, and says what it is and what to write
// instead.
func tooDeep(tokens hclsyntax.Tokens) (r hcl.Range, what, fix string) {
	const simpler = "write it more simply, or split it into several blocks"
	depth, operators := 0, 0
	var last hclsyntax.TokenType
	for _, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenOBrack:
			switch last { // then the bracket is an index and no list
			case hclsyntax.TokenIdent, hclsyntax.TokenCBrack, hclsyntax.TokenCBrace, hclsyntax.TokenCParen, hclsyntax.TokenCQuote:
				operators++
			}
			depth++
		case hclsyntax.TokenOBrace, hclsyntax.TokenOParen, hclsyntax.TokenTemplateInterp:
			depth++
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenTemplateSeqEnd:
			depth = max(depth-1, 0)
		case hclsyntax.TokenTemplateControl:
			return t.Range, "template directives are not part of the policy language", "write ${var.NAME} in the string for what changes"
		case hclsyntax.TokenNumberLit:
			// Exponents make short numbers that take long to print.
			if len(t.Bytes) > maxDigits || hasExponent(t.Bytes) {
				return t.Range, "this number is not one that a policy needs", "write plain digits"
			}
		case hclsyntax.TokenIdent, hclsyntax.TokenDot, hclsyntax.TokenComma, hclsyntax.TokenEqual, hclsyntax.TokenColon,
			hclsyntax.TokenOQuote, hclsyntax.TokenCQuote, hclsyntax.TokenQuotedLit, hclsyntax.TokenStringLit,
			hclsyntax.TokenOHeredoc, hclsyntax.TokenCHeredoc, hclsyntax.TokenComment, hclsyntax.TokenNewline, hclsyntax.TokenEOF:
		default:
			operators++
		}
		switch {
		case depth > maxNesting:
			return t.Range, fmt.Sprintf("brackets are nested more than %d deep", maxNesting), simpler
		case operators > maxOperators:
			return t.Range, fmt.Sprintf("there are more than %d operators", maxOperators), simpler
		}
		if t.Type != hclsyntax.TokenNewline && t.Type != hclsyntax.TokenComment {
			last = t.Type
		}
	}
	return hcl.Range{}, "", ""
}

func hasExponent(number []byte) bool {
	for _, b := range number {
		if b == 'e' || b == 'E' {
			return true
		}
	}
	return false
}

// spendRules counts n more rules in a target's plan.
func (c *compiler) spendRules(n int, r hcl.Range) {
	before := c.carried
	if c.carried += n; before <= maxRules && c.carried > maxRules {
		c.error(r, fmt.Sprintf("the targets carry more than %d rules together", maxRules), "Each target that does not say which rules it has carries all rules of the policy.",
			"say in the targets which rules they have, or divide the policy")
	}
}

// spendRanges counts n more ranges in sets, and reports whether that is within the limit.
func (c *compiler) spendRanges(n int, r hcl.Range) bool {
	before := c.ranges
	if c.ranges += n; before <= maxRanges && c.ranges > maxRanges {
		c.error(r, fmt.Sprintf("the sets of this policy come to more than %d ranges together", maxRanges), "Each set that is made of others has a copy of their addresses.",
			"put what many sets share into one, and let the rules list both")
	}
	return c.ranges <= maxRanges
}

// spend subtracts n from the remaining work, for evaluating r, and reports whether there was
// enough.
func (c *compiler) spend(n int, r hcl.Range) bool {
	if c.work < 0 {
		return false
	}
	c.work -= n
	if c.work < 0 {
		c.error(r, "evaluating this policy takes too long", "Lists made by for expressions grow by multiplication.",
			"write the lists out, or make them shorter")
		return false
	}
	return true
}
