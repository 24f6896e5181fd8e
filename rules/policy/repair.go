package policy

import (
	"bytes"
	"math"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// maxRepairs is how often a source is scanned again.
const maxRepairs = 10

// scan splits the source into tokens. A wrong character, such as an unclosed quote, would make
// the rest of the file meaningless. So scan reports each, and repairs it in c.chars.
// Replacements have the same length, so that places stay valid.
func (c *compiler) scan() hclsyntax.Tokens {
	c.trust = math.MaxInt // also trust what HCL reports at the end of the file
	tokens, first := c.lex(), math.MaxInt
	for turn := 0; turn < maxRepairs; turn++ {
		switch {
		case c.mendQuotes(tokens), c.mendForeign(tokens):
		default:
			open, found := unclosedString(tokens)
			if !found {
				turn = maxRepairs
				continue
			}
			c.error(open, "this string is not closed", "A string ends on the line on which it begins.", `put a quote " at its end`)
			c.damaged = append(c.damaged, open)
			c.f.partial = true
			first = min(first, open.Start.Byte)
			c.closeString(open)
		}
		tokens = c.lex()
	}
	if _, more := unclosedString(tokens); more || unbalanced(tokens) {
		c.trust = first // the guess where a string ends was wrong
	}
	return tokens
}

// lex ignores mistakes, because the parser reports them too.
func (c *compiler) lex() hclsyntax.Tokens {
	tokens, _ := hclsyntax.LexConfig(c.chars, c.f.name, hcl.InitialPos)
	return tokens
}

// unbalanced reports brackets without their counterparts.
func unbalanced(tokens hclsyntax.Tokens) bool {
	depth := 0
	for _, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenOBrack, hclsyntax.TokenOBrace, hclsyntax.TokenOParen:
			depth++
		case hclsyntax.TokenCBrack, hclsyntax.TokenCBrace, hclsyntax.TokenCParen:
			if depth--; depth < 0 {
				return true
			}
		}
	}
	return depth != 0
}

// mendQuotes replaces other kinds of quotes, in pairs on each line, and reports the first of
// each line.
func (c *compiler) mendQuotes(tokens hclsyntax.Tokens) bool {
	line, n, any := 0, 0, false
	for _, t := range tokens {
		r, size := utf8.DecodeRune(t.Bytes)
		if t.Type != hclsyntax.TokenApostrophe && (t.Type != hclsyntax.TokenInvalid || foreign[r].plain != `"`) {
			continue
		}
		if t.Range.Start.Line != line {
			line, n = t.Range.Start.Line, 0
			if t.Type == hclsyntax.TokenApostrophe {
				c.error(t.Range, "invalid character: strings stand in double quotes", "", `write the plain quote " in place of '`)
			} else {
				c.error(t.Range, "invalid character: "+describeRune(r), "Programs that lay out documents put it in the place of the plain one.", foreignFix(r))
			}
		}
		at := c.chars[t.Range.Start.Byte : t.Range.Start.Byte+size]
		for i := range at {
			at[i] = ' '
		}
		if n%2 == 0 {
			at[len(at)-1] = '"'
		} else {
			at[0] = '"'
		}
		n, any = n+1, true
	}
	c.f.partial = c.f.partial || any
	return any
}

// mendForeign replaces other characters that are not in the language.
func (c *compiler) mendForeign(tokens hclsyntax.Tokens) bool {
	line, any := 0, false
	for _, t := range tokens {
		if t.Type != hclsyntax.TokenInvalid {
			continue
		}
		r, size := utf8.DecodeRune(t.Bytes)
		f, known := foreign[r]
		if t.Range.Start.Line != line {
			line = t.Range.Start.Line
			c.error(t.Range, "invalid character: "+describeRune(r), "", foreignFix(r))
			if !known {
				c.damaged = append(c.damaged, t.Range)
			}
		}
		at := c.chars[t.Range.Start.Byte : t.Range.Start.Byte+size]
		for i := range at {
			at[i] = ' '
		}
		if len(f.plain) == 1 {
			copy(at, f.plain)
		}
		any = true
	}
	c.f.partial = c.f.partial || any
	return any
}

// unclosedString finds the first string that does not end on its line.
func unclosedString(tokens hclsyntax.Tokens) (open hcl.Range, found bool) {
	for _, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenOQuote:
			open = t.Range
		case hclsyntax.TokenQuotedNewline:
			open.End = t.Range.Start
			return open, true
		}
	}
	return open, false
}

// closeString replaces the last character of an unclosed string by a quote. The string ends
// before the brackets, the comma and the comment at the end of the line.
func (c *compiler) closeString(open hcl.Range) {
	s := c.chars[open.Start.Byte:open.End.Byte]
	for _, mark := range []string{" #", " //", " /*"} {
		if i := bytes.Index(s, []byte(mark)); i > 0 {
			s = s[:i]
		}
	}
	if text := bytes.TrimRight(s, " \t\r])},"); len(text) > 1 {
		s = text
	} else {
		s = bytes.TrimRight(s, " \t\r")
	}
	if len(s) < 2 { // only a quote
		s[0] = '0'
		return
	}
	_, size := utf8.DecodeLastRune(s)
	for i := range size {
		s[len(s)-1-i] = ' '
	}
	for i := len(s) - size - 1; i > 0 && s[i] == '\\'; i-- { // a backslash would escape the quote
		s[i] = ' '
	}
	s[len(s)-1] = '"'
}
