package pfsense

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// checkForm refuses options that the form has no use for: they would promise
// something that does not happen.
func (r *renderer) checkForm(all *renderers.Mistakes) {
	o := &r.opt
	if slices.Contains(o.Accept, "") {
		all.Option("accept", "write the rule's tracker or description", "an empty entry would accept every rule without a description")
	}
	if !slices.Contains(info.Placements, o.Form) {
		all.Option("form", "urltable, import or merge", "no form %q", o.Form)
		return // it decides about the others
	}
	for _, only := range []struct {
		option string
		set    bool
	}{{"config", o.Config != ""}, {"before", o.Before != ""}, {"after", o.After != ""}, {"like", o.Like != ""}, {"accept", len(o.Accept) > 0}} {
		if only.set && o.Form != formMerge {
			all.Option(only.option, `add form = "merge", or remove it`, "form %s changes no config.xml", o.Form)
		}
	}
	if o.URL != "" && o.Form == formImport {
		all.Option("url", `use form = "urltable", or remove it`, "form import is pasted, and fetches nothing")
	}
	if o.Form == formMerge && o.Config == "" {
		all.Option("form", `add config = "config.xml", a backup of the whole configuration`, "merge needs your config.xml")
	}
	if o.Form == formMerge && o.Before != "" && o.After != "" {
		all.Option("after", "keep before or after", "the rules cannot be in two places")
	}
}

func (r *renderer) checkURL() error {
	o := &r.opt
	if o.URL == "" {
		if o.Form == formURLTable {
			return renderers.Wrong("url", `add url = "https://...", the folder that you serve the files under, or use form = "import"`,
				"pfSense has to fetch the tables from somewhere")
		}
		return nil
	}
	u, err := url.Parse(o.URL)
	switch {
	case err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || u.Opaque != "" || !plainURL(o.URL):
		return renderers.Wrong("url", "write it like https://files.example.net/sallyport, with %-escapes for other characters",
			"%q is not a plain address of a folder", renderers.Clean(o.URL))
	case u.Scheme == "http" && !o.Insecure:
		return renderers.Wrong("url", "serve the files with https, or add insecure = true",
			"anyone on the path of an http download can add addresses to the table")
	case u.Scheme != "https" && u.Scheme != "http":
		return renderers.Wrong("url", "use https", "pfSense fetches no %s addresses", u.Scheme)
	}
	return nil
}

// plainURL keeps to characters that need no escaping in XML and no conversion by
// pfSense, which passes addresses through idn_to_ascii.
func plainURL(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool {
		return c <= ' ' || c > '~' || strings.ContainsRune("\"'<>&\\`{}|^", c)
	})
}

func (r *renderer) checkWords(all *renderers.Mistakes) {
	if !wordOf(r.opt.Interface, 1, 31) {
		all.Option("interface", "write it as config.xml does: lan, opt1, or the name of a group",
			"%q is no name of an interface", renderers.Clean(r.opt.Interface))
	}
	if !wordOf(r.opt.Prefix, 0, maxPrefix) || strings.HasPrefix(r.opt.Prefix, "pkg_") {
		all.Option("prefix", `up to 16 letters, digits and underscores, such as "sp_"; pkg_ belongs to packages`,
			"%q cannot begin the name of an alias", renderers.Clean(r.opt.Prefix))
	}
	if name := path.Base(r.base); r.fetched() && strings.ContainsFunc(name, func(c rune) bool { return !isNameChar(c) && c != '.' && c != '-' }) {
		all.Option("path", "use letters, digits, dots, dashes and underscores", "%q needs escaping in a URL", renderers.Clean(name))
	}
}

func wordOf(s string, least, most int) bool {
	return len(s) >= least && len(s) <= most && !strings.ContainsFunc(s, func(c rune) bool { return !isNameChar(c) })
}

func isNameChar(c rune) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
}

func (r *renderer) checkNumbers(all *renderers.Mistakes) {
	for _, n := range []struct {
		option         string
		n, least, most int
		why            string
	}{
		{"update_days", r.opt.UpdateDays, 1, 128, "pfSense offers 1 to 128 days"},
		{"alias_entries", r.opt.AliasEntries, 1, 1_000_000, "an alias holds at least one entry"},
		{"table_entries", r.opt.TableEntries, 1, 100_000_000, "it is the number under System > Advanced > Firewall & NAT"},
	} {
		if n.n < n.least || n.n > n.most {
			all.Option(n.option, fmt.Sprintf("choose %d to %d", n.least, n.most), "%d is out of range: %s", n.n, n.why)
		}
	}
}

func (r *renderer) readConfig() error {
	if r.opt.Form != formMerge || r.opt.Config == "" { // checkForm says that merge needs it
		return nil
	}
	data, err := r.env.Read(r.opt.Config)
	if err != nil {
		return renderers.Wrong("config", "paths are relative to the policy's folder", "%v", err)
	}
	var foreign *renderers.OptionError
	if r.config, err = openConfig(data, r.owner(), r.opt.Prefix); errors.As(err, &foreign) {
		return err
	} else if err != nil {
		return renderers.Wrong("config", "download it anew under Diagnostics > Backup & Restore: all areas, without encryption", "%v", err)
	}
	if r.fetched() && !r.opt.Insecure && !r.config.root.Child("system").Has("checkaliasesurlcert") {
		return renderers.Wrong("url", "tick System > Advanced > Firewall & NAT > Check certificate of aliases URLs and download the configuration anew, or add insecure = true",
			"this pfSense does not check the certificate of the server that it fetches tables from")
	}
	return nil
}

