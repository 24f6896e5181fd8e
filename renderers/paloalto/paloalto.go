// Package paloalto renders plans for Palo Alto Networks firewalls and Panorama.
//
// The form edl, the default, writes one list file for each address set, which the
// device fetches over the network, and the lists, services and rules that use
// them. Lists take effect without a commit, and a device keeps the last good copy;
// the configuration changes only with the policy, and with the addresses that rules deny:
// those are objects in either form, since a device may fail to enforce a list. The form
// objects writes address objects in groups: it needs no server, and a commit for each change.
//
// Both come as set commands or as an element tree in XML with a script of
// commands that loads it; both are written from one tree (tree.go) by one table of
// known elements (schema.go). A rule is one set command, so that one that fails leaves
// no rule that is wider than it should be. Everything that is ours has a name with our prefix. Set adds
// to lists of members and never takes away, so each load first deletes, inside the
// candidate configuration, our rules and those lists of all else; address objects and
// services are named by content. A commit makes the whole effective at once.
//
// Quirks, with where they are documented (2026-11; not tried on a device):
//   - an IPv4 address matches IPv6 prefixes that begin with 96 zero bits, ::/0
//     among them, and never the other way (PAN-OS Administrator's Guide, "Policy").
//   - a list has no comment lines; a comment follows an address and a blank
//     (the same, "Formatting Guidelines for an External Dynamic List").
//   - a reset is sent only once a session is formed (the same, "Security Policy
//     Actions"): there is no rejecting, and denying is the action drop.
//   - a device that cannot reach the server of a list keeps the last one, over a reboot
//     too; once the server's certificate or the login fails, it stops enforcing the list
//     (the same, "External Dynamic List", 9.1 and 11.1, 2026-11-30): an allow then opens
//     nothing, and a denial would deny nothing.
//   - https lists need a certificate profile, or the word None (New Features
//     Guide 8.0, "Authentication for External Dynamic Lists").
//   - a rule with a URL category is first looked up without it, so that handshakes
//     pass to any address; the category decides what becomes of the session
//     (Knowledge Base, "Why is Traffic not matching the correct security policy based on
//     custom URL category or App-ID?"; 2026-11-23). hosts.go has the rest on names.
//   - a line that begins with # is no command of the CLI, and its error message
//     does nothing; Palo Alto Networks' own sets of commands have such lines
//     (IronSkillet, panos/set_commands).
package paloalto

import (
	"bytes"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"sallyport/renderers"
	"sallyport/rules"
)

var info = renderers.Info{
	Name:    "paloalto",
	Title:   "Palo Alto Networks",
	Summary: "PAN-OS and Panorama: external dynamic lists or address objects, with rules, as set commands or XML",
	Caps: rules.Caps{
		Families: rules.BothFamilies,
		Verdicts: []rules.Verdict{rules.Allow, rules.Deny},
		Defaults: []rules.Verdict{rules.Continue},
		Sources:  true, Names: true, Wildcards: true, Ports: true, Log: true, Ranges: true,
	},
	Load: renderers.Additive,
	Limits: []renderers.Limit{
		{Name: "name of a rule, object or group", Value: "63 characters", Source: "PAN-OS web interface help, Objects and Policies"},
		{Name: "name of an external dynamic list", Value: "32 characters", Source: "PAN-OS web interface help, Objects > External Dynamic Lists"},
		{Name: "address of a list", Value: "255 characters", Source: "PAN-OS web interface help, Objects > External Dynamic Lists"},
		{Name: "name of a zone", Value: "31 characters", Source: "PAN-OS web interface help, Network > Zones"},
		{Name: "lines of all lists", Value: "50,000; 150,000 on large models", Source: "PAN-OS web interface help, Objects > External Dynamic Lists", Option: "max_addresses"},
		{Name: "lists", Value: "for what rules allow; what they deny goes by address objects", Source: "PAN-OS Administrator's Guide, External Dynamic List: a failed check of the server ends a list"},
		{Name: "number of lists", Value: "30", Source: "PAN-OS web interface help, Objects > External Dynamic Lists", Option: "max_lists"},
		{Name: "address objects", Value: "by model; 2,500 assumed", Source: "show system state | match cfg.general.max-address", Option: "max_addresses; max_objects with edl"},
		{Name: "address groups", Value: "by model; 125 assumed", Source: "show system state | match cfg.general.max-address-group", Option: "max_groups"},
		{Name: "name of a custom URL category", Value: "31 characters", Source: "PAN-OS web interface help, Objects > Custom Objects > URL Category"},
		{Name: "FQDN objects", Value: "2,000 on small models and VM-Series, 2,048 on the PA-3200, 6,144 on large ones", Source: "Knowledge Base, What is the Fully Qualified Domain Name (FQDN) Object Limit?", Option: "max_names"},
		{Name: "addresses of an FQDN object", Value: "32 of each family, and 512 bytes in all", Source: "the same; PAN-OS 7.1 Release Notes, 98576"},
		{Name: "URLs of all lists", Value: "50,000", Source: "PAN-OS web interface help, Objects > External Dynamic Lists", Option: "max_names"},
		{Name: "URLs of custom categories", Value: "not documented; 2,000 assumed", Source: "an assumption", Option: "max_names"},
		{Name: "members of a group", Value: "by model; 500 assumed", Source: "Palo Alto Networks, Compare Products", Option: "max_members"},
	},
	Extension: ".set",
}

