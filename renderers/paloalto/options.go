package paloalto

import (
	"fmt"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"sallyport/renderers"
)

// Options are the target's options in a policy.
type Options struct {
	Form               string   `policy:"form" doc:"edl: list files that the device fetches; objects: address objects in groups"`
	Syntax             string   `policy:"syntax" doc:"set: commands for configuration mode; xml: the element tree, with a script that loads it"`
	FromZones          []string `policy:"from_zones,required" doc:"the zones that connections come from"`
	ToZones            []string `policy:"to_zones,required" doc:"the zones that they go to"`
	Position           string   `policy:"position" doc:"where our rules go among yours: top, bottom, before RULE or after RULE"`
	Applications       []string `policy:"applications" doc:"applications that rules with action = allow are narrowed to; absent: any"`
	LogSetting         string   `policy:"log_setting" doc:"the log forwarding profile of our rules"`
	ProfileGroup       string   `policy:"profile_group" doc:"the security profile group of rules that allow"`
	Names              string   `policy:"names" doc:"what a rule to host names goes by: fqdn, objects that the device resolves; url, a list of URLs that it compares with web traffic"`
	URL                string   `policy:"url" doc:"edl, required there: the address under which the device finds the list files"`
	CertificateProfile string   `policy:"certificate_profile" doc:"edl: the profile that the list server's certificate is checked with"`
	Insecure           bool     `policy:"insecure" doc:"edl: accept lists over http, or over https without a check of the certificate"`
	Recurring          string   `policy:"recurring" doc:"edl: how often the device fetches: five-minute, hourly, daily, weekly or monthly"`
	At                 string   `policy:"at" doc:"edl: the hour of daily, weekly and monthly, 00 to 23"`
	DeviceGroup        string   `policy:"device_group" doc:"Panorama: the device group; shared for all"`
	Rulebase           string   `policy:"rulebase" doc:"Panorama: pre (if absent) or post"`
	VSYS               string   `policy:"vsys" doc:"the virtual system of a firewall that has several, such as vsys2"`
	Shared             bool     `policy:"shared" doc:"put objects into shared; rules stay where they are"`
	Tag                string   `policy:"tag" doc:"a tag of yours for our groups, services and rules"`
	Prefix             string   `policy:"prefix" doc:"what our names begin with; absent: sp-, the target's name, -"`
	MaxAddresses       int      `policy:"max_addresses" doc:"how many addresses the device has room for; absent: 50000 with edl, 2500 with objects"`
	MaxObjects         int      `policy:"max_objects" doc:"edl: how many address objects the device has room for: what rules deny goes by these"`
	MaxNames           int      `policy:"max_names" doc:"how many FQDN objects, or URLs, the device has room for; absent: 2000, and 50000 for URLs with edl"`
	MaxMembers         int      `policy:"max_members" doc:"groups: how many members one can have"`
	MaxGroups          int      `policy:"max_groups" doc:"groups: how many address groups the device has room for"`
	MaxLists           int      `policy:"max_lists" doc:"edl: how many lists the device has room for"`
}

// Forms and syntaxes.
const (
	formEDL     = "edl"
	formObjects = "objects"
	syntaxSet   = "set"
	syntaxXML   = "xml"
)

// What rules to host names go by.
const (
	namesFQDN = "fqdn"
	namesURL  = "url"
)

func (r *renderer) check() error {
	var all renderers.Mistakes
	for _, check := range []func(*renderers.Mistakes){r.checkForm, r.checkZones, r.checkPosition, r.checkPlace, r.checkNames, r.checkLists, r.checkLimits} {
		check(&all)
	}
	return all.Err()
}

// isForm reports whether there is such a form: what other options have to be depends
// on it.
func (r *renderer) isForm() bool { return r.opt.Form == formEDL || r.opt.Form == formObjects }

func (r *renderer) checkForm(all *renderers.Mistakes) {
	if !r.isForm() {
		all.Option("form", "edl or objects", "no form %q", r.opt.Form)
	}
	if r.opt.Syntax != syntaxSet && r.opt.Syntax != syntaxXML {
		all.Option("syntax", "set or xml", "no syntax %q", r.opt.Syntax)
	}
	if r.opt.Names != namesFQDN && r.opt.Names != namesURL {
		all.Option("names", "fqdn or url", "names cannot be %q", r.opt.Names)
	}
}

