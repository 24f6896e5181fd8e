package pfsense

import (
	"errors"
	"strings"
	"testing"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// plainConfig is a configuration of one interface group, two interfaces, the given
// rules and aliases, and the rule that ours go before.
func plainConfig(list, aliases string) string {
	return `<?xml version="1.0"?>
<pfsense><version>24.0</version><system><ipv6allow/></system>
<interfaces>
<wan><enable/><if>vtnet0</if><ipaddr>dhcp</ipaddr><ipaddrv6>dhcp6</ipaddrv6></wan>
<lan><enable/><if>vtnet1</if><ipaddr>192.168.10.1</ipaddr><subnet>24</subnet></lan>
<opt1><enable/><if>vtnet2</if><ipaddr>52.112.9.1</ipaddr><subnet>24</subnet></opt1>
<opt2><enable/><if>ovpns1</if><ipaddr>192.168.30.1</ipaddr><subnet>24</subnet></opt2>
<opt3><if>vtnet3</if></opt3>
</interfaces>
<ifgroups><ifgroupentry><ifname>Inside</ifname><members>lan opt1</members></ifgroupentry></ifgroups>
<aliases>` + aliases + `</aliases>
<filter>` + list + `<rule><tracker>7</tracker><type>pass</type><interface>lan</interface><ipprotocol>inet</ipprotocol><source><any/></source><destination><any/></destination><descr>here</descr></rule>
<rule><tracker>8</tracker><type>block</type><interface>lan</interface><ipprotocol>inet46</ipprotocol><source><any/></source><destination><any/></destination><descr>later</descr></rule>
<rule><tracker>9</tracker><type>block</type><interface>opt2</interface><ipprotocol>inet46</ipprotocol><source><any/></source><destination><any/></destination><descr>elsewhere</descr></rule>
</filter></pfsense>
`
}

// TestEarlierRules holds calls from a LAN to the cloud, udp/3478-3481 and tcp/443,
// against one rule that comes first.
func TestEarlierRules(t *testing.T) {
	const (
		anySide = "<any/>"
		inCloud = "<address>52.113.0.0/16</address>"
	)
	rule := func(typ, iface, family, src, dst, more string) string {
		return "<rule><tracker>5</tracker><type>" + typ + "</type><interface>" + iface + "</interface><ipprotocol>" + family +
			"</ipprotocol><source>" + src + "</source><destination>" + dst + "</destination><descr>first</descr>" + more + "</rule>"
	}
	port := func(p string) string { return inCloud + "<port>" + p + "</port>" }
	proto := func(p string) string { return "<protocol>" + p + "</protocol>" }
	floating := func(direction string) string {
		return "<floating>yes</floating><direction>" + direction + "</direction>"
	}
	const quick = "<quick>yes</quick>"
	for _, tt := range []struct {
		name, rule, aliases string
		decides             bool
	}{
		{"a block of all", rule("block", "lan", "inet46", anySide, anySide, ""), "", true},
		{"a reject of all", rule("reject", "lan", "inet46", anySide, anySide, ""), "", true},
		{"a pass of all", rule("pass", "lan", "inet46", anySide, anySide, ""), "", false},
		{"no family named is IPv4", rule("block", "lan", "", anySide, anySide, ""), "", true},
		{"disabled", rule("block", "lan", "inet", anySide, anySide, "<disabled/>"), "", false},
		{"another interface", rule("block", "wan", "inet", anySide, anySide, ""), "", false},
		{"its group", rule("block", "Inside", "inet", anySide, anySide, ""), "", true},
		{"a VPN's group", rule("block", "openvpn", "inet", anySide, anySide, ""), "", false},
		{"other addresses", rule("block", "lan", "inet", anySide, "<address>198.51.100.0/24</address>", ""), "", false},
		{"all but other addresses", rule("block", "lan", "inet", anySide, "<not/><address>198.51.100.0/24</address>", ""), "", true},
		{"all but ours", rule("block", "lan", "inet", anySide, "<not/><address>0.0.0.0/1</address>", ""), "", false},
		{"host bits", rule("block", "lan", "inet", anySide, "<address>52.113.7.9/16</address>", ""), "", true},
		{"one address", rule("block", "lan", "inet", anySide, "<address>52.113.7.9</address>", ""), "", true},
		{"the other family", rule("block", "lan", "inet6", anySide, inCloud, ""), "", false},
		{"other sources", rule("block", "lan", "inet", "<address>10.77.0.0/16</address>", anySide, ""), "", false},
		{"our sources", rule("block", "lan", "inet", "<address>10.20.5.0/24</address>", anySide, ""), "", true},
		{"the net of lan", rule("block", "lan", "inet", "<network>lan</network>", anySide, ""), "", false},
		{"a net in the cloud", rule("block", "lan", "inet", anySide, "<network>opt1</network>", ""), "", true},
		{"a net that DHCP gives", rule("block", "lan", "inet", anySide, "<network>wan</network>", ""), "", true},
		{"the firewall itself", rule("block", "lan", "inet", anySide, "<network>(self)</network>", ""), "", false},
		{"an interface's address", rule("block", "lan", "inet", anySide, "<network>opt1ip</network>", ""), "", false},
		{"all but the firewall itself", rule("block", "lan", "inet", anySide, "<not/><network>(self)</network>", ""), "", true},
		{"another protocol", rule("block", "lan", "inet", anySide, anySide, proto("gre")), "", false},
		{"ICMP", rule("block", "lan", "inet46", anySide, anySide, proto("icmp")), "", false},
		{"an unknown protocol", rule("block", "lan", "inet", anySide, anySide, proto("eigrp")), "", true},
		{"the same port", rule("block", "lan", "inet", anySide, port("443"), proto("tcp")), "", true},
		{"another port", rule("block", "lan", "inet", anySide, port("80"), proto("tcp")), "", false},
		{"our port of the other protocol", rule("block", "lan", "inet", anySide, port("443"), proto("udp")), "", false},
		{"TCP and UDP", rule("block", "lan", "inet", anySide, port("400-500"), proto("tcp/udp")), "", true},
		{"a range", rule("block", "lan", "inet", anySide, port("1024:4000"), proto("udp")), "", true},
		{"ports by alias", rule("block", "lan", "inet", anySide, port("P"), proto("udp")), aliasXML("P", "port", "53 Q") + aliasXML("Q", "port", "3000:4000"), true},
		{"other ports by alias", rule("block", "lan", "inet", anySide, port("P"), proto("udp")), aliasXML("P", "port", "53 Q") + aliasXML("Q", "port", "P 80"), false},
		{"ports of an unknown alias", rule("block", "lan", "inet", anySide, port("P"), proto("udp")), "", true},
		{"ports from a URL", rule("block", "lan", "inet", anySide, port("P"), proto("udp")), aliasXML("P", "urltable_ports", "https://a.example"), true},
		{"an alias", rule("block", "lan", "inet", anySide, "<address>A</address>", ""), aliasXML("A", "network", "192.0.2.0/24 B") + aliasXML("B", "host", "52.113.7.9"), true},
		{"another alias", rule("block", "lan", "inet", anySide, "<address>A</address>", ""), aliasXML("A", "network", "192.0.2.0/24 B") + aliasXML("B", "host", "192.0.2.7 A"), false},
		{"an alias with a name", rule("block", "lan", "inet", anySide, "<address>A</address>", ""), aliasXML("A", "host", "192.0.2.7 host.example.net"), true},
		{"a URL table", rule("block", "lan", "inet", anySide, "<address>A</address>", ""), aliasXML("A", "urltable", "https://a.example"), true},
		{"a URL table of another port", rule("block", "lan", "inet", anySide, "<address>A</address><port>25</port>", proto("tcp")), aliasXML("A", "urltable", "https://a.example"), false},
		{"no such alias", rule("block", "lan", "inet", anySide, "<address>A</address>", ""), "", true},
		{"floating and quick", rule("block", "lan,opt1", "inet", anySide, anySide, floating("in")+quick), "", true},
		{"floating everywhere", rule("block", "", "inet", anySide, anySide, floating("any")+quick), "", true},
		{"floating, not quick", rule("block", "lan", "inet", anySide, anySide, floating("in")), "", false},
		{"floating elsewhere", rule("block", "wan", "inet", anySide, anySide, floating("in")+quick), "", false},
		{"floating on a group", rule("block", "Inside", "inet", anySide, anySide, floating("in")+quick), "", true},
		{"floating on the way out", rule("block", "wan", "inet", anySide, inCloud, floating("out")), "", true},
		{"floating out, other sources before NAT", rule("block", "wan", "inet", "<address>203.0.113.1</address>", inCloud, floating("out")+quick), "", true},
		{"floating out of lan", rule("block", "lan", "inet", anySide, inCloud, floating("out")+quick), "", false},
		{"floating on a disabled interface, which is everywhere", rule("block", "opt3", "inet", anySide, anySide, floating("in")+quick), "", true},
		{"floating elsewhere and on a disabled interface", rule("block", "wan,opt3", "inet", anySide, anySide, floating("in")+quick), "", false},
		{"floating match", rule("match", "lan", "inet", anySide, anySide, floating("any")+quick), "", false},
		{"floating pass", rule("pass", "lan", "inet", anySide, anySide, floating("any")+quick), "", false},
		{"floating and disabled", rule("block", "lan", "inet", anySide, anySide, floating("any")+quick+"<disabled/>"), "", false},
	} {
		p := planOf(pass("calls", rules.In("callers", ipranges.MustParse("10.20.0.0/16", "fd20::/48")), cloud, media))
		o := options(formMerge)
		o.Before, o.Accept = "7", nil
		_, err := mergeInto(t, o, plainConfig(tt.rule, tt.aliases), p)
		if tt.decides {
			refused(t, tt.name, err, `"first" (tracker 5)`)
		} else if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		for _, name := range []string{"5", "first"} {
			o.Accept = []string{name}
			if _, err := mergeInto(t, o, plainConfig(tt.rule, tt.aliases), p); err != nil {
				t.Errorf("%s, accepted as %s: %v", tt.name, name, err)
			}
		}
		if strings.Contains(tt.rule, "floating") || tt.name == "its group" {
			continue
		}
		o.Accept, o.Before, o.After = nil, "", "7" // behind rules 5 and 7
		if _, err := mergeInto(t, o, plainConfig(tt.rule, tt.aliases), p); (err != nil) != tt.decides {
			t.Errorf("%s, further behind: %v", tt.name, err)
		}
	}
}

func aliasXML(name, kind, address string) string {
	return "<alias><name>" + name + "</name><type>" + kind + "</type><address>" + address + "</address><descr/></alias>"
}

// TestEarlierPassOverADeny is the other way round: what we deny must not pass first.
func TestEarlierPassOverADeny(t *testing.T) {
	deny := rules.Rule{Name: "hole", Verdict: rules.Deny, From: rules.Any(), To: cloud, Services: []rules.Service{media}}
	o := options(formMerge)
	o.Before, o.Accept = "7", nil
	if _, err := mergeInto(t, o, plainConfig("", ""), planOf(deny)); err != nil {
		t.Error(err)
	}
	o.Before, o.After = "", "7" // which passes everything in IPv4
	_, err := mergeInto(t, o, plainConfig("", ""), planOf(deny))
	refused(t, "behind a pass", err, `"here" (tracker 7)`)
	p := planOf(deny)
	p.Families = rules.OnlyIPv6
	if _, err := mergeInto(t, o, plainConfig("", ""), p); err != nil {
		t.Errorf("in the other family: %v", err)
	}
}

func TestSettingsThatBlock(t *testing.T) {
	o := options(formMerge)
	o.Before, o.Accept = "7", nil
	no6 := strings.Replace(plainConfig("", ""), "<ipv6allow/>", "", 1)
	_, err := mergeInto(t, o, no6, calls())
	refused(t, "IPv6 is off", err, "blocks all IPv6")
	p := calls()
	p.Families = rules.OnlyIPv4
	if _, err := mergeInto(t, o, no6, p); err != nil {
		t.Errorf("IPv4 alone: %v", err)
	}
}

// TestSettingsOfInterfaces: "Block private networks" and "Block bogon networks" act
// where packets come in, before the rules of that interface and of its groups.
func TestSettingsOfInterfaces(t *testing.T) {
	from := func(prefix string) *rules.Plan {
		return planOf(pass("calls", rules.In("callers", ipranges.MustParse(prefix)), cloud, media))
	}
	group := `<rule><tracker>6</tracker><type>pass</type><interface>Inside</interface><ipprotocol>inet</ipprotocol><source><any/></source><destination><any/></destination><descr>of the group</descr></rule>` +
		`<rule><tracker>5</tracker><type>pass</type><interface>openvpn</interface><ipprotocol>inet</ipprotocol><source><any/></source><destination><any/></destination><descr>of the tunnels</descr></rule>`
	const private, bogons = "<blockpriv/>", "<blockbogons/>"
	for _, tt := range []struct {
		name, on, setting string // the setting of the interface on
		iface, before     string // where our rules go
		plan              *rules.Plan
		decides           bool
	}{
		{"private, any source", "lan", private, "lan", "7", calls(), true},
		{"private, private sources", "lan", private, "lan", "7", from("10.20.0.0/16"), true},
		{"private, local IPv6 sources", "lan", private, "lan", "7", from("fd20::/48"), true},
		{"private, public sources", "lan", private, "lan", "7", from("203.0.113.0/24"), false},
		{"private on another interface", "wan", private, "lan", "7", from("10.20.0.0/16"), false},
		{"private on a member", "opt1", private, "Inside", "6", from("10.20.0.0/16"), true},
		{"private on the other member", "lan", private, "Inside", "6", from("10.20.0.0/16"), true},
		{"private on no member", "opt2", private, "Inside", "6", from("10.20.0.0/16"), false},
		{"private on a tunnel", "opt2", private, "openvpn", "5", from("10.20.0.0/16"), true},
		{"private on no tunnel", "lan", private, "openvpn", "5", from("10.20.0.0/16"), false},
		{"bogons, any source", "lan", bogons, "lan", "7", calls(), true},
		{"bogons, private sources", "lan", bogons, "lan", "7", from("10.20.0.0/16"), false},
		{"bogons, local IPv6 sources", "lan", bogons, "lan", "7", from("fd20::/48"), false},
		{"bogons, shared sources", "lan", bogons, "lan", "7", from("100.64.0.0/10"), true},
		{"bogons on a member", "opt1", bogons, "Inside", "6", calls(), true},
	} {
		config := strings.Replace(plainConfig(group, ""), "<"+tt.on+"><enable/>", "<"+tt.on+"><enable/>"+tt.setting, 1)
		word := strings.Trim(tt.setting, "</>")
		o := options(formMerge)
		o.Interface, o.Before, o.Accept = tt.iface, tt.before, nil
		_, err := mergeInto(t, o, config, tt.plan)
		if tt.decides {
			refused(t, tt.name, err, "networks of interface "+tt.on)
		} else if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		o.Accept = []string{word}
		if _, err := mergeInto(t, o, config, tt.plan); err != nil {
			t.Errorf("%s, accepted: %v", tt.name, err)
		}
		disabled := strings.Replace(config, "<"+tt.on+"><enable/>", "<"+tt.on+">", 1)
		if o.Accept = nil; tt.on == "opt1" { // lan, the other member, still carries packets
			if _, err := mergeInto(t, o, disabled, tt.plan); err != nil {
				t.Errorf("%s, on a disabled member: %v", tt.name, err)
			}
		}
	}
}

// TestDisabledInterfaces: pfSense makes no rule for an interface that is not enabled.
func TestDisabledInterfaces(t *testing.T) {
	without := func(config string, names ...string) string {
		for _, n := range names {
			config = strings.Replace(config, "<"+n+"><enable/>", "<"+n+">", 1)
		}
		return config
	}
	group := `<rule><tracker>6</tracker><type>pass</type><interface>Inside</interface><ipprotocol>inet</ipprotocol><source><any/></source><destination><any/></destination><descr>of the group</descr></rule>`
	for _, tt := range []struct {
		name, iface, before string
		disabled            []string
		fine                bool
	}{
		{"enabled", "lan", "7", nil, true},
		{"disabled", "lan", "7", []string{"lan"}, false},
		{"another is disabled", "lan", "7", []string{"wan", "opt1"}, true},
		{"a member is disabled", "Inside", "6", []string{"opt1"}, true},
		{"all members are disabled", "Inside", "6", []string{"lan", "opt1"}, false},
	} {
		o := options(formMerge)
		o.Interface, o.Before, o.Accept = tt.iface, tt.before, nil
		_, err := mergeInto(t, o, without(plainConfig(group, ""), tt.disabled...), calls())
		var opt *renderers.OptionError
		if tt.fine && err != nil || !tt.fine && (!errors.As(err, &opt) || opt.Option != "interface" || !strings.Contains(opt.Cause, "not enabled") || opt.Fix == "") {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// TestGroups puts ours on tabs of the other kinds.
func TestGroups(t *testing.T) {
	group := `<rule><tracker>5</tracker><type>block</type><interface>Inside</interface><ipprotocol>inet</ipprotocol><source><any/></source><destination><any/></destination><descr>first</descr></rule>` +
		`<rule><tracker>6</tracker><type>pass</type><interface>Inside</interface><ipprotocol>inet</ipprotocol><source><any/></source><destination><any/></destination><descr>second</descr></rule>` +
		`<rule><tracker>4</tracker><type>block</type><interface>lan</interface><ipprotocol>inet</ipprotocol><source><any/></source><destination><any/></destination><descr>lan's own</descr></rule>`
	vpn := `<rule><tracker>5</tracker><type>block</type><interface>openvpn</interface><ipprotocol>inet</ipprotocol><source><any/></source><destination><any/></destination><descr>first</descr></rule>`
	for _, tt := range []struct {
		name, iface, before, list string
		decides                   bool
	}{
		{"above the group's block", "Inside", "5", group, false},
		{"below it", "Inside", "6", group, true},
		{"an assigned VPN interface, behind its group", "opt2", "9", vpn, true},
	} {
		o := options(formMerge)
		o.Interface, o.Before, o.Accept = tt.iface, tt.before, nil
		_, err := mergeInto(t, o, plainConfig(tt.list, ""), calls())
		if tt.decides {
			refused(t, tt.name, err, `"first" (tracker 5)`)
		} else if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