// Kind is the target as policies name it.
func Kind() renderers.Kind {
	return renderers.Define(info, Options{Form: formEDL, Syntax: syntaxSet, Names: namesFQDN, Position: "bottom", Recurring: "hourly", At: "03",
		MaxObjects: 2_500, MaxMembers: 500, MaxGroups: 125, MaxLists: 30}, build)
}

type renderer struct {
	opt    Options
	env    renderers.Env
	prefix string // of all our names
	main   string // the path of the first file
	base   string // the same without its extension
}

func build(opt Options, env renderers.Env) (*renderers.Target, error) {
	if len(opt.Applications) == 0 {
		opt.Applications = []string{"any"}
	}
	r := &renderer{opt: opt, env: env}
	r.setPaths()
	if err := r.check(); err != nil {
		return nil, err
	}
	return &renderers.Target{Renderer: r, Caps: r.caps()}, nil
}

func (r *renderer) removePath() string { return r.base + ".remove.set" }
func (r *renderer) loadPath() string   { return r.base + ".load.set" }

// caps: nobody can resolve a wildcard.
func (r *renderer) caps() rules.Caps {
	caps := info.Caps
	caps.Wildcards = r.opt.Names == namesURL
	return caps
}

// view is what the templates see. Every string in it is made here from names that
// have been checked, or passed through renderers.Clean.
type view struct {
	Header                         []string
	EDL, XML, Shared, Panorama     bool
	ByURL                          []string // names of the rules that a URL category narrows
	Denied                         bool     // edl: some rule denies addresses
	File, LoadFile, RemoveFile     string
	Rules, Lists                   []string // names, and paths
	Delete, Load, Move, RemoveList []string // commands
	Commands, Tree                 string   // set commands, or elements
}

// Render implements renderers.Renderer.
func (r *renderer) Render(p *rules.Plan) ([]renderers.File, error) {
	c, err := r.configOf(p)
	if err != nil {
		return nil, err
	}
	v := r.view(c)
	const mode = fs.FileMode(0o644)
	main := renderers.File{Path: r.main, Mode: mode, Use: useSet, On: useOn}
	name := "main.set.tmpl"
	if v.XML {
		name, main.Use, main.On = "main.xml.tmpl", "", "the firewall"
		main.Hand = "scp import configuration from USER@HOST:{}"
	}
	if main.Data, err = r.execute(name, v); err != nil {
		return nil, err
	}
	files := append([]renderers.File{main}, c.lists...)
	if v.XML {
		load, err := r.execute("load.set.tmpl", v)
		if err != nil {
			return nil, err
		}
		files = append(files, renderers.File{Path: r.loadPath(), Mode: mode, Data: load, Use: useSet, On: useOn})
	}
	remove, err := r.execute("remove.set.tmpl", v)
	if err != nil {
		return nil, err
	}
	return append(files, renderers.File{Path: r.removePath(), Mode: mode, Data: remove, Undo: useSet}), nil
}