// checkZones also checks applications, which have the same form: a list of names,
// or any alone.
func (r *renderer) checkZones(all *renderers.Mistakes) {
	for _, o := range []struct {
		option string
		names  []string
		most   int
	}{{"from_zones", r.opt.FromZones, maxZone}, {"to_zones", r.opt.ToZones, maxZone}, {"applications", r.opt.Applications, maxName}} {
		if len(o.names) == 0 {
			all.Option(o.option, `write it out, as ["trust"], or ["any"]`, "the list is empty")
		}
		for i, n := range o.names {
			path := fmt.Sprintf("%s.%d", o.option, i)
			switch {
			case !isName(n, o.most):
				all.Option(path, fmt.Sprintf("at most %d letters, digits, blanks, dots, dashes and underscores", o.most), "%q is not a name that PAN-OS takes", n)
			case n == "any" && len(o.names) > 1:
				all.Option(path, "write any alone, or leave it out", "any beside other names")
			case slices.Index(o.names, n) < i:
				all.Option(path, "remove one of the two", "%q is listed twice", n)
			}
		}
	}
}

func (r *renderer) checkPosition(all *renderers.Mistakes) {
	where, rule, named := strings.Cut(r.opt.Position, " ")
	known := []string{"top", "bottom"}
	if named {
		known = []string{"before", "after"}
	}
	if !slices.Contains(known, where) || named && !isName(rule, maxName) {
		all.Option("position", `top, bottom, "before RULE" or "after RULE"`, "%q is no position", r.opt.Position)
	}
}

func (r *renderer) checkPlace(all *renderers.Mistakes) {
	o := &r.opt
	if o.DeviceGroup != "" && !isName(o.DeviceGroup, maxName) {
		all.Option("device_group", "write it as Panorama shows it", "%q is not a name that PAN-OS takes", o.DeviceGroup)
	}
	switch {
	case o.Rulebase != "" && o.DeviceGroup == "":
		all.Option("rulebase", "remove it, or name the device_group", "only Panorama has two rule bases")
	case o.Rulebase != "" && o.Rulebase != "pre" && o.Rulebase != "post":
		all.Option("rulebase", "pre or post", "no rule base %q", o.Rulebase)
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(o.VSYS, "vsys"), 10, 8)
	switch {
	case o.VSYS == "":
	case o.DeviceGroup != "":
		all.Option("vsys", "remove one of the two", "a device group is on Panorama, and vsys on a firewall")
	case err != nil || n == 0 || o.VSYS != fmt.Sprintf("vsys%d", n):
		all.Option("vsys", `write it as "vsys2"`, "%q is no virtual system", o.VSYS)
	}
}

func (r *renderer) checkNames(all *renderers.Mistakes) {
	r.prefix = r.opt.Prefix
	if r.prefix == "" {
		r.prefix = "sp-" + r.env.Name + "-"
	}
	if !isName(r.prefix, maxPrefix) || strings.ContainsAny(r.prefix, " .") {
		all.Option("prefix", `write a shorter one of letters, digits, dashes and underscores, such as prefix = "sp-`+r.env.Name[:min(8, len(r.env.Name))]+`-"`,
			"names cannot begin with %q: at most %d characters, so that every address has a name", r.prefix, maxPrefix)
	}
	for _, o := range []struct {
		option, name string
		most         int
	}{{"log_setting", r.opt.LogSetting, maxName}, {"profile_group", r.opt.ProfileGroup, maxName}, {"tag", r.opt.Tag, maxTag},
		{"certificate_profile", r.opt.CertificateProfile, maxName}} {
		if o.name != "" && !isName(o.name, o.most) {
			all.Option(o.option, fmt.Sprintf("at most %d letters, digits, blanks, dots, dashes and underscores", o.most), "%q is not a name that PAN-OS takes", o.name)
		}
	}
}

