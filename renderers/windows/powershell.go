package windows

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// scriptOnlyIncludes is why a script has no bypass.
const scriptOnlyIncludes = `Add-VpnConnectionRoute knows no exclusion, only a ProfileXML does: form = "profile" or "routes"`

// caps is what the options leave of what the kind can express.
func (r *renderer) caps() rules.Caps {
	caps := info.Caps
	caps.RouteBytes = r.routeBytes
	if r.opt.Form == formPowerShell {
		caps.Verdicts, caps.Defaults = []rules.Verdict{rules.Tunnel}, []rules.Verdict{rules.Bypass}
		caps.NoBypass = map[ipranges.Family]string{ipranges.IPv4: scriptOnlyIncludes, ipranges.IPv6: scriptOnlyIncludes}
	}
	return caps
}

const maxEntryName = 256

// checkScript checks what a script writes, and chooses its path.
func (r *renderer) checkScript() error {
	r.path = r.env.Path
	if !r.env.PathGiven {
		r.path = strings.TrimSuffix(r.env.Path, info.Extension) + ".ps1"
	}
	name := r.opt.Connection
	switch {
	case !strings.EqualFold(path.Ext(r.path), ".ps1"):
		return &renderers.OptionError{Option: "path", Cause: fmt.Sprintf("PowerShell runs no file called %.80q", path.Base(r.path)),
			Fix: "end it in .ps1, or leave path out"}
	case name == "":
		return &renderers.OptionError{Option: "connection", Cause: "a script needs the VPN connection that the routes are for",
			Fix: `add connection = "NAME", as Get-VpnConnection shows it`}
	case !utf8.ValidString(name) || utf8.RuneCountInString(name) > maxEntryName || strings.TrimSpace(name) != name || strings.ContainsFunc(name, func(c rune) bool { return !unicode.IsPrint(c) }):
		return &renderers.OptionError{Option: "connection", Cause: fmt.Sprintf("%.80q is no name of a connection", name),
			Fix: "write it as Get-VpnConnection shows it: up to 256 characters, without control characters or blanks at its ends"}
	}
	return nil
}

// quote is s as a literal string of PowerShell, which ends at any of the quotes that
// a word processor writes, too (PowerShell's about_Quoting_Rules; char traits of its tokenizer).
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('\'')
	for _, c := range s {
		if strings.ContainsRune("'\u2018\u2019\u201a\u201b", c) {
			b.WriteRune(c)
		}
		b.WriteRune(c)
	}
	b.WriteByte('\'')
	return b.String()
}

// byteOrder begins a script with other letters than ASCII: Windows PowerShell 5.1 would
// take it for one in the machine's code page.
const byteOrder = "\ufeff"

func (r *renderer) renderScript(header []string, set ipranges.Set) ([]renderers.File, error) {
	if err := r.leftBehind(); err != nil {
		return nil, err
	}
	body, err := r.script(set)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if strings.ContainsFunc(r.opt.Connection, func(c rune) bool { return c >= utf8.RuneSelf }) {
		b.WriteString(byteOrder)
	}
	for _, l := range header {
		b.WriteString("# " + l + "\n")
	}
	b.Write(body)
	return []renderers.File{{Path: r.path, Mode: 0o644, Data: b.Bytes(), Use: "powershell -ExecutionPolicy Bypass -File {}",
		Undo: "powershell -ExecutionPolicy Bypass -File {} -Remove", On: "the Windows client"}}, nil
}

// What stands around a prefix in a script's list.
const (
	scriptBefore = "    '"
	scriptAfter  = "'\n"
)

// script is the file without its header. Nobody overrides it: what another script
// does, nothing could read back.
func (r *renderer) script(set ipranges.Set) ([]byte, error) {
	var routes []byte
	for _, f := range rules.BothFamilies.List() {
		routes = set.AppendPrefixes(routes, f, scriptBefore, scriptAfter)
	}
	return renderers.Execute("windows", "powershell.ps1.tmpl", nil, map[string]any{
		"File": renderers.Clean(path.Base(r.path)), "Connection": quote(r.opt.Connection), "AllUsers": r.opt.AllUsers,
		"Target": r.env.Name, "Routes": string(routes),
	})
}

// leftBehind refuses a change of all_users: the record of what the earlier script added
// is where the new one does not look.
func (r *renderer) leftBehind() error {
	if r.env.Previous == nil {
		return nil
	}
	before := r.env.Previous(r.path)
	if !bytes.Contains(before, []byte(fmt.Sprintf("\n$allUsers = $%v\n", !r.opt.AllUsers))) {
		return nil
	}
	return &rules.RuleError{Option: "all_users", Cause: fmt.Sprintf("%s of an earlier run is for connections with all_users = %v, and this one would not find its routes", renderers.Clean(r.path), !r.opt.AllUsers),
		Fix: fmt.Sprintf("where it is loaded, run it with -Remove; then delete %s and run again", renderers.Clean(r.path))}
}

// readScript holds the script to the one that we would write for the routes in it.
func (r *renderer) readScript(data []byte) (*rules.Plan, error) {
	text := strings.TrimPrefix(string(data), byteOrder)
	header, body, ok := strings.Cut(text, "\n\n")
	if !ok {
		return nil, errors.New("no blank line ends its header")
	}
	comments, lines := renderers.Uncomment([]byte(header), "#")
	if len(lines) > 0 {
		return nil, fmt.Errorf("%.80q stands in its header", lines[0])
	}
	v, fams, err := renderers.ReadRouteHeader(comments)
	if err != nil {
		return nil, err
	}
	if v != rules.Tunnel {
		return nil, errors.New("it says to bypass the VPN, which no script does")
	}
	_, list, _ := strings.Cut(body, "\n$routes = @(\n")
	list, _, ok = strings.Cut(list, "\n)\n")
	if !ok {
		return nil, errors.New("there is no list of routes")
	}
	var b ipranges.Builder
	for line := range strings.SplitSeq(list, "\n") {
		p, err := ipranges.ParsePrefix(strings.Trim(line, " '"))
		if err == nil && !fams.Has(ipranges.FamilyOf(p.Addr())) {
			err = fmt.Errorf("%s is not of %s", p, fams)
		}
		if err == nil {
			err = b.AddPrefix(p)
		}
		if err != nil {
			return nil, fmt.Errorf("%.80q: %w", line, err)
		}
	}
	want, err := r.script(b.Set())
	if err != nil {
		return nil, err
	}
	if "\n"+body != string(want) {
		return nil, errors.New("it is not the script that sallyport writes for these routes")
	}
	return rules.RoutePlan(r.env.Name, fams, v, b.Set()), nil
}
