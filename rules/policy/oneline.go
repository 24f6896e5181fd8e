package policy

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// HCL allows one argument at most in a block on one line. People write several, so this file
// parses such lines: to show how to write them, and to check the arguments.

// oneLiner is a block that begins and ends on one line.
type oneLiner struct {
	header    hcl.Range // up to the brace
	arguments []lineArgument
}

type lineArgument struct {
	name, equals hclsyntax.Token
	value        hcl.Range // from after the equals sign to the next argument, without the separator
}

// oneLinerAt returns the last block that begins before at on its line, if the block has several
// arguments and nothing else.
func (c *compiler) oneLinerAt(at hcl.Pos) *oneLiner {
	first, _ := slices.BinarySearchFunc(c.tokens, at.Line, func(t hclsyntax.Token, line int) int { return t.Range.Start.Line - line })
	var block, found *oneLiner
	depth := 0
	for i := first; i < len(c.tokens) && c.tokens[i].Range.Start.Line == at.Line; i++ {
		t := c.tokens[i]
		switch t.Type {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenTemplateInterp:
			if depth++; depth == 1 && block != nil && t.Type == hclsyntax.TokenOBrace {
				block.header.End = t.Range.Start
			}
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenTemplateSeqEnd:
			if depth--; depth == 0 && block != nil {
				if c.endArgument(block, t.Range.Start) && len(block.arguments) > 1 && block.header.Start.Byte <= at.Byte {
					found = block
				}
				block = nil
			}
		case hclsyntax.TokenIdent:
			switch {
			case depth == 0 && block == nil:
				block = &oneLiner{header: t.Range}
			case depth == 1 && block != nil && i+1 < len(c.tokens) && c.tokens[i+1].Type == hclsyntax.TokenEqual:
				c.endArgument(block, t.Range.Start)
				block.arguments = append(block.arguments, lineArgument{name: t, equals: c.tokens[i+1], value: hcl.Range{Filename: c.f.name, Start: c.tokens[i+1].Range.End}})
			}
		}
	}
	return found
}

// endArgument ends the value of the last argument before end.
func (c *compiler) endArgument(b *oneLiner, end hcl.Pos) bool {
	if len(b.arguments) == 0 {
		return false
	}
	v := &b.arguments[len(b.arguments)-1].value
	text := c.chars[v.Start.Byte:end.Byte]
	v.End = end // the column is not used: parsing the text computes columns
	v.End.Byte = v.Start.Byte + len(bytes.TrimRight(text, " \t,;"))
	return true
}

// text is the block in valid syntax, over several lines.
func (b *oneLiner) text(src []byte) string {
	lines := []string{"  " + strings.TrimSpace(string(src[b.header.Start.Byte:b.header.End.Byte])) + " {"}
	for _, a := range b.arguments {
		lines = append(lines, fmt.Sprintf("    %s = %s", a.name.Bytes, bytes.TrimSpace(src[a.value.Start.Byte:a.value.End.Byte])))
	}
	return strings.Join(append(lines, "  }"), "\n")
}

// oneLinerBody is the block's body, or nil if it is not well formed.
func (c *compiler) oneLinerBody(b *oneLiner) *hclsyntax.Body {
	body := &hclsyntax.Body{Attributes: hclsyntax.Attributes{}}
	for _, a := range b.arguments {
		e, diags := hclsyntax.ParseExpression(c.chars[a.value.Start.Byte:a.value.End.Byte], c.f.name, a.value.Start)
		name := string(a.name.Bytes)
		if diags.HasErrors() || body.Attributes[name] != nil {
			return nil
		}
		body.Attributes[name] = &hclsyntax.Attribute{Name: name, Expr: e, SrcRange: hcl.RangeBetween(a.name.Range, e.Range()),
			NameRange: a.name.Range, EqualsRange: a.equals.Range}
	}
	return body
}