// useOn is where useSet runs.
const useOn = "a machine that reaches the firewall by ssh"

// useSet feeds a file of commands to a device's candidate configuration and shows
// what that changes. The commit is the admin's: it would take along whatever else is
// in the candidate, and what a command that failed left half-way.
const useSet = "(echo 'set cli scripting-mode on'; echo configure; grep -v '^#' {}; echo 'show config diff') | ssh -T admin@FIREWALL"

func (r *renderer) view(c *config) *view {
	now := c.refs()
	old := r.retired(now)
	fileName := fileName
	if r.opt.Syntax == syntaxXML { // the names stand in a comment, which two dashes would end
		fileName = func(p string) string { return strings.ReplaceAll(path.Base(renderers.Clean(p)), "--", "- -") }
	}
	v := &view{
		Header: r.header(c.plan),
		EDL:    r.opt.Form == formEDL, Denied: r.opt.Form == formEDL && len(c.denied) > 0, XML: r.opt.Syntax == syntaxXML,
		Shared: r.opt.Shared, Panorama: r.opt.DeviceGroup != "",
		File: fileName(r.main), LoadFile: fileName(r.loadPath()), RemoveFile: fileName(r.removePath()),
		Delete: deletes(now, old, false), RemoveList: deletes(now, old, true),
	}
	for _, e := range c.rules.kids {
		v.Rules = append(v.Rules, e.name)
		if len(e.members("category")) > 0 {
			v.ByURL = append(v.ByURL, e.name)
		}
	}
	for _, f := range c.lists {
		v.Lists = append(v.Lists, renderers.Clean(f.Path))
	}
	v.Move = r.moves(v.Rules)
	if v.XML {
		var b bytes.Buffer
		b.Grow(192 * (c.elements + c.groups + 16))
		c.root.appendXML(&b, 0, false)
		v.Tree, v.Load = b.String(), r.loads(c)
		return v
	}
	v.Commands = string(c.commands())
	return v
}

// commands are the set commands of the tree: objects, then rules.
func (c *config) commands() []byte {
	out := make([]byte, 0, 160*(c.elements+c.groups+16)) // two lines for each
	for _, kind := range c.kinds() {
		path := joinWords(slices.Concat(c.r.objectPlace().words, kind))
		out = c.objects.at(kind...).appendSet(out, startOf(path))
	}
	path := startOf(c.r.rulePath())
	for _, e := range c.rules.kids {
		out = e.appendRule(out, append(append(path, ' '), word(e.name)...))
	}
	return out
}

// startOf begins a set command, with room for the rest of its path.
func startOf(path string) []byte {
	return append(append(make([]byte, 0, 512), setWord...), path...)
}

// header says where the output comes from. It does without counts, and with lists also
// without feeds, which the lists name themselves: a week's change must not look like one
// of the configuration, which would take a commit. Feeds stay where
// rules go to names or deny addresses: as objects these are part of the configuration, and
// lists of URLs have no comments.
func (r *renderer) header(p *rules.Plan) []string {
	q := *p
	if r.opt.Form == formEDL {
		q.Provenance.Generated = time.Time{}
		if len(deniedSets(p)) == 0 && !slices.ContainsFunc(p.Rules, func(rule rules.Rule) bool { return rule.To.ByName() }) {
			q.Provenance.Feeds = nil
		}
	}
	var lines []string
	for _, l := range renderers.Header(&q) {
		if strings.HasPrefix(l, "counts: ") {
			continue
		}
		if r.opt.Syntax == syntaxXML {
			l = strings.ReplaceAll(l, "--", "- ") // two dashes end an XML comment
		}
		lines = append(lines, l)
	}
	return lines
}

func (r *renderer) execute(name string, v *view) ([]byte, error) {
	return renderers.Execute("paloalto", name, r.env.Templates, v)
}

func fileName(p string) string { return renderers.Clean(path.Base(p)) }
