package globalprotect

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"sallyport/renderers"
	"sallyport/rules"
)

// check holds what goes into commands and paths to PAN-OS's own rules for names.
func (r *renderer) check() error {
	var all renderers.Mistakes
	o := &r.opt
	if o.Form != formSet && o.Form != formXML {
		all.Option("form", "set or xml", "no form %.60q", o.Form)
	}
	if !isName(o.Gateway, maxName, "") {
		all.Option("gateway", "write it as the firewall shows it: at most 31 letters, digits, blanks, dashes and underscores", "%.80q is no name of a gateway", o.Gateway)
	}
	if !isName(o.Config, maxName, "") {
		all.Option("config", "write it as the gateway's Agent > Client Settings shows it: at most 31 letters, digits, blanks, dashes and underscores", "%.80q is no name of a client setting", o.Config)
	}
	if o.Template != "" && !isName(o.Template, maxTemplate, ".") {
		all.Option("template", "write it as Panorama shows it", "%.80q is no name of a template", o.Template)
	}
	if o.MaxRoutes < 1 {
		all.Option("max_routes", "write what your apps take: 100, or 200 with app 4.1 and later", "%d is no number of routes", o.MaxRoutes)
	}
	if base := path.Base(r.env.Path); o.Form == formXML && !isName(base, maxTemplate, ".") {
		all.Option("path", "choose a name of letters, digits, dots, dashes and underscores", "PAN-OS cannot be told to load a file called %.80q", base)
	}
	all.Add(checkDomains(o.Domains.Patterns))
	if n, err := strconv.ParseUint(strings.TrimPrefix(o.VSYS, "vsys"), 10, 8); o.VSYS != "" && (err != nil || n == 0 || o.VSYS != fmt.Sprintf("vsys%d", n)) {
		all.Option("vsys", `write it as "vsys2"`, "%.60q is no virtual system", o.VSYS)
	}
	return all.Err()
}

func checkDomains(patterns []string) error {
	if len(patterns) > maxDomains {
		return renderers.Wrong("domains", "leave some out", "%d names, and a client setting takes %d", len(patterns), maxDomains)
	}
	var all renderers.Mistakes
	for _, d := range patterns {
		if !renderers.IsHostPattern(d) {
			all.Option("domains", "write it in letters, digits, dots and dashes", "%.80q is no host name", d)
		} else if rest, wild := strings.CutPrefix(d, "*"); wild && !strings.HasPrefix(rest, ".") {
			all.Option("domains", "list the names themselves, or leave it out", "GlobalProtect has a * for whole labels only: %.80q is not *.NAME", d)
		}
	}
	return all.Err()
}

// isName reports whether s can name an entry: letters, digits, blanks, dashes,
// underscores and what extra has, beginning with a letter, digit or underscore.
func isName(s string, most int, extra string) bool {
	return renderers.IsName(s, most, " _-"+extra) && renderers.IsName(s[:1], 1, "_") && s == strings.TrimSpace(s)
}

// word writes a name in a command. Names hold neither quotes nor backslashes.
func word(name string) string {
	if strings.Contains(name, " ") {
		return `"` + name + `"`
	}
	return name
}

// path is the client setting's split-tunneling in the words of a command.
func (r *renderer) path() string {
	at := ""
	if r.opt.Template != "" {
		at = "template " + word(r.opt.Template) + " config "
	}
	if r.opt.Template != "" || r.opt.VSYS != "" {
		at += "vsys " + r.vsys() + " "
	}
	return fmt.Sprintf("%sglobal-protect global-protect-gateway %s remote-user-tunnel-configs %s split-tunneling", at, word(r.opt.Gateway), word(r.opt.Config))
}

func (r *renderer) vsys() string {
	if r.opt.VSYS == "" {
		return "vsys1"
	}
	return r.opt.VSYS
}

// step is an element on the way to split-tunneling, and the entry in it, if any.
type step struct{ element, entry string }

// localhost is the one entry of devices on every firewall and Panorama.
const localhost = "localhost.localdomain"

// steps is the way to split-tunneling below config in an XML configuration.
func (r *renderer) steps() []step {
	list := []step{{"devices", localhost}}
	if r.opt.Template != "" {
		list = append(list, step{"template", r.opt.Template}, step{"config", ""}, step{"devices", localhost})
	}
	return append(list, step{"vsys", r.vsys()}, step{"global-protect", ""}, step{"global-protect-gateway", r.opt.Gateway},
		step{"remote-user-tunnel-configs", r.opt.Config}, step{"split-tunneling", ""})
}

// elements are the lists that a load replaces.
func (r *renderer) elements(v rules.Verdict) []string {
	list := []string{routeElement[v]}
	if len(r.opt.Domains.Patterns) > 0 {
		list = append(list, domainElement[v])
	}
	return list
}

// deletes are the commands that begin each load.
func (r *renderer) deletes(v rules.Verdict) []string {
	var lines []string
	for _, e := range r.elements(v) {
		lines = append(lines, "delete "+r.path()+" "+e)
	}
	return lines
}

// loads are the commands that merge the imported XML file's lists into the candidate
// configuration.
func (r *renderer) loads(v rules.Verdict) []string {
	var at strings.Builder
	for i, s := range r.steps() {
		if i > 0 {
			at.WriteByte('/')
		}
		at.WriteString(s.element)
		if s.entry != "" {
			fmt.Fprintf(&at, "/entry[@name='%s']", s.entry)
		}
	}
	var lines []string
	for _, e := range r.elements(v) {
		from := at.String() + "/" + e
		lines = append(lines, fmt.Sprintf("load config partial from %s from-xpath %s to-xpath %s mode merge",
			word(fileName(r.main)), word(from), word("/config/"+from)))
	}
	return lines
}

// tree is the configuration with our lists alone.
func (r *renderer) tree(v rules.Verdict, rows []byte) []byte {
	open, end := []byte("<config>"), "</config>\n"
	for _, s := range r.steps() {
		open = append(open, "<"+s.element+">"...)
		end = "</" + s.element + ">" + end
		if s.entry != "" {
			open = append(open, `<entry name="`+s.entry+`">`...)
			end = "</entry>" + end
		}
	}
	dst := append(open, "\n<"+routeElement[v]+">\n"...)
	dst = append(append(dst, rows...), "</"+routeElement[v]+">\n"...)
	if len(r.opt.Domains.Patterns) > 0 {
		dst = append(dst, "<"+domainElement[v]+"><list>\n"...)
		for _, d := range r.opt.Domains.Patterns {
			dst = append(dst, `  <entry name="`+d+"\"/>\n"...)
		}
		dst = append(dst, "</list></"+domainElement[v]+">\n"...)
	}
	return append(dst, end...)
}
