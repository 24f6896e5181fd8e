package pfsense

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// ruleXML is a rule of the user's with tracker 5.
func ruleXML(typ, iface, family, src, dst, more string) string {
	return "<rule><tracker>5</tracker><type>" + typ + "</type><interface>" + iface + "</interface><ipprotocol>" + family +
		"</ipprotocol><source>" + src + "</source><destination>" + dst + "</destination><descr>theirs</descr>" + more + "</rule>"
}

const gw = "<gateway>VPN_GW</gateway>"

// TestRulesBehind holds calls from a LAN to the cloud, udp/3478-3481 and tcp/443,
// against rules of the user's that come after.
func TestRulesBehind(t *testing.T) {
	const (
		any    = "<any/>"
		cloudy = "<address>52.113.0.0/16</address>"
		float  = "<floating>yes</floating><direction>any</direction>"
	)
	plain := func(src, dst, more string) string {
		return strings.Replace(ruleXML("pass", "lan", "inet46", src, dst, more), "<tracker>5</tracker>", "<tracker>4</tracker>", 1)
	}
	for _, tt := range []struct {
		name, rules string
		loses       string // what the error names; empty: no error
	}{
		{"nothing but a pass", ruleXML("pass", "lan", "inet", any, any, ""), ""},
		{"a gateway", ruleXML("pass", "lan", "inet", any, any, gw), "gateway VPN_GW"},
		{"the default gateway", ruleXML("pass", "lan", "inet", any, any, "<gateway></gateway>"), ""},
		{"a tag", ruleXML("pass", "lan", "inet", any, any, "<tag>VPN_ONLY</tag>"), "tag VPN_ONLY"},
		{"a gateway and a tag", ruleXML("pass", "lan", "inet", any, any, gw+"<tag>VPN_ONLY</tag>"), "gateway VPN_GW, tag VPN_ONLY"},
		{"limiters", ruleXML("pass", "lan", "inet", any, any, "<dnpipe>up</dnpipe><pdnpipe>down</pdnpipe>"), "limiter up, limiter down"},
		{"queues", ruleXML("pass", "lan", "inet", any, any, "<defaultqueue>qV</defaultqueue><ackqueue>qA</ackqueue>"), "queue qV, ACK queue qA"},
		{"a schedule", ruleXML("pass", "lan", "inet", any, any, "<sched>office</sched>"), "schedule office"},
		{"a VLAN priority", ruleXML("pass", "lan", "inet", any, any, "<vlanprioset>vo</vlanprioset>"), "VLAN priority vo"},
		{"no VLAN priority", ruleXML("pass", "lan", "inet", any, any, "<vlanprioset>none</vlanprioset>"), ""},
		{"another state type", ruleXML("pass", "lan", "inet", any, any, "<statetype><![CDATA[sloppy state]]></statetype>"), "state type sloppy state"},
		{"the usual state type", ruleXML("pass", "lan", "inet", any, any, "<statetype>keep state</statetype><max></max>"), ""},
		{"a limit of connections", ruleXML("pass", "lan", "inet", any, any, "<max-src-conn>9</max-src-conn>"), "9"},
		{"IP options", ruleXML("pass", "lan", "inet", any, any, "<allowopts></allowopts>"), "allow IP options"},
		{"no reply-to", ruleXML("pass", "lan", "inet", any, any, "<disablereplyto/>"), "disable reply-to"},
		{"a DSCP that it goes by", ruleXML("pass", "lan", "inet", any, any, "<dscp>ef</dscp>"), ""},
		{"a gateway by DSCP", ruleXML("pass", "lan", "inet", any, any, "<dscp>ef</dscp>"+gw), "gateway"},
		{"a block", ruleXML("block", "lan", "inet", any, any, "<tag>X</tag>"), ""},
		{"disabled", ruleXML("pass", "lan", "inet", any, any, gw+"<disabled/>"), ""},
		{"another interface", ruleXML("pass", "wan", "inet", any, any, gw), ""},
		{"of another interface in the group", ruleXML("pass", "opt1", "inet", any, any, gw), ""},
		{"the group, which comes first", ruleXML("pass", "Inside", "inet", any, any, gw), ""},
		{"the other family", ruleXML("pass", "lan", "inet6", any, cloudy, gw), ""},
		{"the other family, anywhere", ruleXML("pass", "lan", "inet6", any, any, gw), "2603:"},
		{"other addresses", ruleXML("pass", "lan", "inet", any, "<address>198.51.100.0/24</address>", gw), ""},
		{"other sources", ruleXML("pass", "lan", "inet", "<network>lan</network>", any, gw), ""},
		{"another port", ruleXML("pass", "lan", "inet", any, any+"<port>80</port>", "<protocol>tcp</protocol>"+gw), ""},
		{"our port", ruleXML("pass", "lan", "inet", any, any+"<port>443</port>", "<protocol>tcp</protocol>"+gw), "tcp/443"},
		{"an unknown address", ruleXML("pass", "lan", "inet", any, "<address>nowhere</address>", gw), "gateway"},
		{"to the firewall", ruleXML("pass", "lan", "inet", any, "<network>(self)</network>", gw), ""},
		{"floating and quick, which comes first", ruleXML("pass", "lan", "inet", any, any, float+"<quick>yes</quick>"+gw), ""},
		{"floating and not quick", ruleXML("pass", "lan", "inet", any, any, float+gw), "gateway"},
		{"floating and not quick, behind a block of all", strings.Replace(plain(any, any, ""), "pass", "block", 1) + ruleXML("pass", "lan", "inet", any, any, float+gw), ""},
		{"a floating tag stays", ruleXML("pass", "lan", "inet", any, any, float+"<tag>X</tag>"), ""},
		{"floating on the way out", ruleXML("pass", "wan", "inet", any, any, strings.Replace(float, "any", "out", 1)+gw), ""},
		{"floating elsewhere", ruleXML("pass", "wan", "inet", any, any, float+gw), ""},
		{"a match rule", ruleXML("match", "lan", "inet", any, any, float+gw), ""},
		{"behind a rule for all", plain(any, any, "") + ruleXML("pass", "lan", "inet", any, any, gw), ""},
		{"behind a rule for some", plain(any, cloudy, "") + ruleXML("pass", "lan", "inet", any, any, gw), "gateway"},
		{"of what a rule before it takes", plain(any, "<address>52.112.0.0/14</address>", "") + ruleXML("pass", "lan", "inet", any, cloudy, gw), ""},
		{"behind a rule by schedule", plain(any, any, "<sched>office</sched>") + ruleXML("pass", "lan", "inet", any, any, gw), "schedule office"},
		{"behind a rule for marked packets", plain(any, any, "<dscp>ef</dscp>") + ruleXML("pass", "lan", "inet", any, any, gw), "gateway"},
		{"behind a rule for a source port", plain(any+"<port>5060</port>", any, "<protocol>udp</protocol>") + ruleXML("pass", "lan", "inet", any, any, gw), "gateway"},
		{"behind a rule for an unknown address", plain(any, "<address>nowhere</address>", "") + ruleXML("pass", "lan", "inet", any, any, gw), "gateway"},
		{"behind a block of all", strings.Replace(plain(any, any, ""), "pass", "block", 1) + ruleXML("pass", "lan", "inet", any, any, gw), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := planOf(pass("calls", rules.In("callers", ipranges.MustParse("10.20.0.0/16", "fd20::/48")), cloud, media))
			o := options(formMerge)
			o.Before, o.Accept = "7", nil
			config := strings.Replace(plainConfig("", ""), "<rule><tracker>8</tracker>", tt.rules+"<rule><tracker>8</tracker>", 1)
			for _, tracker := range []string{"7", "8"} { // these decide nothing here
				config = strings.Replace(config, "<rule><tracker>"+tracker+"</tracker>", "<rule><tracker>"+tracker+"</tracker><protocol>gre</protocol>", 1)
			}
			_, err := mergeInto(t, o, config, p)
			if tt.loses == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			refused(t, tt.name, err, tt.loses)
			var e *rules.RuleError
			if errors.As(err, &e); !strings.Contains(e.Fix, `accept = ["`) || !strings.Contains(e.Fix, "like = ") {
				t.Errorf("the fix is %s", e.Fix)
			}
			for _, name := range []string{"5", "theirs"} {
				o.Accept = []string{"4", name}
				if _, err := mergeInto(t, o, config, p); err != nil {
					t.Errorf("accepted by %s: %v", name, err)
				}
			}
			o.Accept, o.Before, o.After = []string{"4", "5"}, "", "5" // theirs decides: there is nothing to lose
			if _, err := mergeInto(t, o, config, p); err != nil && strings.Contains(err.Error(), "lose") && !strings.Contains(tt.rules, "floating") {
				t.Errorf("after it: %v", err)
			}
			denies := planOf(block("calls", rules.Any(), cloud, media))
			o.Accept, o.Before, o.After = nil, "7", ""
			if _, err := mergeInto(t, o, config, denies); err != nil {
				t.Errorf("a denial: %v", err)
			}
		})
	}
}

