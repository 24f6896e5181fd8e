package networkmanager

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// keys are the values of a keyfile by group and key, the last of each: GKeyFile unites
// groups of one name, and keeps the last value of a key.
type keys map[string]map[string]string

func (k keys) last(group, key string) string { return k[group][key] }

func (k keys) has(group, key string) bool {
	_, ok := k[group][key]
	return ok
}

// readProfile takes a connection profile apart, as far as we ask something of it.
func readProfile(data []byte) (keys, error) {
	if bytes.IndexByte(data, 0) >= 0 || bytes.IndexByte(data, '\r') >= 0 {
		return nil, errors.New("it is no keyfile: it holds bytes that no text of Linux has")
	}
	if bytes.Contains(data, []byte("\n# routes: ")) {
		return nil, errors.New("it is an output of ours already")
	}
	k := keys{}
	group := ""
	for line := range strings.Lines(string(data)) {
		l := strings.TrimSpace(line)
		name, isGroup := strings.CutPrefix(l, "[")
		switch {
		case l == "" || l[0] == '#':
		case isGroup:
			group = strings.TrimSuffix(name, "]")
			if k[group] == nil {
				k[group] = map[string]string{}
			}
		default:
			key, value, ok := strings.Cut(l, "=")
			if !ok || group == "" {
				return nil, errors.New("it is no keyfile: it has a line that is neither a [group] nor key=value")
			}
			k[group][strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
	}
	for _, key := range []string{"id", "uuid", "type"} {
		if !k.has("connection", key) {
			return nil, fmt.Errorf("it is no whole profile: its group [connection] has no %s", key)
		}
	}
	return k, nil
}

// ReadBack implements renderers.Renderer. It finds the prefixes, and takes the file if
// they make the very lines that it has.
func (r *renderer) ReadBack(files []renderers.File) (*rules.Plan, error) {
	f, err := renderers.FileAt(files, r.env.Path)
	if err != nil {
		return nil, err
	}
	if len(files) != 1 {
		return nil, fmt.Errorf("%d files, and one is ours", len(files))
	}
	own, ok := bytes.CutPrefix(f.Data, r.profile)
	if !ok {
		return nil, fmt.Errorf("%s: it does not begin with your profile", f.Path)
	}
	comments, lines := renderers.Uncomment(own, "#")
	v, fams, err := renderers.ReadRouteHeader(comments)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Path, err)
	}
	set, err := listedIn(lines)
	switch {
	case err != nil:
	case set.IsEmpty():
		err = errors.New("it lists nothing")
	case strings.Join(lines, "\n")+"\n" != string(r.groups(set, fams, v)):
		err = errors.New("its groups are not those that its prefixes make")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Path, err)
	}
	return rules.RoutePlan(r.env.Name, fams, v, set), nil
}

// listedIn finds the prefixes on lines of routes.
func listedIn(lines []string) (ipranges.Set, error) {
	var b ipranges.Builder
	for _, l := range lines {
		key, value, ok := strings.Cut(l, "=")
		if !ok || !strings.HasPrefix(key, "route") {
			continue
		}
		text, _, _ := strings.Cut(value, ",")
		p, err := ipranges.ParsePrefix(text)
		if err == nil {
			err = b.AddPrefix(p)
		}
		if err != nil {
			return ipranges.Set{}, fmt.Errorf("%q: %w", l, err)
		}
	}
	return b.Set(), nil
}
