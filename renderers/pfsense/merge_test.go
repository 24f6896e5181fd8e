package pfsense

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sallyport/internal/testkit/rendered"
	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

func fixture(t testing.TB) string {
	t.Helper()
	data, err := os.ReadFile("testdata/config.xml")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// mergeInto merges p into the text of a configuration.
func mergeInto(t *testing.T, o Options, config string, p *rules.Plan) (string, error) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "config.xml")
	if err := os.WriteFile(name, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	o.Config = name
	files, err := renderPlan(t, o, p)
	return files["fw/edge.xml"], err
}

func mustMerge(t *testing.T, o Options, config string, p *rules.Plan) string {
	t.Helper()
	merged, err := mergeInto(t, o, config, p)
	if err != nil {
		t.Fatal(err)
	}
	wellFormed(t, merged)
	return merged
}

func wellFormed(t *testing.T, text string) {
	t.Helper()
	dec := xml.NewDecoder(strings.NewReader(text))
	for {
		if _, err := dec.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

var ourElement = regexp.MustCompile(`(?s)\n\t\t<(rule|alias)>\n.*?\n\t\t</(?:rule|alias)>`)

// withoutOurs takes our elements out by their text alone, and shares no code with
// the merge.
func withoutOurs(text string) string {
	return ourElement.ReplaceAllStringFunc(text, func(s string) string {
		if strings.Contains(s, "<descr><![CDATA[sallyport edge: ") {
			return ""
		}
		return s
	})
}

func TestMergeKeepsAllElse(t *testing.T) {
	original := fixture(t)
	for _, tt := range []struct {
		name   string
		change func(*Options)
		rows   [][2]string // of bars that move
	}{
		{"before the last rule of lan but one", func(*Options) {}, [][2]string{{"<row>fr4</row>", "<row>fr6</row>"}}},
		{"before the first", func(o *Options) { o.Before = "1734240020" }, [][2]string{{"<row>fr4</row>", "<row>fr6</row>"}, {"<row>fr2</row>", "<row>fr4</row>"}}},
		{"after the last", func(o *Options) {
			o.Before, o.After = "", "1734240023"
			o.Accept = append(o.Accept, "1734240022", "1734240023")
		}, [][2]string{{"<row>fr4</row>", "<row>fr6</row>"}}},
		{"on an interface without bars", func(o *Options) {
			o.Interface, o.Before = "opt1", "Guests & visitors"
			o.Accept = append(o.Accept, "1734240001", "1734240030")
		}, nil},
		{"on a group", func(o *Options) {
			o.Interface, o.Before = "Inside", "DNS for all inside"
			o.Accept = append(o.Accept, "1734240001")
		}, nil},
	} {
		o := options(formMerge)
		tt.change(&o)
		merged := mustMerge(t, o, original, calls())
		want := original
		for _, r := range tt.rows {
			want = strings.Replace(want, r[0], r[1], 1)
		}
		if merged == original {
			t.Errorf("%s: nothing was merged", tt.name)
		}
		if got := withoutOurs(merged); got != want {
			t.Errorf("%s: something else changed", tt.name)
		}
		if n := strings.Count(merged, "[sallyport edge: calls media/"); n != 2 {
			t.Errorf("%s: %d rules", tt.name, n)
		}
	}
}

// TestMergeOrder looks at the order of the rules of the tab.
func TestMergeOrder(t *testing.T) {
	descr := regexp.MustCompile(`<descr><!\[CDATA\[(.*?)\]\]></descr>`)
	order := func(text string) []string {
		var list []string
		for _, m := range descr.FindAllStringSubmatch(text[strings.Index(text, "<filter>"):strings.Index(text, "</filter>")], -1) {
			list = append(list, m[1])
		}
		return list
	}
	o := options(formMerge)
	before := order(mustMerge(t, o, fixture(t), calls()))
	at := slices.Index(before, "Default allow LAN to any rule")
	if at < 2 || before[at-1] != "sallyport edge: calls media/udp" || before[at-3] != "LAN does not see the guests" {
		t.Errorf("before: %q", before)
	}
	o.Before, o.After = "", "1734240021"
	if after := order(mustMerge(t, o, fixture(t), calls())); !slices.Equal(before, after) {
		t.Errorf("after the rule before: %q", after)
	}
}

func TestMergeAgain(t *testing.T) {
	original := fixture(t)
	start, end := strings.Index(original, "\t<aliases>\n\t\t<alias>"), strings.Index(original, "\t<proxyarp>")
	noAliases := func(with string) string {
		return strings.NewReplacer("<address>Servers</address>", "<any></any>", "<port>WebPorts</port>", "", "<address>RFC1918</address>", "<any></any>",
			"<address>Blocklist</address>", "<address>192.0.2.1</address>", "<address>Printers</address>", "<address>192.0.2.2</address>").
			Replace(original[:start] + with + original[end:])
	}
	for name, config := range map[string]string{
		"with aliases":      original,
		"empty aliases":     noAliases("\t<aliases></aliases>\n"),
		"self-closing":      noAliases("\t<aliases/>\n"),
		"no aliases":        noAliases(""),
		"aliases with text": noAliases("\t<aliases>\n\n\t</aliases>\n"),
		"no bars":           regexp.MustCompile(`(?s)\t\t<separator>.*?</separator>\n`).ReplaceAllString(original, ""),
		"CRLF":              strings.ReplaceAll(original, "\n", "\r\n"),
		"one line":          strings.NewReplacer("\n", "", "\t", "").Replace(original),
	} {
		o := options(formMerge)
		other := planOf(pass("calls", rules.Any(), rules.In("cloud", ipranges.MustParse("192.0.2.0/24")), media), pass("more", rules.Any(), cloud4, media))
		first := mustMerge(t, o, config, calls())
		if again := mustMerge(t, o, first, calls()); again != first {
			t.Errorf("%s: merging again changes something", name)
		}
		second := mustMerge(t, o, first, other)
		if fresh := mustMerge(t, o, config, other); second != fresh || second == first {
			t.Errorf("%s: a merge over an earlier one is not a fresh one", name)
		}
		o.Before = "1734240020" // the rules move
		if moved, fresh := mustMerge(t, o, second, calls()), mustMerge(t, o, config, calls()); moved != fresh {
			t.Errorf("%s: moving the rules leaves something", name)
		}
	}
}

var cloud4 = rules.In("cloud4", ipranges.MustParse("198.51.100.0/24"))

func TestMergePlaces(t *testing.T) {
	for _, tt := range []struct {
		option, cause string
		change        func(*Options)
	}{
		{"before", "no rule of lan", func(o *Options) { o.Before = "Nothing of the kind" }},
		{"before", "no rule of lan", func(o *Options) { o.Before = "1734240030" }},                             // of opt1
		{"before", "no rule of lan", func(o *Options) { o.Before = "Block known-bad sources on the outside" }}, // floating
		{"after", "no rule of opt1", func(o *Options) { o.Before, o.After, o.Interface = "", "1734240020", "opt1" }},
		{"interface", "no interface opt7", func(o *Options) { o.Interface = "opt7" }},
		{"prefix", "an alias of yours", func(o *Options) { o.Prefix = "Block" }},
		{"prefix", "an interface group", func(o *Options) { o.Prefix = "In" }},
		{"prefix", "an interface is", func(o *Options) { o.Prefix = "gu" }},
	} {
		o := options(formMerge)
		tt.change(&o)
		p := calls()
		switch tt.cause {
		case "an alias of yours":
			p.Rules[0].To = rules.In("list", cloud.Set())
		case "an interface group":
			p.Rules[0].To = rules.In("side", cloud.Set())
		case "an interface is":
			p.Rules[0].To = rules.In("ests", cloud.Set())
		}
		_, err := renderPlan(t, o, p)
		var opt *renderers.OptionError
		if !errors.As(err, &opt) || opt.Option != tt.option || !strings.Contains(opt.Cause, tt.cause) || opt.Fix == "" {
			t.Errorf("%s %s: %v", tt.option, tt.cause, err)
		}
	}
	twice := strings.Replace(fixture(t), "LAN does not see the guests", "Default allow LAN to any rule", 1)
	if _, err := mergeInto(t, options(formMerge), twice, calls()); err == nil || !strings.Contains(err.Error(), "more than one") {
		t.Errorf("two rules of one name: %v", err)
	}
}

// TestMergeOfTwoTargets leaves the objects of another target alone.
func TestMergeOfTwoTargets(t *testing.T) {
	o := options(formMerge)
	one := mustMerge(t, o, fixture(t), calls())
	other := strings.NewReplacer("sallyport edge: ", "sallyport edge2: ", "sp_", "sq_").Replace(one)
	both := mustMerge(t, o, other, calls())
	if n := strings.Count(both, "sallyport edge2: "); n != strings.Count(other, "sallyport edge2: ") {
		t.Errorf("%d objects of the other target are left", n)
	}
	if again := mustMerge(t, o, both, calls()); again != both {
		t.Error("merging again changes something")
	}
	_, err := mergeInto(t, o, strings.ReplaceAll(other, "sq_", "sp_"), calls())
	var opt *renderers.OptionError
	if !errors.As(err, &opt) || opt.Option != "prefix" {
		t.Errorf("one prefix for two targets: %v", err)
	}
}

func TestMergeRetiredAliasInUse(t *testing.T) {
	merged := mustMerge(t, options(formMerge), fixture(t), calls())
	used := strings.Replace(merged, "<address>10.9.0.1</address>", "<address>sp_cloud</address>", 1)
	_, err := mergeInto(t, options(formMerge), used, planOf(pass("calls", rules.Any(), cloud4, media)))
	var opt *renderers.OptionError
	if !errors.As(err, &opt) || !strings.Contains(opt.Cause, "sp_cloud is no longer needed") {
		t.Errorf("%v", err)
	}
	mustMerge(t, options(formMerge), used, calls()) // still needed
	gone := mustMerge(t, options(formMerge), merged, planOf(pass("calls", rules.Any(), cloud4, media)))
	if strings.Contains(gone, "<name>sp_cloud</name>") {
		t.Error("an alias that is no longer needed stays")
	}
}

func TestMergeTrackersAreUnique(t *testing.T) {
	tracker := regexp.MustCompile(`<tracker>(\d+)</tracker>`)
	all := func(text string) []string { return tracker.FindAllString(text, -1) }
	config := fixture(t)
	ours := func(merged string) (list []string) {
		for _, n := range all(merged) {
			if !strings.Contains(config, n) {
				list = append(list, n)
			}
		}
		return list
	}
	for range 3 { // each time the first rule of the user's has the number that ours had
		merged := mustMerge(t, options(formMerge), config, calls())
		list := all(merged)
		slices.Sort(list)
		if n := len(slices.Compact(list)); n != len(all(merged)) || len(ours(merged)) != 2 {
			t.Fatalf("%d rules have %d trackers", len(all(merged)), n)
		}
		config = strings.Replace(config, all(config)[0], ours(merged)[0], 1)
	}
}

func TestMergeRefusesOtherFiles(t *testing.T) {
	good := fixture(t)
	for cause, config := range map[string]string{
		"not well-formed":     good[:len(good)/2] + "<",
		"is not closed":       strings.TrimSuffix(good, "</pfsense>\n"),
		"closes no element":   strings.Replace(good, "</syslog>", "</sylog>", 1),
		"encrypted":           "---- BEGIN config.xml ----\nU2FsdGVk\n---- END config.xml ----\n",
		"root is <opnsense>":  strings.NewReplacer("<pfsense>", "<opnsense>", "</pfsense>", "</opnsense>").Replace(good),
		"root is <filter>":    good[strings.Index(good, "<filter>"):strings.Index(good, "\t<shaper>")],
		"lacks version":       strings.Replace(good, "<version>24.0</version>", "", 1),
		"DOCTYPE":             strings.Replace(good, "<pfsense>", "<!DOCTYPE x [<!ENTITY a \"b\">]><pfsense>", 1),
		"2 root elements":     good + "<pfsense></pfsense>",
		"outside of the root": good + "text",
		"nested":              strings.Replace(good, "<wol>", strings.Repeat("<a>", 200)+strings.Repeat("</a>", 200)+"<wol>", 1),
		"there twice":         strings.Replace(good, "<wol>", "<filter></filter><wol>", 1),
		"0 root elements":     "",
	} {
		_, err := mergeInto(t, options(formMerge), config, calls())
		var opt *renderers.OptionError
		if !errors.As(err, &opt) || opt.Option != "config" || !strings.Contains(opt.Cause, cause) {
			t.Errorf("%s: %v", cause, err)
		}
	}
}

func TestMergeOfTablesWantsCheckedCertificates(t *testing.T) {
	o := options(formMerge)
	o.URL = "https://files.example.net"
	unchecked := strings.Replace(fixture(t), "<checkaliasesurlcert></checkaliasesurlcert>", "", 1)
	_, err := mergeInto(t, o, unchecked, calls())
	var opt *renderers.OptionError
	if !errors.As(err, &opt) || opt.Option != "url" || !strings.Contains(opt.Cause, "certificate") {
		t.Errorf("%v", err)
	}
	o.Insecure = true
	mustMerge(t, o, unchecked, calls())
}

// TestReadBackNoticesOtherChanges damages what is not ours.
func TestReadBackNoticesOtherChanges(t *testing.T) {
	o := options(formMerge)
	r := rendered.Target(t, Kind(), &o)
	text := string(rendered.Files(t, r, calls())[0].Data)
	rule := ourElement.FindAllString(text, -1)
	ours := rule[slices.IndexFunc(rule, func(s string) bool { return strings.Contains(s, "calls media/udp") })]
	for name, damaged := range map[string]string{
		"a byte":         strings.Replace(text, "fw1", "fw2", 1),
		"a blank":        strings.Replace(text, "\t<wol>", "<wol>", 1),
		"an end":         strings.TrimSuffix(text, "\n"),
		"a bar":          strings.Replace(text, "<row>fr6</row>", "<row>fr5</row>", 1),
		"another family": strings.Replace(text, ours, strings.Replace(ours, "inet46", "inet", 1), 1),
		"another action": strings.Replace(text, ours, strings.Replace(ours, "pass", "block", 1), 1),
		"an element":     strings.Replace(text, ours, strings.Replace(ours, "<id></id>", "<disabled></disabled>", 1), 1),
		"no state":       strings.Replace(text, ours, strings.Replace(ours, "keep state", "none", 1), 1),
		"another place":  strings.Replace(strings.Replace(text, ours, "", 1), "\t\t<separator>\n\t\t\t<lan>", ours[1:]+"\n\t\t<separator>\n\t\t\t<lan>", 1),
		"another mask":   strings.Replace(text, "52.112.0.0/14", "52.112.0.0/13", 1),
		"one more port":  strings.Replace(text, "3478:3481", "3478:3482", 1),
	} {
		if damaged == text {
			t.Fatalf("%s: the test changes nothing", name)
		}
		got, err := r.ReadBack([]renderers.File{{Path: "edge.xml", Data: []byte(damaged)}})
		if err == nil && rules.Compare(calls(), got) == nil {
			t.Errorf("%s: not noticed", name)
		}
	}
}