// TestRulesBehindAGroup puts rules on a group: its members' own rules come after, and one
// that passes what comes in by one member decides nothing about the other.
func TestRulesBehindAGroup(t *testing.T) {
	o := options(formMerge)
	o.Interface, o.Before, o.Accept = "Inside", "3", nil
	group := "<rule><tracker>3</tracker><type>pass</type><interface>Inside</interface><protocol>gre</protocol><source><any/></source><destination><any/></destination></rule>"
	p := planOf(pass("calls", rules.Any(), cloud, media))
	_, err := mergeInto(t, o, plainConfig(group+ruleXML("pass", "opt1", "inet", "<any/>", "<any/>", gw), ""), p)
	refused(t, "a member's gateway, behind a pass of the other member", err, "gateway VPN_GW")
	if _, err := mergeInto(t, o, plainConfig(group+ruleXML("pass", "opt2", "inet", "<any/>", "<any/>", gw), ""), p); err != nil {
		t.Errorf("an interface that is no member: %v", err)
	}
}

// TestLike gives our rules what the user's have.
func TestLike(t *testing.T) {
	const more = gw + "<tag><![CDATA[A &amp; B]]></tag><statetype>sloppy state</statetype><allowopts/>"
	config := func(family, more string) string {
		return plainConfig(ruleXML("pass", "lan", family, "<any/>", "<any/>", more), "")
	}
	o := options(formMerge)
	o.Before, o.Like, o.Accept = "5", "5", nil
	p := planOf(pass("calls", rules.Any(), cloud, media), block("spam", rules.Any(), rules.In("spam", ipranges.MustParse("198.51.100.0/24")), media))
	p.Families = rules.OnlyIPv4
	merged := mustMerge(t, o, config("inet", more), p)
	if n := strings.Count(merged, gw+"\n"); n != 2 {
		t.Errorf("%d rules of ours have the gateway, not the 2 that pass:\n%s", n, merged)
	}
	for _, part := range []string{"<tag><![CDATA[A &amp; B]]></tag>\n", "<statetype>sloppy state</statetype>\n", "<allowopts/>\n"} {
		if n := strings.Count(merged, part); n != 2 {
			t.Errorf("%s is there %d times", part, n)
		}
	}
	if again := mustMerge(t, o, merged, p); again != merged {
		t.Error("merging again changes something")
	}
	o2 := o
	o2.Like, o2.Accept = "", []string{"5"}
	if back, fresh := mustMerge(t, o2, merged, p), mustMerge(t, o2, config("inet", more), p); back != fresh {
		t.Error("without like, something of it is left")
	}

	floating := strings.Replace(plainConfig(ruleXML("pass", "lan", "inet", "<any/>", "<any/>", gw+"<tag>X</tag><floating>yes</floating><direction>in</direction>"), ""),
		"<rule><tracker>8</tracker>", "<rule><tracker>8</tracker><protocol>gre</protocol>", 1)
	floating = strings.Replace(floating, "<rule><tracker>7</tracker>", "<rule><tracker>7</tracker><protocol>gre</protocol>", 1)
	o3 := o
	o3.Before = "7"
	if merged := mustMerge(t, o3, floating, p); strings.Count(merged, "<tag>X</tag>") != 3 {
		t.Errorf("like a floating rule:\n%s", merged)
	}
	o3.Like = ""
	_, err := mergeInto(t, o3, floating, p)
	refused(t, "a floating rule that is not quick", err, "gateway VPN_GW")

	both := planOf(pass("calls", rules.Any(), cloud, media))
	_, err = mergeInto(t, o, config("inet", gw), both)
	refused(t, "a gateway of one family", err, "has a gateway of IPv4")
	if _, err := mergeInto(t, o, config("inet46", "<tag>X</tag>"), both); err != nil {
		t.Errorf("a tag for both families: %v", err)
	}
	for _, tt := range []struct{ like, config, cause string }{
		{"6", config("inet", gw), "no rule of lan"},
		{"5", config("inet", ""), "has no gateway, tag"},
		{"5", strings.Replace(config("inet", gw), "pass", "block", 1), "does not pass"},
	} {
		o.Like = tt.like
		_, err := mergeInto(t, o, tt.config, p)
		var wrong *renderers.OptionError
		if !errors.As(err, &wrong) || wrong.Option != "like" || !strings.Contains(wrong.Cause, tt.cause) || wrong.Fix == "" {
			t.Errorf("%s: %v", tt.cause, err)
		}
	}
}

