package pipeline

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sallyport/diag"
	"sallyport/internal/fetch"
)

const (
	acceptBase = `
service "media" { udp = ["3478-3481"] }
rule "calls" {
  action   = "allow"
  to       = ["192.0.2.0/24"]
  services = [service.media]
}
`
	acceptPlan = "target \"generic\" \"plan\" {}\n"
)

// acceptable are policies that each give one warning, in a block with ACCEPT in it.
var acceptable = []struct{ id, policy string }{
	{"unused", acceptBase + acceptPlan + "set \"s\" {\n  include = [\"192.0.2.0/24\"]\n  ACCEPT\n}\n"},
	{"unused", acceptBase + acceptPlan + "variable \"s\" {\n  default = 5\n  ACCEPT\n}\n"},
	{"unused", acceptBase + acceptPlan + "feed \"azure\" {\n  ACCEPT\n}\n"},
	{"shadowed", acceptBase + acceptPlan + "rule \"again\" {\n  action = \"allow\"\n  to = [\"192.0.2.7\"]\n  services = [service.media]\n  ACCEPT\n}\n"},
	{"family-gap", acceptBase + acceptPlan + "rule \"six\" {\n  action = \"allow\"\n  from = [\"10.0.0.0/8\"]\n  to = [\"198.51.100.0/24\", \"2001:db8::/32\"]\n  services = [service.media]\n  ACCEPT\n}\n"},
	{"open-cloud", acceptBase + acceptPlan + "feed \"azure\" {}\nrule \"cloud\" {\n  action = \"allow\"\n  to = tag(feed.azure, \"AzureCloud\")\n  services = [service.media]\n  ACCEPT\n}\n"},
	{"open-cloud", acceptBase + acceptPlan + "feed \"azure\" {}\nset \"cloud\" {\n  include = [tag(feed.azure, \"AzureCloud\")]\n  ACCEPT\n}\nrule \"cloud\" {\n  action = \"allow\"\n  to = set.cloud\n  services = [service.media]\n}\n"},
	{"open-names", acceptBase + "names \"hosts\" {\n  include = [\"*.azure.com\"]\n}\nrule \"hosts\" {\n  action = \"allow\"\n  to = names.hosts\n  services = [service.media]\n  ACCEPT\n}\ntarget \"hostlist\" \"l\" { rules = [rule.hosts] }\n"},
	{"open-names", acceptBase + "names \"hosts\" {\n  include = [\"*.azure.com\"]\n  ACCEPT\n}\nrule \"hosts\" {\n  action = \"allow\"\n  to = names.hosts\n  services = [service.media]\n}\ntarget \"hostlist\" \"l\" { rules = [rule.hosts] }\n"},
	{"idle-exclude", acceptBase + acceptPlan + "set \"s\" {\n  include = [\"198.51.100.0/24\"]\n  exclude = [\"203.0.113.0/24\"]\n  ACCEPT\n}\nrule \"s\" {\n  action = \"allow\"\n  to = set.s\n  services = any\n}\n"},
	{"no-address", acceptBase + acceptPlan + "feed \"m365\" {}\nset \"s\" {\n  include = [\"198.51.100.0/24\", tag(feed.m365, \"16\")]\n  ACCEPT\n}\nrule \"s\" {\n  action = \"allow\"\n  to = set.s\n  services = any\n}\n"},
	{"expired", acceptBase + acceptPlan + "rule \"old\" {\n  action = \"allow\"\n  to = [\"198.51.100.0/24\"]\n  services = any\n  expires = \"2026-01-01\"\n  ACCEPT\n}\n"},
	{"expires-soon", acceptBase + acceptPlan + "rule \"old\" {\n  action = \"allow\"\n  to = [\"198.51.100.0/24\"]\n  services = any\n  expires = \"2026-11-30\"\n  ACCEPT\n}\n"},
	{"rule-left-out", acceptBase + "rule \"six\" {\n  action = \"allow\"\n  to = [\"2001:db8::/32\"]\n  services = any\n}\ntarget \"generic\" \"plan\" {\n  families = [\"ipv4\"]\n  ACCEPT\n}\n"},
	{"rule-left-out", acceptBase + "rule \"six\" {\n  action = \"allow\"\n  to = [\"2001:db8::/32\"]\n  services = any\n  ACCEPT\n}\ntarget \"generic\" \"plan\" {\n  families = [\"ipv4\"]\n}\n"},
	{"shared", "target \"frr\" \"a\" {\n  bypass = [\"192.0.2.0/24\", \"2001:db8::/32\"]\n  device = \"eth0\"\n  ACCEPT\n}\ntarget \"frr\" \"b\" {\n  bypass = [\"192.0.2.0/24\", \"2001:db8::/32\"]\n  device = \"eth0\"\n}\n"},
	{"shared", "target \"frr\" \"a\" {\n  bypass = [\"192.0.2.0/24\", \"2001:db8::/32\"]\n  device = \"eth0\"\n}\ntarget \"frr\" \"b\" {\n  bypass = [\"192.0.2.0/24\", \"2001:db8::/32\"]\n  device = \"eth0\"\n  ACCEPT\n}\n"},
	{"no-media", "target \"pac\" \"p\" {\n  bypass = [\"192.0.2.0/24\"]\n  families = [\"ipv4\"]\n  proxies = [\"PROXY proxy.example.com:8080\"]\n  ACCEPT\n}\n"},
	{"ipv6-gateway", "target \"windows\" \"w\" {\n  form = \"routes\"\n  bypass = [\"192.0.2.0/24\", \"2001:db8::/32\"]\n  ACCEPT\n}\n"},
	{"no-effect", acceptBase + "target \"nftables\" \"n\" {\n  hook = \"output\"\n  placement = \"standalone\"\n  ACCEPT\n}\n"},
	{"other-connection", "target \"networkmanager\" \"n\" {\n  include = [\"192.0.2.0/24\", \"2001:db8::/32\"]\n  profile = \"vpn.nmconnection\"\n  ACCEPT\n}\n"},
}