// checkLists checks what only external dynamic lists have.
func (r *renderer) checkLists(all *renderers.Mistakes) {
	o := &r.opt
	if !r.isForm() {
		return
	}
	if o.Form == formObjects {
		for _, l := range []struct {
			option string
			given  bool
		}{{"url", o.URL != ""}, {"certificate_profile", o.CertificateProfile != ""}, {"insecure", o.Insecure}} {
			if l.given {
				all.Option(l.option, `remove it, or say form = "edl"`, "objects are not fetched from anywhere")
			}
		}
		return
	}
	if o.URL == "" {
		all.Option("url", `add url = "https://lists.example.com/sallyport", or say form = "objects"`, "an external dynamic list needs the address that the device fetches it from")
	} else {
		all.Add(r.checkURL())
	}
	hour, err := strconv.ParseUint(o.At, 10, 8)
	if err != nil || hour > 23 || len(o.At) != 2 {
		all.Option("at", "two digits, 00 to 23", "%q is no hour", o.At)
	}
	if !slices.Contains([]string{"five-minute", "hourly", "daily", "weekly", "monthly"}, o.Recurring) {
		all.Option("recurring", "five-minute, hourly, daily, weekly or monthly", "the device cannot fetch %q", o.Recurring)
	}
}

// checkURL refuses what would let somebody between device and server write the
// lists: from PAN-OS 8.0 on, only a certificate profile makes the device check
// the server (New Features Guide 8.0, "Authentication for External Dynamic Lists").
func (r *renderer) checkURL() error {
	o := &r.opt
	u, err := url.Parse(o.URL)
	fix := `write it as "https://lists.example.com/sallyport"`
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return renderers.Wrong("url", fix, "%q is not an address of a web server", o.URL)
	case u.User != nil:
		return renderers.Wrong("url", "set user and password of the list on the device", "a password would be written into the output")
	case u.RawQuery != "" || u.Fragment != "" || strings.ContainsAny(o.URL, "?#"):
		return renderers.Wrong("url", fix, "names of files go after it, so it cannot have a query or fragment")
	case strings.ContainsFunc(o.URL, func(c rune) bool { return c <= ' ' || c > '~' || strings.ContainsRune("\"'<>\\`{}|^;", c) }):
		return renderers.Wrong("url", "percent-encode what is not a letter, digit or one of -._~/:[]@", "%q has characters that a URL cannot hold", o.URL)
	case u.Scheme == "http" && !o.Insecure:
		return renderers.Wrong("url", "use https and certificate_profile, or say insecure = true", "over http anybody on the way can write the lists")
	case u.Scheme == "http" && o.CertificateProfile != "":
		return renderers.Wrong("certificate_profile", "use https, or remove it", "an http server has no certificate")
	case u.Scheme == "https" && o.CertificateProfile == "" && !o.Insecure:
		return renderers.Wrong("url", "add certificate_profile with the profile of the server's CA, or say insecure = true", "without certificate_profile the device does not check who serves the lists")
	case u.Scheme == "https" && o.CertificateProfile != "" && o.Insecure:
		return renderers.Wrong("insecure", "remove insecure", "a certificate profile is checked, so nothing is insecure")
	}
	return nil
}

func (r *renderer) checkLimits(all *renderers.Mistakes) {
	o := &r.opt
	if o.MaxAddresses == 0 && r.isForm() {
		o.MaxAddresses = map[string]int{formEDL: 50_000, formObjects: 2_500}[o.Form]
	}
	if o.MaxNames == 0 {
		o.MaxNames = 2_000
		if o.Names == namesURL && o.Form == formEDL {
			o.MaxNames = 50_000
		}
	}
	for _, l := range []struct {
		option string
		n, low int
	}{{"max_addresses", o.MaxAddresses, 1}, {"max_objects", o.MaxObjects, 1}, {"max_names", o.MaxNames, 1}, {"max_members", o.MaxMembers, 2}, {"max_groups", o.MaxGroups, 1}, {"max_lists", o.MaxLists, 1}} {
		if l.n < l.low && (l.n != 0 || r.isForm()) {
			all.Option(l.option, "write what your model has room for", "%d is less than %d", l.n, l.low)
		}
	}
}

// paths are the files that a target writes beside its first: edge.set gives
// edge.remove.set, edge.load.set and edge.SET.txt.
func (r *renderer) setPaths() {
	r.main = r.env.Path
	if r.opt.Syntax == syntaxXML && r.main == r.env.Name+info.Extension {
		r.main = r.env.Name + ".xml"
	}
	r.base = r.main
	if ext := path.Ext(r.main); ext == ".set" || ext == ".xml" {
		r.base = strings.TrimSuffix(r.main, ext)
	}
}