// TestReadBackOfTreatment finds a rule of ours that has lost or got one.
func TestReadBackOfTreatment(t *testing.T) {
	o := options(formMerge)
	o.Before, o.Like, o.Accept = "5", "5", nil
	p := planOf(pass("calls", rules.Any(), cloud, media))
	p.Families = rules.OnlyIPv4
	files, r := mergeFiles(t, o, plainConfig(ruleXML("pass", "lan", "inet", "<any/>", "<any/>", gw), ""), p)
	text := string(files[0].Data)
	for _, damaged := range []string{
		strings.Replace(text, gw+"\n", "\n", 1),
		strings.Replace(text, gw+"\n", "<gateway>OTHER</gateway>\n", 1),
		strings.Replace(text, gw+"\n", gw+"<tag>X</tag>\n", 1),
	} {
		files[0].Data = []byte(damaged)
		if _, err := r.ReadBack(files); err == nil || damaged == text {
			t.Errorf("it reads back: %v", damaged == text)
		}
	}
}

// mergeFiles merges p into the text of a configuration.
func mergeFiles(t *testing.T, o Options, config string, p *rules.Plan) ([]renderers.File, *renderers.Target) {
	t.Helper()
	o.Config = "x"
	r, err := Kind().Build(&o, renderers.Env{Name: "edge", Path: "edge.xml", Read: func(string) ([]byte, error) { return []byte(config), nil }})
	if err != nil {
		t.Fatal(err)
	}
	files, err := r.Render(p)
	if err != nil {
		t.Fatal(err)
	}
	return files, r
}

