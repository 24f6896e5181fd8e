// Package pfsense renders plans for pfSense: URL tables with the aliases and rules
// that use them, bulk-import text, or a merge into the user's own config.xml.
//
// Every address set is one alias that mixes families, every service's TCP and UDP
// ports one port alias each; a rule of a policy becomes one rule per service and
// protocol, for IPv4, IPv6 or both, on one interface. The three forms write the
// same aliases and rules; they differ in how the addresses get there:
//
//	urltable  a text file per set, fetched by pfSense, and the rest as XML to copy
//	import    a text file per set to paste into Bulk Import, and the rest as XML
//	merge     the user's config.xml with our part in it and all else byte-equal
//
// Our objects are recognised by their description, "sallyport TARGET: ...", with
// the tracker or name that goes with it (ours.go).
//
// Quirks, from pfSense's own source (filter.inc, util.inc, xmlparse.inc; config
// version 20 to 24, looked up 2026-11):
//   - Restoring a section replaces the whole section. So the XML of the first two
//     forms has a root of its own, which the restore page refuses.
//   - Rules run as floating, then interface groups, then interfaces, whatever their
//     order in the file; within an interface the file's order decides.
//   - A literal IPv4 address in a rule for inet46 makes pf refuse the rule set:
//     addresses are always aliases, which pf takes for either family.
//   - There is no port 0: pfSense blocks it before all rules, and an element with
//     the value 0 means any port. ICMP types go by name, and codes cannot be said.
//   - ICMPv6 types 1, 2, 135 and 136 pass before all rules, so no rule denies them.
//   - A table of 0.0.0.0/0 is written as its two halves.
//   - Certificates of the servers of URL tables are checked only if a setting says so
//     (alias-utils.inc, checkaliasesurlcert).
//   - An alias's range of ports has a colon, a rule's a dash.
//   - A rule with a URL table that has not been fetched is left out, with a notice
//     (filter.inc, filter_generate_user_rule, "Unresolvable destination alias",
//     2026-11-30): an allow fails closed, a denial would not, so that what rules deny is
//     never in a URL table.
//   - The table of an alias of names is empty until filterdns has resolved them, and
//     empty tables match nothing (filter.inc, filter_generate_aliases, 2026-11-23).
package pfsense

