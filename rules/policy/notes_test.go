package policy

import (
	"strings"
	"testing"

	"sallyport/rules"
)

const notesPolicy = `
rule "r" {
  action      = "allow"
  to          = set.lan
  services    = [service.web]
  description = "the web"
  ticket      = "CHG-1234"
}
target "openvpn" "vpn" {
  bypass      = set.lan
  families    = ["ipv4"]
  description = "past the VPN"
  ticket      = "CHG #7"
}
`

// TestNotes: what rules and lists of routes say of themselves is in their plans.
func TestNotes(t *testing.T) {
	p := clean(t, notesPolicy+ruleTail)
	for target, want := range map[string]rules.Notes{
		"edge": {Description: "the web", Ticket: "CHG-1234"},
		"vpn":  {Description: "past the VPN", Ticket: "CHG #7"},
	} {
		if got := p.Target(target).Plan.Rules[0].Notes; got != want {
			t.Errorf("%s: %+v, wanted %+v", target, got, want)
		}
	}
}

func TestNotesMistakes(t *testing.T) {
	for _, tt := range []struct{ old, mistake, want string }{
		{`"the web"`, `["the web"]`, "description is a string"},
		{`"past the VPN"`, `7`, "description is a string"},
		{`"CHG-1234"`, `""`, "ticket is empty"},
		{`"CHG-1234"`, `" "`, "ticket is empty"},
		{`"CHG-1234"`, `1234`, "ticket is a string"},
		{`"CHG-1234"`, `"CHG\nCHG"`, `ticket holds '\n'`},
		{`"CHG-1234"`, `"CHG\u001b[31m"`, `ticket holds '\x1b'`},
		{`"CHG-1234"`, `"Änderung 7"`, `ticket holds 'Ä'`},
		{`"CHG #7"`, `"` + strings.Repeat("7", maxTicket+1) + `"`, "ticket has 65 characters"},
		{"target \"openvpn\"", "target \"generic\" \"one\" {\n  ticket = \"x\"\n}\ntarget \"openvpn\"", "a target with rules has no ticket"},
		{"target \"openvpn\"", "target \"generic\" \"both\" {\n  description = \"x\"\n}\ntarget \"openvpn\"", "a target with rules has no description"},
		{"target \"openvpn\"", "target \"nftables\" \"other\" {\n  description = \"x\"\n}\ntarget \"openvpn\"", `has no option "description"`},
	} {
		src := strings.Replace(notesPolicy, tt.old, tt.mistake, 1) + ruleTail
		_, list := check(t, "test.hcl", src, nil)
		found := 0
		for _, d := range list {
			if d.Severity.String() != "error" {
				continue
			}
			if found++; !strings.Contains(d.Summary, tt.want) || d.Fix == "" {
				t.Errorf("%s: %s, wanted %q", tt.mistake, show(list, src), tt.want)
			}
		}
		if found != 1 {
			t.Errorf("%s: %d errors, wanted one: %q", tt.mistake, found, tt.want)
		}
	}
}