// TestInterfaceWithoutRules merges where there is no rule to name.
func TestInterfaceWithoutRules(t *testing.T) {
	o := options(formMerge)
	o.Before, o.Accept, o.Interface = "", nil, "opt1"
	for name, config := range map[string]string{
		"rules of others":     plainConfig("", ""),
		"floating ones":       plainConfig(ruleXML("pass", "opt1", "inet", "<any/>", "<any/>", "<floating>yes</floating><quick>yes</quick>"), ""),
		"no rule at all":      fmt.Sprintf(bare, "<filter><separator><opt1><s><row>fr0</row></s></opt1></separator></filter>"),
		"an empty section":    fmt.Sprintf(bare, "<filter></filter>"),
		"a section of blanks": fmt.Sprintf(bare, "<filter>\n\t\n\t</filter>"),
		"self-closing":        fmt.Sprintf(bare, "<filter/>"),
	} {
		t.Run(name, func(t *testing.T) {
			merged := mustMerge(t, o, config, calls())
			if again := mustMerge(t, o, merged, calls()); again != merged {
				t.Errorf("merging again changes something:\n%s\n%s", merged, again)
			}
			more := planOf(pass("more", rules.Any(), cloud4, media))
			if over, fresh := mustMerge(t, o, merged, more), mustMerge(t, o, config, more); over != fresh {
				t.Errorf("a merge over an earlier one is not a fresh one:\n%s\n%s", over, fresh)
			}
			files, r := mergeFiles(t, o, config, calls())
			if p, err := r.ReadBack(files); err != nil || rules.Compare(calls(), p) != nil {
				t.Errorf("reading back: %v", err)
			}
		})
	}
	for _, place := range []func(*Options){
		func(o *Options) { o.Before = "5" },
		func(o *Options) { o.After = "5" },
	} {
		wrong := o
		place(&wrong)
		_, err := mergeInto(t, wrong, plainConfig("", ""), calls())
		var e *renderers.OptionError
		if !errors.As(err, &e) || !strings.Contains(e.Fix, "opt1 has no rule yet") {
			t.Errorf("a place where there is none: %v, %+v", err, e)
		}
	}
	o.Interface = "lan"
	_, err := mergeInto(t, o, plainConfig("", ""), calls())
	var e *renderers.OptionError
	if !errors.As(err, &e) || e.Option != "form" || !strings.Contains(e.Fix, `before = "7"`) {
		t.Errorf("no place among rules: %+v", err)
	}
	o.Interface = "opt2" // its only rule is disabled: it may come back
	_, err = mergeInto(t, o, strings.Replace(plainConfig("", ""), "<descr>elsewhere", "<disabled/><descr>elsewhere", 1), calls())
	if !errors.As(err, &e) || !strings.Contains(e.Fix, `before = "9"`) {
		t.Errorf("a disabled rule: %+v", err)
	}
}

