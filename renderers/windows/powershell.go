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
	"sallyport/renderers/routes"
	"sallyport/rules"
)

// scriptOnlyIncludes is why a script has no bypass.
const scriptOnlyIncludes = `Add-VpnConnectionRoute knows no exclusion, only a ProfileXML does: form = "profile" or "routes"`

// caps is what the options leave of what the kind can express.
func (r *renderer) caps() rules.Caps {
	caps := info.Caps
	// The direction is not known yet: of elements the longer false of an include counts.
	caps.RouteBytes = r.form.RouteBytes(rules.Tunnel)
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

// scriptForm is a script that nobody overrides: what another script does, nothing could
// read back.
func (r *renderer) scriptForm() routes.Form {
	first := ""
	if strings.ContainsFunc(r.opt.Connection, func(c rune) bool { return c >= utf8.RuneSelf }) {
		first = byteOrder
	}
	return routes.Form{
		Mark: "#", Script: true, First: first,
		Rows: func(ipranges.Family, rules.Verdict) routes.Rows {
			return routes.Rows{Row: routes.Row{Before: "    '", After: "'"}}
		},
		Check: func(list rules.RouteList) error {
			if list.Way != rules.Tunnel {
				return errors.New("it says to bypass the VPN, which no script does")
			}
			return nil
		},
		Body: func(_ rules.RouteList, rows []byte) ([]byte, error) {
			return renderers.Execute("windows", "powershell.ps1.tmpl", nil, map[string]any{
				"File": renderers.Clean(path.Base(r.path)), "Connection": quote(r.opt.Connection), "AllUsers": r.opt.AllUsers,
				"Target": r.env.Name, "Routes": string(rows),
			})
		},
	}
}

func (r *renderer) renderScript(header []string, list rules.RouteList) ([]renderers.File, error) {
	if err := r.leftBehind(); err != nil {
		return nil, err
	}
	body, err := r.form.Text(list)
	if err != nil {
		return nil, err
	}
	b := bytes.NewBufferString(r.form.First)
	for _, l := range header {
		b.WriteString("# " + l + "\n")
	}
	b.Write(body)
	return []renderers.File{{Path: r.path, Mode: routes.Plain, Data: b.Bytes(), Use: "powershell -ExecutionPolicy Bypass -File {}",
		Undo: "powershell -ExecutionPolicy Bypass -File {} -Remove", On: "the Windows client"}}, nil
}

// leftBehind refuses a change of all_users: the record of what the earlier script added
// is where the new one does not look.
func (r *renderer) leftBehind() error {
	before := r.env.Previous(r.path)
	if !bytes.Contains(before, []byte(fmt.Sprintf("\n$allUsers = $%v\n", !r.opt.AllUsers))) {
		return nil
	}
	return &rules.RuleError{Option: "all_users", Cause: fmt.Sprintf("%s of an earlier run is for connections with all_users = %v, and this one would not find its routes", renderers.Clean(r.path), !r.opt.AllUsers),
		Fix: fmt.Sprintf("where it is loaded, run it with -Remove; then delete %s and run again", renderers.Clean(r.path))}
}