import (
	"fmt"
	"io/fs"
	"strings"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// Options are the target's options in a policy.
type Options struct {
	Form         string   `policy:"form" doc:"urltable: files that pfSense fetches; import: text for Bulk Import; merge: your config.xml with our part in it"`
	Interface    string   `policy:"interface" doc:"the interface or group that callers are behind, as config.xml names it: lan, opt1"`
	URL          string   `policy:"url" doc:"urltable, and merge if you like: the https folder that the files are served under"`
	Insecure     bool     `policy:"insecure" doc:"allow http, or https with an unchecked certificate: whoever is on the path can then open the firewall"`
	UpdateDays   int      `policy:"update_days" doc:"how often pfSense fetches a URL table, in days: 1 to 128"`
	Prefix       string   `policy:"prefix" doc:"begins the name of every alias, to keep them apart from yours"`
	Config       string   `policy:"config" doc:"merge: your config.xml, relative to the policy's folder"`
	Before       string   `policy:"before" doc:"merge: put the rules before this rule of the interface, named by tracker or description; not needed where the interface has no rule"`
	After        string   `policy:"after" doc:"merge: put the rules after this rule"`
	Like         string   `policy:"like" doc:"merge: our rules that pass get the gateway, tag, limiters, queues and other advanced options of this rule of yours, named by tracker or description"`
	Accept       []string `policy:"accept" doc:"merge: rules of yours, by tracker or description: earlier ones that may decide otherwise than ours, and later ones whose gateway, tag and the like traffic may lose to ours"`
	AliasEntries int      `policy:"alias_entries" doc:"import, merge and names: the most entries of an alias"`
	TableEntries int      `policy:"table_entries" doc:"Firewall Maximum Table Entries of your pfSense; our tables have to fit in twice"`
}

// Forms of the output.
const (
	formURLTable = "urltable"
	formImport   = "import"
	formMerge    = "merge"
)

var info = renderers.Info{
	Name:    "pfsense",
	Title:   "pfSense",
	Summary: "pfSense: URL tables with aliases and rules, bulk-import text, or a merge into your config.xml",
	Caps: rules.Caps{
		Families: rules.BothFamilies,
		Verdicts: []rules.Verdict{rules.Allow, rules.Deny},
		Defaults: []rules.Verdict{rules.Continue},
		Sources:  true, Names: true, Ports: true, ICMP: true, Protocols: true, Reject: true, Log: true,
		// pf.c, pf_walk_header6 (FreeBSD, looked up 2026-11).
		Unmatched: map[ipranges.Family]map[rules.Protocol]string{ipranges.IPv6: {rules.AH: "pf looks past an authentication header, and judges what stands behind it"}},
	},
	Load:       renderers.PerFamily, // of the default form: the last limits speak of the others
	Placements: []string{formURLTable, formImport, formMerge},
	Limits: []renderers.Limit{
		{Name: "name of an alias", Value: "31 characters of A-Z, a-z, 0-9 and _", Source: "util.inc, is_validaliasname"},
		{Name: "entries of an alias that can be edited", Value: "5,000", Source: "alias-utils.inc, max_alias_addresses", Option: "alias_entries"},
		{Name: "entries of all tables, which have to fit in twice", Value: "400,000", Source: "globals.inc, minimumtableentries_bogonsv6; Netgate, Alias Sizing Concerns", Option: "table_entries"},
		{Name: "refresh of the names of an alias", Value: "300 seconds", Source: "filter.inc, filterdns; System > Advanced > Firewall & NAT, Aliases Hostnames Resolve Interval"},
		{Name: "description of an entry", Value: "199 characters", Source: "firewall_aliases_import.php"},
		{Name: "update of a URL table", Value: "1 to 128 days", Source: "firewall_aliases_edit.php"},
		{Name: "URL tables", Value: "for what rules allow; what a rule denies stands in the configuration", Source: "filter.inc, filter_generate_user_rule: a rule without its table is left out"},
		{Name: `loading with form = "import"`, Value: "additive: an import refuses names that exist, and what left the plan is yours to delete", Source: "firewall_aliases_import.php", Option: "form"},
		{Name: `loading with form = "merge"`, Value: "one restore, equal to a fresh one, with a restart in between", Source: "Netgate, Restoring from Backups", Option: "form"},
		{Name: "loading of host names and rules, but with merge", Value: "made by hand, once; a change of them as well", Source: "a URL table takes no names", Option: "form"},
	},
	Extension: ".xml",
}

// Kind is the target as policies name it.
func Kind() renderers.Kind {
	return renderers.Define(info, Options{Form: formURLTable, Interface: "lan", UpdateDays: 1, Prefix: "sp_",
		AliasEntries: 5000, TableEntries: 400_000}, build)
}

type renderer struct {
	opt    Options
	env    renderers.Env
	base   string     // of the output path, without .xml
	config *config    // merge
	at     place      // merge
	like   *theirRule // merge: the rule whose treatment ours get, or nil
}

func build(opt Options, env renderers.Env) (*renderers.Target, error) {
	r := &renderer{opt: opt, env: env, base: strings.TrimSuffix(env.Path, info.Extension)}
	var all renderers.Mistakes
	r.checkForm(&all)
	r.checkWords(&all)
	plain := len(all) == 0
	all.Add(r.checkURL())
	r.checkNumbers(&all)
	all.Add(r.readConfig())
	if plain && (r.config != nil || r.opt.Form != formMerge) {
		all.Add(r.readPlace())
		all.Add(r.readLike())
	}
	return &renderers.Target{Renderer: r, Claims: r.claims()}, all.Err()
}

// owner begins the description of everything that is ours.
func (r *renderer) owner() string { return "sallyport " + r.env.Name + ": " }

// fetched reports whether pfSense fetches the sets as URL tables.
func (r *renderer) fetched() bool {
	return r.opt.Form == formURLTable || r.opt.Form == formMerge && r.opt.URL != ""
}

// Render implements renderers.Renderer.
func (r *renderer) Render(p *rules.Plan) ([]renderers.File, error) {
	o, err := r.objects(p)
	if err != nil {
		return nil, err
	}
	if err := r.checkCounts(p, o); err != nil {
		return nil, err
	}
	if r.opt.Form == formMerge {
		return r.renderMerge(p, o)
	}
	o.track(nil)
	main, err := r.execute(r.opt.Form+".xml.tmpl", r.view(p, o))
	if err != nil {
		return nil, err
	}
	first := file(r.env.Path, main)
	first.On, first.Hand = "pfSense", "serve the .txt files under the url, then make the aliases and rules that {} lists"
	if r.opt.Form == formImport {
		first.Hand = "paste each .txt file at Firewall > Aliases > IP > Import, then make the rules that {} lists"
	}
	return append([]renderers.File{first}, r.setFiles(p, o)...), nil
}

func (r *renderer) renderMerge(p *rules.Plan, o *objects) ([]renderers.File, error) {
	merged, err := r.merge(o)
	if err != nil {
		return nil, err
	}
	steps, err := r.execute("merge.txt.tmpl", r.view(p, o))
	if err != nil {
		return nil, err
	}
	main := file(r.env.Path, merged)
	main.From = r.opt.Config
	main.On, main.Hand = "pfSense", "restore {} at Diagnostics > Backup & Restore, as its .steps.txt says"
	files := []renderers.File{main, file(r.base+".steps.txt", steps)}
	if r.fetched() {
		files = append(files, r.setFiles(p, o)...)
	}
	return files, nil
}

func file(path string, data []byte) renderers.File {
	return renderers.File{Path: path, Mode: fs.FileMode(0o644), Data: data}
}

// setPath is where the addresses of an alias go.
func (r *renderer) setPath(alias string) string { return r.base + "." + alias + ".txt" }

// pasted reports whether the entries of a are in a file for Bulk Import, which takes
// prefixes and host names.
func (r *renderer) pasted(a *alias) bool {
	return r.opt.Form == formImport && a.kind != kindPort || r.opt.Form == formURLTable && a.kind == kindNetwork
}

// setFiles are the lists of addresses or names. Bulk Import knows no comments, so only
// URL tables begin with a header.
func (r *renderer) setFiles(p *rules.Plan, o *objects) []renderers.File {
	var files []renderers.File
	for _, a := range o.aliases {
		if a.kind != kindURLTable && !r.pasted(a) {
			continue
		}
		if a.kind == kindHost {
			files = append(files, file(r.setPath(a.name), []byte(strings.Join(a.hosts, "\n")+"\n")))
			continue
		}
		var b []byte
		if a.kind == kindURLTable {
			for _, l := range append(renderers.Header(p), fmt.Sprintf("URL table of alias %s, for %s", a.name, renderers.Clean(r.env.Path))) {
				b = fmt.Appendf(b, "# %s\n", l)
			}
		}
		files = append(files, file(r.setPath(a.name), appendPrefixes(b, a.set, "\n")))
	}
	return files
}

func (r *renderer) execute(name string, v *view) ([]byte, error) {
	return renderers.Execute("pfsense", name, r.env.Templates, v)
}
