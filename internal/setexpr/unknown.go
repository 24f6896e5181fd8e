package setexpr

import (
	"fmt"
	"strings"

	"sallyport/ipranges"
	"sallyport/ipranges/catalog"
)

// This file has the errors for unknown names.

// State is the kind and the change number of c, such as "azure change 398".
func State(c *catalog.Catalog) string {
	i := c.Info()
	if i.Change == "" {
		return i.Kind
	}
	return i.Kind + " change " + i.Change
}

// NoTag is the error for a name that is no tag of c. It is a usage error if no tag can have
// the name.
func NoTag(c *catalog.Catalog, name string) error {
	if hint := notATag(name); hint != "" {
		return usage("%q is no name of a tag: %s", name, hint)
	}
	hint := NoTagHint(c, name, "sallyport ranges list finds tags by words")
	if near := c.Suggest(name, 3); len(near) > 0 {
		hint = "did you mean " + strings.Join(near, ", ") + "?"
	}
	return fmt.Errorf("no tag %s in %s: %s", name, State(c), hint)
}

// NoTagHint says what to do about a name that is similar to no tag.
func NoTagHint(c *catalog.Catalog, name, otherwise string) string {
	switch kind := c.Info().Kind; {
	case kind == "m365" && strings.Contains(strings.ToLower(name), "skype"):
		return "the service calls the area of Teams Skype, and its tags are called Teams"
	case kind != "azure":
		return otherwise
	}
	for _, word := range []string{"munication", "acs", "teams", "skype"} {
		if strings.Contains(strings.ToLower(name), word) {
			return "Azure publishes no tag for Communication Services or Teams: docs/acs.md lists their ranges"
		}
	}
	return otherwise
}

// notATag says what to do about a text that cannot be the name of a tag; else it is empty.
func notATag(name string) string {
	_, err := ipranges.ParseRange(name)
	switch {
	case name == "":
		return "write a tag, such as AzureCloud"
	case err == nil || strings.Contains(name, "/"):
		return "sallyport ranges lookup finds the tags of an address, and sallyport aggregate --exclude leaves addresses out"
	case strings.HasPrefix(name, "tag(") || strings.HasPrefix(name, "feed."):
		return "write the name alone, as the feed has it"
	case strings.Contains(name, ","):
		return "write blanks between names"
	}
	return ""
}

// mostNames is how many names a message lists.
const mostNames = 8

func noSet(name string, sets []string) error {
	names := "no set at all"
	switch {
	case len(sets) > mostNames:
		names = fmt.Sprintf("%s and %d more", strings.Join(sets[:mostNames], ", "), len(sets)-mostNames)
	case len(sets) > 0:
		names = strings.Join(sets, ", ")
	}
	return fmt.Errorf("the policy has no set %s: it has %s", name, names)
}
