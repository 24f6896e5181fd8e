package f5

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"sallyport/renderers"
	"sallyport/renderers/routes"
	"sallyport/rules"
)

// leftBehind is an error where the script published before made a list that this one
// does not replace: on another resource, of the other direction, of a family or of names.
func leftBehind(env renderers.Env, form routes.Form, list rules.RouteList) error {
	body, err := form.Text(list)
	if err != nil {
		return err
	}
	resource, before := properties(env.Previous(env.Path))
	same, now := properties(body)
	var old []string
	for _, p := range before {
		if resource != same || !slices.Contains(now, p) {
			old = append(old, p+" none")
		}
	}
	if len(old) == 0 {
		return nil
	}
	file := renderers.Clean(env.Path)
	return &rules.RuleError{Cause: fmt.Sprintf("%s of an earlier run makes lists that this one leaves alone: they would stay on %s", file, renderers.Clean(resource)),
		Fix: fmt.Sprintf("where it is loaded, run: %s%s %s; then delete %s and run again", modify, renderers.Clean(resource), strings.Join(old, " "), file)}
}

const modify = "tmsh modify /apm resource network-access "

// properties are the resource of a script, and the lists that it makes there.
func properties(script []byte) (resource string, list []string) {
	_, rest, ok := bytes.Cut(script, []byte("\n"+modify))
	if !ok {
		return "", nil
	}
	words := strings.Fields(string(rest))
	if len(words) == 0 {
		return "", nil
	}
	for _, w := range words[1:] {
		if strings.HasPrefix(w, "address-space-") || strings.HasPrefix(w, "ipv6-address-space-") {
			list = append(list, w)
		}
	}
	return words[0], list
}
