package pfsense

import (
	"strings"
	"testing"

	"sallyport/ipranges"
	"sallyport/rules"
)

// TestDenialsAreKept holds what rules deny to addresses that pfSense has without
// fetching anything: it leaves out a rule whose URL table is not there yet, and an allow
// behind a denial would pass what that denies.
func TestDenialsAreKept(t *testing.T) {
	bad := rules.In("bad", ipranges.MustParse("52.113.7.0/24", "2603:1063:7::/48"))
	guests := rules.In("guests", ipranges.MustParse("10.66.0.0/16"))
	rejected := block("refuse", guests, rules.Any(), media)
	rejected.Reject = true
	p := planOf(block("blocked", rules.Any(), bad, rules.AnyService()), rejected, pass("some", rules.Any(), guests, media), pass("calls", rules.Any(), cloud, media))
	urltable, err := renderPlan(t, options(formURLTable), p)
	if err != nil {
		t.Fatal(err)
	}
	main := urltable["fw/edge.xml"]
	for _, name := range []string{"sp_bad", "sp_guests"} {
		if text := element(main, name); !strings.Contains(text, "<type>network</type>") || strings.Contains(text, "url") {
			t.Errorf("%s is not kept: %s", name, text)
		}
		if list := urltable["fw/edge."+name+".txt"]; strings.Contains(list, "#") || list == "" { // for Bulk Import
			t.Errorf("%s is pasted as %q", name, list)
		}
		if !strings.Contains(main, "     "+name+"  edge."+name+".txt\n") {
			t.Errorf("no step says how %s gets there", name)
		}
	}
	if text := element(main, "sp_cloud"); !strings.Contains(text, "<type>urltable</type>") {
		t.Errorf("what is allowed is not fetched: %s", text)
	}

	o := options(formMerge)
	o.URL = "https://files.example.net"
	merged, err := renderPlan(t, o, p)
	if err != nil {
		t.Fatal(err)
	}
	if text := element(merged["fw/edge.xml"], "sp_bad"); !strings.Contains(text, "<address>52.113.7.0/24 2603:1063:7::/48</address>") {
		t.Errorf("a merge does not hold what it denies: %s", text)
	}
	if _, served := merged["fw/edge.sp_bad.txt"]; served {
		t.Error("a file is served that nobody fetches")
	}
	if !strings.Contains(merged["fw/edge.sp_cloud.txt"], "52.112.0.0/14") {
		t.Error("what is allowed is not served")
	}
}

// element is the text of the alias.
func element(text, alias string) string {
	_, rest, _ := strings.Cut(text, "<name>"+alias+"</name>")
	rest, _, _ = strings.Cut(rest, "</alias>")
	return rest
}

// TestDeniedSetsHaveRoom refuses a denial of more than an alias holds, and says why it
// cannot be a table.
func TestDeniedSetsHaveRoom(t *testing.T) {
	o := options(formURLTable)
	o.AliasEntries = 1
	_, err := renderPlan(t, o, planOf(block("blocked", rules.Any(), cloud, media)))
	refused(t, "a denial", err, "entries")
	if _, err := renderPlan(t, o, planOf(pass("calls", rules.Any(), cloud, media))); err != nil {
		t.Errorf("an allow: %v", err)
	}
}
