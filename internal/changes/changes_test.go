package changes

import (
	"fmt"
	"strings"
	"testing"

	"sallyport/ipranges"
	"sallyport/rules"
)

func service(list ...rules.Match) []rules.Service {
	return []rules.Service{rules.NewService("s", list...)}
}

func rule(name string, v rules.Verdict, services []rules.Service, to ...string) rules.Rule {
	return rules.Rule{Name: name, Verdict: v, From: rules.Any(), To: rules.In("set_"+name, ipranges.MustParse(to...)), Services: services}
}

func plan(list ...rules.Rule) *rules.Plan {
	return &rules.Plan{Families: rules.BothFamilies, Default: rules.Continue, Rules: list}
}

// text is a summary in few words.
func text(s Summary) string {
	var out []string
	for _, r := range s.Rules {
		line := fmt.Sprintf("%s %s %s", r.Name, r.Verdict, r.What)
		for _, m := range r.ServicesAdded {
			line += " +" + m.String()
		}
		for _, m := range r.ServicesRemoved {
			line += " -" + m.String()
		}
		out = append(out, line)
	}
	for _, l := range s.Lists {
		line := fmt.Sprintf("%s %s +%d -%d", l.Name, l.Family, l.Added, l.Removed)
		if l.Names {
			line = fmt.Sprintf("%s names +%d -%d", l.Name, l.Added, l.Removed)
		}
		if p, ok := l.Percent(); ok {
			line += fmt.Sprintf(" %+.1f%%", p)
		}
		out = append(out, strings.TrimSpace(line))
	}
	if s.Order {
		out = append(out, "order")
	}
	if s.Default != "" {
		out = append(out, s.Default)
	}
	return strings.Join(out, "; ")
}

func TestOf(t *testing.T) {
	web, media := service(rules.Ports(rules.TCP, 443, 443)), service(rules.Ports(rules.UDP, 3478, 3481))
	calls := rule("calls", rules.Allow, web, "20.0.0.0/24", "20.1.0.0/24", "2603:1000::/32")
	denied := plan(calls)
	denied.Default = rules.Deny
	named := calls
	named.To = rules.Named("set_calls", []string{"a.example"})
	named2 := calls
	named2.To = rules.Named("set_calls", []string{"b.example", "c.example"})
	from := calls
	from.From = rules.In("lan", ipranges.MustParse("10.0.0.0/8"))
	other := rule("other", rules.Deny, media, "30.0.0.0/24")
	for _, tc := range []struct {
		name     string
		old, now *rules.Plan
		want     string
	}{
		{"equal", plan(calls), plan(calls), ""},
		{"divided by family and protocol", plan(rule("calls", rules.Allow, web, "20.0.0.0/24", "20.1.0.0/24"), rule("calls", rules.Allow, web, "2603:1000::/32")),
			plan(calls), ""},
		{"ranges came", plan(calls), plan(rule("calls", rules.Allow, web, "20.0.0.0/23", "20.1.0.0/24", "2603:1000::/32")),
			"calls allow wider; set_calls IPv4 +1 -0 +50.0%"},
		{"ranges went", plan(calls), plan(rule("calls", rules.Allow, web, "20.0.0.0/24", "2603:1000::/32")),
			"calls allow narrower; set_calls IPv4 +0 -1 -50.0%"},
		{"both", plan(calls), plan(rule("calls", rules.Allow, web, "20.0.0.0/24", "21.0.0.0/24", "2603:1000::/31")),
			"calls allow wider and narrower; set_calls IPv4 +1 -1 +0.0%; set_calls IPv6 +1 -0 +100.0%"},
		{"a family came", plan(rule("calls", rules.Allow, web, "20.0.0.0/24", "20.1.0.0/24")), plan(calls),
			"calls allow wider; set_calls IPv6 +1 -0"},
		{"a service", plan(calls), plan(rule("calls", rules.Allow, media, "20.0.0.0/24", "20.1.0.0/24", "2603:1000::/32")),
			"calls allow wider and narrower +udp/3478-3481 -tcp/443"},
		{"a source", plan(calls), plan(from), "calls allow narrower"},
		{"a rule came, one went", plan(calls), plan(other), "other deny new; calls allow gone"},
		{"order", plan(calls, other), plan(other, calls), "order"},
		{"a new one in front is no other order", plan(calls), plan(other, calls), "other deny new"},
		{"another action", plan(calls), plan(rule("calls", rules.Deny, web, "20.0.0.0/24", "20.1.0.0/24", "2603:1000::/32")),
			"calls deny another action"},
		{"default", plan(calls), denied, "continue to deny"},
		{"names", plan(named), plan(named2), "calls allow wider and narrower; set_calls names +2 -1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := text(Of(tc.old, tc.now, tc.now, rules.Caps{})); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

// Routes are counted as the target writes them.
func TestRoutes(t *testing.T) {
	routes := func(list ...string) *rules.Plan {
		return rules.RoutePlan("t", rules.BothFamilies, rules.Bypass, ipranges.MustParse(list...))
	}
	old, now := routes("20.0.0.0/24"), routes("20.0.0.0/24", "20.0.1.0/25", "2603::/32", "2603:1::/33")
	if got := text(Of(old, now, now, rules.Caps{})); got != "IPv4 +1 -0 +50.0%; IPv6 +2 -0" {
		t.Errorf("the list: %s", got)
	}
	all := rules.Caps{Complement: rules.Complement{Of: rules.Bypass, Families: rules.OnlyIPv4}}
	if got := text(Of(old, now, now, all)); got != "IPv4 +1 -1 -0.0%; IPv6 +2 -0" {
		t.Errorf("all other addresses: %s", got)
	}
}
