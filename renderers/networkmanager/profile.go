package networkmanager

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"
	"sync"

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

// blanks are what GKeyFile takes for white space.
const blanks = " \t\n\v\f\r"

// readKeyfile takes a keyfile apart as GKeyFile does (glib/gkeyfile.c, 2.74): lines end in
// LF or CR LF, comments begin with #, blanks in front of a line and around = do not count,
// and those at a value's end do.
func readKeyfile(data []byte) (keys, error) {
	k := keys{}
	group := ""
	n := 0
	for line := range strings.Lines(string(data)) {
		n++
		l := strings.TrimLeft(strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), blanks)
		switch name, isGroup := groupName(l); {
		case l == "" || l[0] == '#':
		case isGroup:
			if strings.ContainsAny(name, "[]") || name == "" {
				return nil, fmt.Errorf("line %d has no name of a group", n)
			}
			if group = name; k[group] == nil {
				k[group] = map[string]string{}
			}
		default:
			key, value, ok := strings.Cut(l, "=")
			key = strings.TrimRight(key, blanks)
			if !ok || key == "" || key[0] == '[' || strings.ContainsRune(l, '\r') {
				return nil, fmt.Errorf("line %d is neither [group] nor key=value", n)
			}
			if group == "" {
				return nil, fmt.Errorf("line %d comes before the first [group]", n)
			}
			k[group][key] = unescape(strings.TrimLeft(value, blanks))
		}
	}
	return k, nil
}

// groupName is the name on a line that is a group's.
func groupName(l string) (string, bool) {
	rest, ok := strings.CutPrefix(l, "[")
	name, after, closed := strings.Cut(rest, "]")
	return name, ok && closed && strings.Trim(after, " \t") == ""
}

var unescape = strings.NewReplacer(`\s`, " ", `\n`, "\n", `\t`, "\t", `\r`, "\r", `\\`, `\`).Replace

// baseGroups are those that say what a connection is where its type does not
// (libnm-core, the settings of base priority), under both of their names.
var baseGroups = []string{"ethernet", "802-3-ethernet", "wifi", "802-11-wireless", "gsm", "cdma", "bluetooth", "infiniband", "adsl",
	"bond", "bridge", "team", "vlan", "vrf", "vxlan", "macvlan", "macsec", "dummy", "ip-tunnel", "tun", "veth", "generic", "loopback", "pppoe", "wpan",
	"vpn", "wireguard"}

// isUUID is what NetworkManager takes for one. It is compiled when a profile is read: every
// start of the program would pay for it.
var isUUID = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^([0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{40})$`)
})

// readProfile reads a connection profile, and refuses what NetworkManager would. It needs
// neither uuid nor id, which NetworkManager makes from the file's name, nor a type that a
// group tells (1.42.4, tried 2026-11-30).
func readProfile(data []byte) (keys, error) {
	switch {
	case bytes.IndexByte(data, 0) >= 0:
		return nil, errors.New("it is no keyfile: it holds zero bytes")
	case bytes.HasPrefix(data, []byte("\ufeff")):
		return nil, errors.New("it begins with a byte order mark, which NetworkManager does not take")
	case bytes.Contains(data, []byte("\n# routes: ")):
		return nil, errors.New("it is an output of sallyport already")
	}
	k, err := readKeyfile(data)
	if err != nil {
		return nil, fmt.Errorf("it is no keyfile: %w", err)
	}
	if k.kind() == "" {
		return nil, errors.New("it is no whole profile: there is no type in a group [connection]")
	}
	if uuid := k.last("connection", "uuid"); k.has("connection", "uuid") && !isUUID().MatchString(uuid) {
		return nil, fmt.Errorf("NetworkManager takes no profile whose uuid is %.60q", uuid)
	}
	for _, key := range []string{"master", "controller"} {
		if k.last("connection", key) != "" {
			return nil, fmt.Errorf("it is of a port of %.60q, and routes belong to the profile of that", k.last("connection", key))
		}
	}
	for _, f := range rules.BothFamilies.List() {
		if k[group(f)] != nil && k.last(group(f), "method") == "" {
			return nil, fmt.Errorf("its group [%s] has no method, and NetworkManager takes no such profile", group(f))
		}
	}
	return k, nil
}

// kind is the type of the connection, or what its groups say that it is.
func (k keys) kind() string {
	if t := k.last("connection", "type"); t != "" {
		return t
	}
	for _, g := range baseGroups {
		if k[g] != nil {
			return g
		}
	}
	return ""
}

// id is the connection's name, which without one is the file's.
func (r *renderer) id() string {
	if id := r.keys.last("connection", "id"); id != "" {
		return id
	}
	return strings.TrimSuffix(path.Base(r.env.Path), info.Extension)
}

// known is how nmcli is told which connection is meant.
func (r *renderer) known() string {
	if uuid := r.keys.last("connection", "uuid"); uuid != "" {
		return "uuid " + renderers.ShellWord(uuid)
	}
	return "id " + renderers.ShellWord(r.id())
}

// advice: a profile without uuid is known by its file, and a
// copy under another name is another connection.
func (r *renderer) advice(*rules.Plan) []*renderers.OptionError {
	if r.profile == nil || r.keys.has("connection", "uuid") || path.Base(r.env.Path) == path.Base(r.from) {
		return nil
	}
	return []*renderers.OptionError{{ID: "other-connection", Option: "profile", Cause: fmt.Sprintf("it has no uuid, and NetworkManager makes one from the file's name: %s is another connection than %s",
		renderers.Clean(path.Base(r.env.Path)), renderers.Clean(path.Base(r.from))),
		Fix: fmt.Sprintf("say path = %q, the name that it has on the machine, or give it a uuid", path.Base(r.from))}}
}

// missing is the key that a group needs where the profile has no such group: NetworkManager
// fills in a group that is not there, and takes none without a method.
func (r *renderer) missing(f ipranges.Family) string {
	if r.profile == nil || r.keys[group(f)] != nil {
		return ""
	}
	return "method=auto\n"
}