// Names that an alias cannot have: pf's keywords and pfSense's own tables
// (globals.inc), and what util.inc's is_validaliasname adds. The names of
// protocols and services come from files of FreeBSD; the common ones are here,
// and a prefix with an underscore in it avoids the rest.
const reservedNames = `port pass
	block scrub return in os out log quick on from to flags returnrst returnicmp returnicmp6 proto inet inet6 all any
	icmptype icmp6type code keep modulate state rdr nat binat arrow nodf minttl error allowopts fastroute filename
	routeto dupto replyto no label noroute urpffailed fragment user group maxmss maximum ttl tos drop table reassemble
	fragdrop fragcrop anchor natanchor rdranchor binatanchor set optimization timeout limit loginterface blockpolicy
	randomid requireorder synproxy fingerprints nosync debug skip hostid antispoof for include bitmask random sourcehash
	roundrobin staticport probability altq cbq codel priq hfsc fairq bandwidth tbrsize linkshare realtime upperlimit
	queue priority qlimit hogs buckets rtable target interval load ruleset_optimization prio stickyaddress maxsrcstates
	maxsrcnodes sourcetrack global rule maxsrcconn maxsrcconnrate overload flush sloppy tagged tag ifbound floating
	statepolicy statedefaults route settos divertto divertreply max min pptp pppoe l2tp openvpn ipsec
	bogons bogonsv6 negate_networks snort2c sshguard tonatsubnets virusprot vpn_networks
	ip icmp igmp ggp ipencap tcp udp egp igp gre esp ah ospf pim sctp carp pfsync etherip ipv6
	ftp ssh telnet smtp domain tftp http https kerberos pop3 ntp imap snmp bgp ldap syslog radius sip stun turn rdp`

func words(s string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(s) {
		m[w] = true
	}
	return m
}

// checkName says why an alias cannot be called name (util.inc,
// is_validaliasname; alias-utils.inc, saveAlias).
func checkName(name string) error {
	switch {
	case name == "" || len(name) > maxName:
		return fmt.Errorf("has %d characters, and pfSense takes 1 to %d", len(name), maxName)
	case !wordOf(name, 1, maxName):
		return errors.New("has other characters than A-Z, a-z, 0-9 and _")
	case strings.Trim(name, "_") == "":
		return errors.New("consists of underscores")
	case strings.Trim(name, "0123456789") == "":
		return errors.New("consists of digits")
	case slices.Contains(strings.Fields(reservedNames), strings.ToLower(name)):
		return errors.New("is a word that pf, a protocol or a service has taken")
	case strings.HasPrefix(name, "pkg_"):
		return errors.New("begins with pkg_, which belongs to packages")
	}
	return nil
}

// checkDescription says why text cannot describe an entry, an alias or a rule
// (firewall_aliases_import.php). The bars divide the descriptions of an alias's
// entries from each other.
func checkDescription(text string) error {
	switch {
	case len(text) >= 200:
		return fmt.Errorf("has %d characters, and pfSense takes fewer than 200", len(text))
	case strings.HasPrefix(text, "|") || strings.HasSuffix(text, "|") || strings.Contains(text, "||"):
		return errors.New("has a vertical bar at its start or end, or two in a row, which pfSense reads as the next entry's")
	case strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c > '~' || strings.ContainsRune(`<>&"`, c) }):
		return errors.New("has characters that pfSense would store in another form")
	}
	return nil
}

// checkCounts holds the sets to the limits of an alias and of all tables.
func (r *renderer) checkCounts(p *rules.Plan, o *objects) error {
	total := 0
	for _, a := range o.aliases {
		n := a.entries()
		if a.kind == kindPort {
			continue
		}
		total += n
		if a.kind != kindURLTable && n > r.opt.AliasEntries {
			return &rules.RuleError{Rule: a.rule.Name, Place: a.rule.Place,
				Cause: fmt.Sprintf("alias %s has %d entries, and pfSense's form keeps %d when somebody edits it", a.name, n, r.opt.AliasEntries),
				Fix:   a.roomier(o.denied[a.label])}
		}
	}
	if 2*total > r.opt.TableEntries && len(p.Rules) > 0 {
		return &rules.RuleError{Rule: p.Rules[0].Name, Place: p.Rules[0].Place,
			Cause: fmt.Sprintf("the sets have %d entries, which pf holds twice while it replaces them, and the limit of all tables is %d", total, r.opt.TableEntries),
			Fix:   "raise System > Advanced > Firewall & NAT > Firewall Maximum Table Entries and table_entries with it, or narrow the sets"}
	}
	return nil
}

// roomier says what to do about an alias with too many entries.
func (a *alias) roomier(denied bool) string {
	switch {
	case a.kind == kindHost:
		return "divide the names among several rules, or raise alias_entries"
	case denied:
		return "narrow it, or raise alias_entries: what a rule denies cannot be a URL table, since pfSense leaves the rule out until it has fetched one"
	}
	return `serve the set as a URL table (form = "urltable", or url in a merge), narrow it, or raise alias_entries`
}

// appendPrefixes writes the prefixes of both families. The whole of a family is
// written as two halves.
func appendPrefixes(b []byte, set ipranges.Set, after string) []byte {
	for _, f := range rules.BothFamilies.List() {
		switch {
		case !set.Only(f).Equal(ipranges.Full(f)):
			b = set.AppendPrefixes(b, f, "", after)
		case f == ipranges.IPv4:
			b = append(b, "0.0.0.0/1"+after+"128.0.0.0/1"+after...)
		default:
			b = append(b, "::/1"+after+"8000::/1"+after...)
		}
	}
	return b
}
