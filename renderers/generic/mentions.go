package generic

import (
	"slices"
	"text/template"
	"text/template/parse"
)

// mentions reports whether a template uses the field anywhere, as .Sets or $set.Hosts.
// Whether it does something sensible with it is its author's to say.
func mentions(t *template.Template, field string) bool {
	return slices.ContainsFunc(t.Templates(), func(t *template.Template) bool {
		return t.Tree != nil && nodeMentions(t.Root, field)
	})
}

func nodeMentions(n parse.Node, field string) bool {
	switch n := n.(type) {
	case *parse.FieldNode:
		return slices.Contains(n.Ident, field)
	case *parse.VariableNode:
		return slices.Contains(n.Ident[1:], field)
	case *parse.ChainNode:
		return slices.Contains(n.Field, field) || nodeMentions(n.Node, field)
	case *parse.ListNode:
		return n != nil && anyMentions(n.Nodes, field)
	case *parse.PipeNode:
		return n != nil && anyMentions(n.Cmds, field)
	case *parse.CommandNode:
		return anyMentions(n.Args, field)
	case *parse.ActionNode:
		return nodeMentions(n.Pipe, field)
	case *parse.TemplateNode:
		return nodeMentions(n.Pipe, field)
	case *parse.IfNode:
		return branchMentions(&n.BranchNode, field)
	case *parse.RangeNode:
		return branchMentions(&n.BranchNode, field)
	case *parse.WithNode:
		return branchMentions(&n.BranchNode, field)
	}
	return false
}

func branchMentions(n *parse.BranchNode, field string) bool {
	return nodeMentions(n.Pipe, field) || nodeMentions(n.List, field) || nodeMentions(n.ElseList, field)
}

func anyMentions[N parse.Node](list []N, field string) bool {
	return slices.ContainsFunc(list, func(n N) bool { return nodeMentions(n, field) })
}
