package policy

import (
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"sallyport/ipranges/catalog"
	"sallyport/ipranges/kinds"
	"sallyport/rules"
)

// kindOfFeed is the kind of a feed that was evaluated.
func kindOfFeed(spec catalog.FeedSpec) kinds.Kind {
	kind, _ := kinds.Named(spec.Kind)
	return kind
}

// feeds evaluates the feed blocks into f.specs.
func (c *compiler) feeds() {
	c.start()
	for _, d := range c.f.decls["feed"] {
		if spec, ok := c.feed(d); ok && !d.broken && !d.repeated {
			c.f.specs[d.name] = spec
		}
	}
}

func (c *compiler) feed(d *decl) (catalog.FeedSpec, bool) {
	spec := catalog.FeedSpec{Name: d.name}
	kind, known := c.feedKind(d) // of an unknown kind, only arguments of all kinds are checked
	spec.Kind = kind.Name
	cloudOK := c.feedCloud(d, kind, kind.Name != "", &spec)
	sourceOK := c.feedSource(d, kind, &spec)
	_, descOK := c.textOr(d, "description", "")
	return spec, c.feedAge(d, kind, &spec) && cloudOK && sourceOK && descOK && known
}

func (c *compiler) feedKind(d *decl) (kinds.Kind, bool) {
	name, ok := c.textOr(d, "kind", d.name)
	if !ok {
		return kinds.Kind{}, false
	}
	if kind, ok := kinds.Named(name); ok {
		return kind, true
	}
	c.meant["feed "+d.name] = true // a warning that it is unused would be a consequence of this
	meant, detail, fix := feedMeant(name, kinds.Names())
	switch a := d.attr("kind"); {
	case a != nil:
		c.error(a.Expr.Range(), fmt.Sprintf("there is no kind of feed %.60q", name), detail, fix)
	case d.name == "" || c.mayLack(d, "kind"):
	default:
		c.error(d.header, fmt.Sprintf("feed %q has no kind", d.name), strings.TrimSpace("Without a kind, the label has to be one. "+detail), fix)
	}
	kind, _ := kinds.Named(meant) // other arguments are checked as those of the kind that is meant
	return kind, false
}

func (c *compiler) feedCloud(d *decl, kind kinds.Kind, known bool, spec *catalog.FeedSpec) bool {
	a := d.attr("cloud")
	if a == nil {
		if len(kind.Clouds) > 0 {
			spec.Cloud = kind.Clouds[0]
		}
		return true
	}
	cloud, ok := c.text(a)
	switch {
	case !ok || !known:
		return false
	case len(kind.Clouds) == 0:
		c.error(a.NameRange, fmt.Sprintf("feeds of kind %s have no clouds", kind.Name), "", "remove the argument")
		return false
	case !slices.Contains(kind.Clouds, cloud):
		c.error(a.Expr.Range(), fmt.Sprintf("%s has no cloud %.60q", kind.Name, cloud), "", didYouMean("", cloud, kind.Clouds))
		return false
	}
	spec.Cloud = cloud
	return true
}

// feedSource evaluates file and url, which exclude each other.
func (c *compiler) feedSource(d *decl, kind kinds.Kind, spec *catalog.FeedSpec) bool {
	file, link := d.attr("file"), d.attr("url")
	ok := true
	if file != nil {
		ok = c.feedFile(file, spec)
	}
	if link != nil {
		ok = c.feedURL(link, spec) && ok
	}
	switch {
	case file != nil && link != nil:
		c.error(link.NameRange, fmt.Sprintf("feed %q has a file and a url", d.name), "It is read from one of them.", "remove one of the two",
			at(file.NameRange, "the file is here"))
		return false
	case file == nil && link == nil && kind.Name != "" && len(kind.Clouds) == 0 && !c.mayLack(d, "file") && !c.mayLack(d, "url"):
		c.error(d.header, fmt.Sprintf("feed %q has neither a file nor a url", d.name), "", `write file = "..." or url = "https://..."`)
		return false
	}
	return ok
}

func (c *compiler) feedFile(a *hclsyntax.Attribute, spec *catalog.FeedSpec) bool {
	name, ok := c.text(a)
	switch {
	case !ok:
		return false
	case name == "":
		c.error(a.Expr.Range(), "the name of the file is empty", "", "name the file, or remove the argument")
		return false
	case !filepath.IsAbs(name):
		name = filepath.Join(c.f.dir(), name)
	}
	spec.File = name
	return true
}

func (c *compiler) feedURL(a *hclsyntax.Attribute, spec *catalog.FeedSpec) bool {
	s, ok := c.text(a)
	if !ok {
		return false
	}
	// The command line decides whether http is allowed.
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		c.error(a.Expr.Range(), fmt.Sprintf("%.60q is not the address of a web page", s), "", `write url = "https://..."`)
		return false
	}
	if u.User != nil {
		c.error(a.Expr.Range(), "the url holds a user name or a password", "A policy is no place for secrets.", "remove it")
		return false
	}
	spec.URL = s
	return true
}

func (c *compiler) feedAge(d *decl, kind kinds.Kind, spec *catalog.FeedSpec) bool {
	a := d.attr("max_age")
	if a == nil {
		return true
	}
	s, ok := c.text(a)
	if !ok {
		return false
	}
	age, err := parseDuration(s)
	if err != nil || age <= 0 {
		c.error(a.Expr.Range(), fmt.Sprintf("%.60q is not a time to keep a feed", s), "", `write a number with its unit: "24h", "7d"`)
		return false
	}
	if age < kind.MinAge && spec.File == "" && spec.URL == "" {
		c.error(a.Expr.Range(), fmt.Sprintf("%s is too short a time to keep this feed", s),
			fmt.Sprintf("Its publisher wants to be asked at most once in %g h.", kind.MinAge.Hours()), "write a longer time, or remove the argument")
		return false
	}
	spec.MaxAge = age
	return true
}

// feedList returns the versions of the feeds with the labels, sorted by label.
func (c *compiler) feedList(labels []string) []rules.Feed {
	var out []rules.Feed
	for _, name := range sortedSet(slices.Clone(labels)) {
		cat := c.catalogs[name]
		if cat == nil {
			continue
		}
		out = append(out, feedVersion(name, cat.Info()))
	}
	return out
}

func feedVersion(name string, info catalog.Info) rules.Feed {
	return rules.Feed{Name: name, Kind: info.Kind, Cloud: info.Cloud, Change: info.Change, SHA256: info.SHA256}
}

// allFeeds returns the labels of the feeds of p's sets, names and rules.
func allFeeds(p *Program) []string {
	var out []string
	for _, s := range p.Sets {
		out = append(out, s.Feeds...)
	}
	for _, n := range p.Names {
		out = append(out, n.Feeds...)
	}
	for _, r := range p.Rules {
		out = append(out, r.Feeds...)
	}
	return out
}