const bare = `<?xml version="1.0"?>
<pfsense>
	<version>24.0</version><system><ipv6allow/></system>
	<interfaces><opt1><enable/><if>vtnet2</if></opt1></interfaces>
	%s
</pfsense>
`

func block(name string, from, to rules.Addresses, services ...rules.Service) rules.Rule {
	return rules.Rule{Name: name, Verdict: rules.Deny, From: from, To: to, Services: services}
}

// TestManyRulesBehind holds a list of thousands against as many rules of the user's, which
// cut it into pieces: it ends, and soon.
func TestManyRulesBehind(t *testing.T) {
	const n = 3000
	var text strings.Builder
	var accept, list []string
	for i := range n {
		more := "<protocol>tcp</protocol>"
		if i%3 == 0 {
			more += gw
		}
		fmt.Fprintf(&text, "<rule><tracker>%d</tracker><type>pass</type><interface>lan</interface><ipprotocol>inet</ipprotocol><source><address>10.%d.%d.0/24</address></source>"+
			"<destination><any/><port>%d</port></destination>%s</rule>\n", 1000+i, i/256, i%256, 1+i*7%60000, more)
		accept = append(accept, fmt.Sprint(1000+i))
		list = append(list, fmt.Sprintf("20.%d.%d.0/24", i/128, i*2%256))
	}
	config := strings.Replace(plainConfig("", ""), "<rule><tracker>8</tracker>", text.String()+"<rule><tracker>8</tracker>", 1)
	config = strings.Replace(config, "<rule><tracker>7</tracker>", "<rule><tracker>7</tracker><protocol>gre</protocol>", 1)
	o := options(formMerge)
	o.Before, o.Accept, o.AliasEntries = "7", accept, n
	p := planOf(pass("calls", rules.Any(), rules.In("many", ipranges.MustParse(list...)), rules.NewService("w", rules.Ports(rules.TCP, 1, 65535), rules.Ports(rules.UDP, 1, 65535))))
	mergeFiles(t, o, config, p)
}

// TestRulesWithoutAName advises no name that options cannot have.
func TestRulesWithoutAName(t *testing.T) {
	unnamed := func(rule string) string {
		return strings.NewReplacer("<tracker>5</tracker>", "", "<descr>theirs</descr>", "").Replace(rule)
	}
	o := options(formMerge)
	o.Before, o.Accept = "7", nil
	behind := strings.Replace(plainConfig("", ""), "<rule><tracker>8</tracker>", unnamed(ruleXML("pass", "lan", "inet", "<any/>", "<any/>", gw))+"<rule><tracker>8</tracker>", 1)
	behind = strings.Replace(behind, "<rule><tracker>7</tracker>", "<rule><tracker>7</tracker><protocol>gre</protocol>", 1)
	for name, config := range map[string]string{"behind": behind, "first": plainConfig(unnamed(ruleXML("block", "lan", "inet", "<any/>", "<any/>", "")), "")} {
		_, err := mergeInto(t, o, config, planOf(pass("calls", rules.Any(), cloud, media)))
		var e *rules.RuleError
		if !errors.As(err, &e) || !strings.Contains(e.Fix, "give that rule a description") || strings.Contains(e.Fix, `""`) {
			t.Errorf("%s: %+v", name, err)
		}
	}
}
