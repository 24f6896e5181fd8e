package iptables

import (
	"path/filepath"
	"testing"

	"sallyport/internal/testkit/conformance"
	"sallyport/internal/testkit/cost"
	"sallyport/internal/testkit/filtercheck"
	"sallyport/internal/testkit/lab"
	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// BenchmarkLoad loads all of AzureCloud by our script and by hand, in turns, in the same
// namespace: by hand is ipset restore and one restore a family, which is what an admin
// would type. "fresh" begins with nothing, "again" loads the same once more, "week" the
// next version of the feed, and "policy" that and one more rule.
func BenchmarkLoad(b *testing.B) {
	old, now := filtercheck.Calls(conformance.AzureCloud(b, 396)), filtercheck.Calls(conformance.AzureCloud(b, 398))
	more := filtercheck.Calls(now.Rules[0].To.Set())
	more.Rules = append(more.Rules, rules.Rule{Name: "dns", Verdict: rules.Allow, From: rules.Any(),
		To:       rules.In("resolvers", ipranges.MustParse("10.0.0.53", "fd00::53")),
		Services: []rules.Service{rules.NewService("dns", rules.Ports(rules.UDP, 53, 53))}})
	changes := []struct {
		name          string
		before, after *rules.Plan
	}{{"fresh", nil, now}, {"again", now, now}, {"week", old, now}, {"policy", old, more}}
	backends(b, func(b *testing.B, on func(*lab.Host) *device) {
		for _, sets := range forms {
			for _, c := range changes {
				b.Run(sets+" "+c.name, func(b *testing.B) { compareLoads(b, on(lab.NewInjector(b).Host()), sets, c.before, c.after) })
			}
		}
	})
}

func compareLoads(b *testing.B, d *device, sets string, before, after *rules.Plan) {
	opt := Options{Placement: fragment, Sets: sets, Hook: "forward", Ingress: []string{"lan0"}}
	var files []renderers.File
	from := ""
	if before != nil {
		_, files = renderAs(b, opt, "edge", before, nil)
		from = d.folder(files)
	}
	_, files = renderAs(b, opt, "edge", after, files)
	to := d.folder(files)
	way := func(commands string) cost.Way {
		return cost.Way{
			Before: func() {
				d.run("", "sh", filepath.Join(to, "edge.remove.sh"))
				if from != "" {
					d.run("", "sh", filepath.Join(from, "edge.load.sh"))
				}
			},
			Run: func() { d.run("", "sh", "-ec", `cd "$1"; `+commands, "sh", to) },
		}
	}
	byHand := "iptables-restore -w --noflush edge.v4.rules; exec ip6tables-restore -w --noflush edge.v6.rules"
	if sets == ipset {
		byHand = "ipset restore -file edge.ipset; " + byHand
	}
	cost.Beside(b, way("exec sh edge.load.sh"), way(byHand))
}
