package pipeline

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/diag"
	"sallyport/internal/testkit/cost"
	"sallyport/internal/testkit/realfeed"
	"sallyport/ipranges"
	"sallyport/renderers/all"
	"sallyport/rules"
)

// everyTarget is a policy of all of AzureCloud for the packet filters in all their forms,
// and for those routes whose devices take that many.
func everyTarget(t *testing.T) string {
	t.Helper()
	config, err := filepath.Abs("../../renderers/pfsense/testdata/config.xml")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString(`feed "azure" {}
set "azure" { include = [tag(feed.azure, "AzureCloud")] }
names "signalling" { include = ["login.skype.com", "*.teams.microsoft.com"] }
service "https" { tcp = [443] }
rule "calls" {
  action   = "allow"
  to       = set.azure
  services = [service.media]
}
rule "signalling" {
  action   = "allow"
  to       = names.signalling
  services = [service.https]
}
` + mediaService)
	gate := "  hook = \"forward\"\n  ingress = [\"lan0\"]\n"
	zones := "  from_zones = [\"trust\"]\n  to_zones = [\"untrust\"]\n"
	served := "  url = \"https://lists.example.com/sallyport\"\n"
	for i, tt := range []struct{ kind, body string }{
		{"nftables", gate},
		{"nftables", "  placement = \"standalone\"\n" + gate},
		{"iptables", gate},
		{"iptables", "  sets = \"chains\"\n" + gate},
		{"pfsense", served},
		{"pfsense", "  form = \"import\"\n"},
		{"pfsense", fmt.Sprintf("  form = \"merge\"\n  config = %q\n  before = \"Default allow LAN to any rule\"\n  accept = [\"1734240002\", \"1734240010\", \"1734240011\", \"1734240020\", \"1734240021\"]\n", config)},
		{"paloalto", zones + served + "  certificate_profile = \"lists\"\n"},
		{"paloalto", zones + "  form = \"objects\"\n"},
		{"paloalto", zones + "  form = \"objects\"\n  syntax = \"xml\"\n"},
		{"generic", "  format = \"json\"\n"},
		{"generic", "  format = \"csv\"\n"},
		{"hostlist", ""},
		{"iproute", "  gateway4 = \"192.0.2.1\"\n  gateway6 = \"fe80::1\"\n  device = \"eth0\"\n"},
		{"openvpn", "  ipv6 = \"script\"\n"},
		{"wireguard", ""},
		{"windows", "  form = \"routes\"\n"},
	} {
		rule := "rules = [rule.calls]"
		switch kind, _ := all.Named(tt.kind); {
		case kind.Caps.OnlyNames:
			rule = "rules = [rule.signalling]"
		case !slices.Contains(kind.Caps.Verdicts, rules.Allow):
			rule = "bypass = set.azure"
		}
		fmt.Fprintf(&b, "target %q \"t%d\" {\n  %s\n%s}\n", tt.kind, i, rule, tt.body)
	}
	return b.String()
}

// counted counts how often somebody reads it to the end.
type counted struct {
	io.Reader
	ends int
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if err == io.EOF {
		c.ends++
	}
	return n, err
}

// TestOneDecodeForAllTargets: the feed is opened and decoded once, whatever number of
// targets. Standard input can be read once only, so that a second opening finds nothing.
func TestOneDecodeForAllTargets(t *testing.T) {
	src := everyTarget(t)
	feed := &counted{Reader: bytes.NewReader(realfeed.Read(t, "azure/ServiceTags_Public_change398.json"))}
	req := request(t, src)
	req.Feeds, req.Opener.Fetcher.Stdin = map[string]string{"azure": "-"}, feed
	res := run(t, req)
	if want := strings.Count(src, "\ntarget "); len(res.Outputs) != want || res.Diagnostics.HasErrors() {
		t.Fatalf("%d outputs of %d targets: %s", len(res.Outputs), want, complaints(res, diag.Error))
	}
	if feed.ends != 1 || len(res.Feeds) != 1 {
		t.Errorf("the feed was read %d times, and opened as %d feeds", feed.ends, len(res.Feeds))
	}
	seen := map[string]bool{}
	for _, o := range res.Outputs {
		seen[o.Kind.Name] = true
		if !o.ReadBack {
			t.Errorf("%s was not read back", o.Target.Name)
		}
	}
	for _, k := range all.Kinds() {
		if slices.Contains(k.Caps.Verdicts, rules.Allow) && !seen[k.Name] {
			t.Errorf("%s is not in the policy of this test", k.Name)
		}
	}
}

// TestEachTargetIsFast: for all of AzureCloud, from options to files, a target costs at
// most five times a piece of work of the same nature, which is measured in turns with
// the target. That were 3 ms of 0.6 ms where the limit was set. Of each the cheapest
// turn counts, and with a limit that is not met there are more turns.
func TestEachTargetIsFast(t *testing.T) {
	req := request(t, everyTarget(t))
	req.Feeds, req.SelfCheck = map[string]string{"azure": realfeed.Path(t, "azure/ServiceTags_Public_change398.json")}, false
	res, err := Compile(context.Background(), req)
	if err != nil || res.Diagnostics.HasErrors() {
		t.Fatalf("%v: %s", err, complaints(res, diag.Error))
	}
	set, ok := res.Feeds[0].Catalog.Set("AzureCloud")
	if !ok {
		t.Fatal("the feed has no tag AzureCloud")
	}
	for i := range res.Program.Targets {
		target := &res.Program.Targets[i]
		own, work := time.Hour, time.Hour
		for turn := 0; turn < 12 || own > 5*work && turn < 60; turn++ {
			work = min(work, cost.Least(1, func() { prefixesByName(set) }))
			own = min(own, cost.Least(1, func() {
				if out, diags := newBuilder(req).render(target, published{}); out == nil {
					t.Fatalf("%s: %+v", target.Name, diags)
				}
			}))
		}
		t.Logf("%s %s: %v, beside work of %v", target.Kind, target.Name, own, work)
		if own > 5*work {
			t.Errorf("%s %s costs %v, more than five times the %v of writing its prefixes", target.Kind, target.Name, own, work)
		}
	}
}

// prefixesByName is work as targets do it: text of prefixes, in a map and in a file, and
// a look at every byte, which the race detector slows most.
func prefixesByName(set ipranges.Set) int {
	names, file := map[string]int{}, []byte(nil)
	for _, f := range rules.BothFamilies.List() {
		for p := range set.Prefixes(f) {
			name := p.String()
			names[name] = len(file)
			file = append(append(file, name...), '\n')
		}
	}
	lines := 0
	for range 8 {
		for i := range file {
			if file[i] == '\n' {
				lines++
			}
		}
	}
	return len(names) + lines
}
