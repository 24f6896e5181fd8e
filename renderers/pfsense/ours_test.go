package pfsense

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sallyport/renderers"
	"sallyport/rules"
)

// ourText is the element of the rule or alias of ours that a merge described so.
func ourText(t *testing.T, text, descr string) string {
	t.Helper()
	list := ourElement.FindAllString(text, -1)
	i := slices.IndexFunc(list, func(s string) bool { return strings.Contains(s, "<descr><![CDATA["+descr+"]]></descr>") })
	if i < 0 {
		t.Fatalf("nothing is described as %q", descr)
	}
	return list[i]
}

var trackerElement = regexp.MustCompile(`<tracker>\d+</tracker>`)

// TestMergeRefusesToDeleteWhatIsNotOurs: the user's form copies a rule of ours with its
// description, and gives it a number by the clock.
func TestMergeRefusesToDeleteWhatIsNotOurs(t *testing.T) {
	o := options(formMerge)
	merged := mustMerge(t, o, fixture(t), calls())
	rule, alias := ourText(t, merged, "sallyport edge: calls media/udp"), ourText(t, merged, "sallyport edge: set cloud")
	numbered := func(tracker string) string { return trackerElement.ReplaceAllString(rule, tracker) }
	own := trackerElement.FindString(rule)
	for name, tt := range map[string]struct{ config, said string }{
		"a copy of a rule":              {strings.Replace(merged, rule, rule+numbered("<tracker>1795000001</tracker>"), 1), `"1795000001"`},
		"a copy on another interface":   {strings.Replace(merged, rule, rule+strings.Replace(numbered("<tracker>1795000001</tracker>"), ">lan<", ">opt1<", 1), 1), `rule of opt1 with the tracker "1795000001"`},
		"a copy without a tracker":      {strings.Replace(merged, rule, rule+numbered(""), 1), `the tracker ""`},
		"a copy with the same tracker":  {strings.Replace(merged, rule, rule+rule, 1), strings.TrimSuffix(strings.TrimPrefix(own, "<tracker>"), "</tracker>")},
		"only the copy is left":         {strings.Replace(merged, rule, numbered("<tracker>1795000001</tracker>"), 1), `"1795000001"`},
		"a number of ours for another":  {strings.Replace(merged, rule, numbered("<tracker>2000000001</tracker>"), 1), `"2000000001"`},
		"another description":           {strings.Replace(merged, "edge: calls media/udp", "edge: calls for the boss", 1), "for the boss"},
		"a copy of an alias":            {strings.Replace(merged, alias, alias+strings.Replace(alias, "<name>sp_cloud<", "<name>sp_cloud2<", 1), 1), "alias sp_cloud2"},
		"a copy with another beginning": {strings.Replace(merged, alias, alias+strings.Replace(alias, "<name>sp_cloud<", "<name>my_cloud<", 1), 1), "alias my_cloud"},
		"an alias of no kind":           {strings.Replace(merged, "edge: set cloud", "edge: the cloud", 1), "alias sp_cloud"},
	} {
		if tt.config == merged {
			t.Fatalf("%s: nothing was changed", name)
		}
		got, err := mergeInto(t, o, tt.config, calls())
		var opt *renderers.OptionError
		if !errors.As(err, &opt) || opt.Option != "config" || !strings.Contains(opt.Cause, tt.said) || opt.Fix == "" {
			t.Errorf("%s: %v, and %d bytes", name, err, len(got))
		}
	}
}

// TestCopiesWithTheirOwnDescriptionStay byte by byte.
func TestCopiesWithTheirOwnDescriptionStay(t *testing.T) {
	o := options(formMerge)
	merged := mustMerge(t, o, fixture(t), calls())
	rule := ourText(t, merged, "sallyport edge: calls media/udp")
	own := trackerElement.ReplaceAllString(strings.Replace(rule, "sallyport edge: ", "mine, after ", 1), "<tracker>1795000001</tracker>")
	// at the end of the filter, where no bar has to move
	config := strings.Replace(merged, "\n\t\t<separator>", own+"\n\t\t<separator>", 1)
	again := mustMerge(t, o, config, calls())
	if again != config || !strings.Contains(again, own) {
		t.Error("the user's copy did not stay as it was")
	}
	gone := mustMerge(t, o, config, planOf(pass("more", rules.Any(), cloud, media)))
	if !strings.Contains(gone, own) || strings.Contains(gone, "edge: calls ") {
		t.Error("the user's copy went with our rule")
	}
}

// TestMergeWithAnotherPrefix: our aliases of another prefix are known by the rules that
// use them.
func TestMergeWithAnotherPrefix(t *testing.T) {
	before, after := options(formMerge), options(formMerge)
	after.Prefix = "cloud_"
	for _, p := range []*rules.Plan{calls(), named(), planOf(pass("a", rules.Any(), rules.In(strings.Repeat("long_", 7)+"x", cloud.Set()), media))} {
		merged := mustMerge(t, before, fixture(t), p)
		if got, fresh := mustMerge(t, after, merged, p), mustMerge(t, after, fixture(t), p); got != fresh {
			t.Errorf("%s: something of the old prefix stays", p.Rules[0].Name)
		}
	}
}

// TestTrackersAreKnown: what track gives, tracks knows, also where others had the first
// numbers, and no other description's.
func TestTrackersAreKnown(t *testing.T) {
	o := &objects{rules: []*filterRule{{descr: "sallyport edge: a any"}, {descr: "sallyport edge: b any"}}}
	taken := map[uint32]bool{}
	for range 50 {
		o.track(taken)
		a, b := o.rules[0], o.rules[1]
		if !tracks(a.descr, a.tracker) || !tracks(b.descr, b.tracker) || tracks(a.descr, b.tracker) || tracks(b.descr, a.tracker) {
			t.Fatalf("%d and %d", a.tracker, b.tracker)
		}
		taken[a.tracker], taken[b.tracker] = true, true
	}
	last := uint32(firstTracker + trackerRoom - 1)
	for _, n := range []uint32{0, 1795000001, firstTracker - 1, last + 1, 1<<32 - 1, o.rules[0].tracker + 1001} {
		if tracks(o.rules[0].descr, n) {
			t.Errorf("%d is taken for ours", n)
		}
	}
}
