package pfsense

import (
	"fmt"
	"path"
	"strings"

	"sallyport/renderers"
	"sallyport/rules"
)

// view is what the templates see. Every string in it is made here from words that
// the policy language has checked, or passed through renderers.Clean and comment.
type view struct {
	Header    []string
	File      string // the main file's name
	Config    string // merge: what was read
	Owner     string // begins the description of all that is ours
	Interface string
	Place     string // merge: where the rules went
	Every     string
	Fetched   bool
	Tables    []table
	Kept      []table // urltable: aliases of what rules deny
	Hosts     []table // urltable: aliases of names
	Like      string  // merge: what our rules do besides passing
	Ports     []table
	Aliases   string // elements, two levels in
	Rules     string
	RuleList  []string // in words, in order
}

// table is one alias for the instructions.
type table struct {
	Name, File, URL string
}

func (r *renderer) view(p *rules.Plan, o *objects) *view {
	v := &view{File: renderers.XMLComment(path.Base(r.env.Path)), Config: renderers.XMLComment(r.opt.Config), Owner: strings.TrimSuffix(r.owner(), " "),
		Interface: r.opt.Interface, Every: every(r.opt.UpdateDays), Place: renderers.XMLComment(r.placeWords()), Like: renderers.XMLComment(r.treatment("pass").String())}
	for _, l := range renderers.Header(p) {
		v.Header = append(v.Header, renderers.XMLComment(l))
	}
	for _, a := range o.aliases {
		if a.kind == kindPort {
			v.Ports = append(v.Ports, table{Name: a.name})
			continue
		}
		if a.kind == kindHost && r.opt.Form == formURLTable {
			v.Hosts = append(v.Hosts, table{Name: a.name})
			continue
		}
		t := table{Name: a.name, URL: renderers.XMLComment(a.url), File: renderers.XMLComment(path.Base(r.setPath(a.name)))}
		if a.kind == kindNetwork && r.opt.Form == formURLTable {
			v.Kept = append(v.Kept, t)
			continue
		}
		v.Fetched = v.Fetched || a.url != ""
		v.Tables = append(v.Tables, t)
	}
	v.RuleList = r.ruleList(o)
	v.Aliases, v.Rules = r.aliasElements(o), r.ruleElements(o)
	return v
}

// ruleList is the rules in words. The notes of a plan's rule stand beside the first of
// those that it becomes, and not in their descriptions: trackers come from these.
func (r *renderer) ruleList(o *objects) []string {
	var list []string
	for i, f := range o.rules {
		words := strings.TrimPrefix(f.descr, r.owner())
		if note := renderers.RuleNote(f.origin); note != "" && (i == 0 || o.rules[i-1].origin != f.origin) {
			words += "  # " + renderers.XMLComment(note)
		}
		list = append(list, words)
	}
	return list
}

func every(days int) string {
	if days == 1 {
		return "every day"
	}
	return fmt.Sprintf("every %d days", days)
}

// place says where a merge puts the rules.
func (r *renderer) placeWords() string {
	switch {
	case r.opt.Before != "":
		return fmt.Sprintf("before rule %q", r.opt.Before)
	case r.opt.After == "":
		return "which had none"
	}
	return fmt.Sprintf("after rule %q", r.opt.After)
}

// elements writes XML as pfSense does (xmlparse.inc, dump_xml_config_sub): a tab
// for each level, and no self-closing tags. What it is given needs no escaping.
type elements struct {
	strings.Builder
	level int
}

func (e *elements) line(text string) {
	for range e.level {
		e.WriteByte('\t')
	}
	e.WriteString(text)
	e.WriteByte('\n')
}

func (e *elements) leaf(name, text string) { e.raw(name, escaper.Replace(text)) }

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// cdata writes text that checkDescription has held to what a CDATA section can hold.
func (e *elements) cdata(name, text string) {
	if text != "" {
		text = "<![CDATA[" + text + "]]>"
	}
	e.raw(name, text)
}

func (e *elements) raw(name, text string) { e.line("<" + name + ">" + text + "</" + name + ">") }

func (e *elements) open(name string)  { e.line("<" + name + ">"); e.level++ }
func (e *elements) close(name string) { e.level--; e.line("</" + name + ">") }

// aliasElements is the aliases, ready to stand in <aliases>.
func (r *renderer) aliasElements(o *objects) string {
	e := elements{level: 2}
	for _, a := range o.aliases {
		e.alias(r, a)
	}
	return e.String()
}

func (e *elements) alias(r *renderer, a *alias) {
	e.open("alias")
	e.leaf("name", a.name)
	e.leaf("type", a.kind)
	inline := a.kind != kindURLTable && !r.pasted(a)
	switch {
	case a.kind == kindURLTable:
		e.leaf("url", a.url)
		e.leaf("updatefreq", fmt.Sprint(r.opt.UpdateDays))
		e.leaf("address", a.url)
	case inline:
		e.leaf("address", a.addresses())
	}
	e.cdata("descr", a.descr)
	if inline {
		e.cdata("detail", noDetails(a.entries()))
	}
	e.close("alias")
}

// noDetails is n empty descriptions, as pfSense joins them.
func noDetails(n int) string { return strings.Repeat("||", n-1) }

// ruleElements is the rules, ready to stand in <filter>.
func (r *renderer) ruleElements(o *objects) string {
	e := elements{level: 2}
	for _, f := range o.rules {
		e.rule(r, f)
	}
	return e.String()
}

func (e *elements) rule(r *renderer, f *filterRule) {
	e.open("rule")
	e.leaf("id", "")
	e.leaf("tracker", fmt.Sprint(f.tracker))
	e.leaf("type", f.action)
	e.leaf("interface", r.opt.Interface)
	e.leaf("ipprotocol", f.family)
	t := r.treatment(f.action)
	if t.value("statetype") == "" {
		e.cdata("statetype", ordinaryState)
	}
	for _, x := range t { // as the user's rule has it
		e.line(string(r.config.data[x.node.Start:x.node.End]))
	}
	if f.protocol != "" {
		e.leaf("protocol", f.protocol)
	}
	if f.icmp != "" {
		e.leaf("icmptype", f.icmp)
	}
	e.side("source", f.from, "")
	e.side("destination", f.to, f.port)
	if f.log {
		e.leaf("log", "")
	}
	e.cdata("descr", f.descr)
	e.close("rule")
}

func (e *elements) side(name, alias, port string) {
	e.open(name)
	if alias == "" {
		e.leaf("any", "")
	} else {
		e.leaf("address", alias)
	}
	if port != "" {
		e.leaf("port", port)
	}
	e.close(name)
}