// notTried are warnings whose policies are long; their targets' own tests have them. A policy
// of which not every rule can be judged has a megabyte.
var notTried = []string{"android-routes", "profile-routes", "container-load", "unjudged"}

func acceptRun(t *testing.T, src string) *Result {
	t.Helper()
	req := request(t, src)
	req.SelfCheck = false
	req.Feeds = map[string]string{}
	for name, file := range map[string]string{"azure": "../../ipranges/azure/testdata/small.json", "m365": "../../ipranges/m365/testdata/small.json"} {
		if strings.Contains(src, "(feed."+name) {
			req.Feeds[name] = file
		}
	}
	profile := "[connection]\nid=vpn\ntype=vpn\n\n[vpn]\nservice-type=x\n\n[ipv4]\nmethod=auto\n\n[ipv6]\nmethod=auto\n"
	if err := os.WriteFile(filepath.Join(filepath.Dir(req.Policy), "vpn.nmconnection"), []byte(profile), 0o600); err != nil {
		t.Fatal(err)
	}
	res := run(t, req)
	if res.Diagnostics.HasErrors() {
		t.Fatal(complaints(res, diag.Error))
	}
	return res
}

// Every warning can be accepted where it speaks of, and is then not shown. An accept in
// another block changes nothing, and is said to be stale.
func TestAccept(t *testing.T) {
	tried := slices.Clone(notTried)
	for _, tt := range acceptable {
		tried = append(tried, tt.id)
		t.Run(tt.id, func(t *testing.T) {
			accept := fmt.Sprintf("accept %q { reason = \"read on a Monday\" }", tt.id)
			res := acceptRun(t, strings.Replace(tt.policy, "ACCEPT", "", 1))
			if n := res.Diagnostics.Count(diag.Warning); n != 1 || res.Diagnostics[0].ID != tt.id {
				t.Fatalf("%d warnings: %s", n, complaints(res, diag.Warning))
			}
			res = acceptRun(t, strings.Replace(tt.policy, "ACCEPT", accept, 1))
			list := res.Diagnostics
			if list.Count(diag.Warning) != 0 || list.Accepted() != 1 || list[0].Accepted.Reason != "read on a Monday" || list[0].Accepted.Place.IsZero() {
				t.Errorf("accepted: %d warnings, %d accepted: %s", list.Count(diag.Warning), list.Accepted(), complaints(res, diag.Warning))
			}
			elsewhere := strings.Replace(tt.policy, "ACCEPT", "", 1) + "set \"elsewhere\" {\n  include = [\"203.0.113.99\"]\n  " + accept + "\n}\n" +
				"rule \"elsewhere\" {\n  action = \"deny\"\n  to = set.elsewhere\n  services = any\n}\n"
			if !strings.Contains(tt.policy, "\"generic\"") { // somebody has to have the rule
				elsewhere += "target \"generic\" \"elsewhere\" { rules = [rule.elsewhere] }\n"
			}
			if slices.Contains([]string{"rule-left-out", "no-effect"}, tt.id) { // the other rule changes what is warned of
				return
			}
			res = acceptRun(t, elsewhere)
			if text := complaints(res, diag.Warning); res.Diagnostics.Count(diag.Warning) != 2 || !strings.Contains(text, "there is no warning") || res.Diagnostics.Accepted() != 0 {
				t.Errorf("accepted elsewhere: %s", text)
			}
		})
	}
	for id := range Warnings() {
		if _, ofFeeds := fetch.Warnings[id]; !ofFeeds && !slices.Contains(tried, id) {
			t.Errorf("warning %q is not tried", id)
		}
	}
}

// An accept is stale only where all that it could be about has been looked at.
func TestAcceptOfAnotherTarget(t *testing.T) {
	src := acceptBase + acceptPlan + "target \"pac\" \"p\" {\n  bypass = [\"192.0.2.0/24\"]\n  families = [\"ipv4\"]\n  proxies = [\"PROXY proxy.example.com:8080\"]\n" +
		"  accept \"no-media\" { reason = \"read\" }\n}\n"
	req := request(t, src)
	if res := run(t, req, "plan"); len(res.Diagnostics) != 0 {
		t.Error(complaints(res, diag.Warning))
	}
}

// The documentation lists every warning.
func TestWarningsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range slices.Sorted(maps.Keys(Warnings())) {
		if row := fmt.Sprintf("| `%s` | %s |", id, Warnings()[id]); !strings.Contains(string(page), row) {
			t.Errorf("docs/policy.md lacks the row\n%s", row)
		}
	}
}
