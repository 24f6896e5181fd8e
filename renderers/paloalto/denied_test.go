package paloalto

import (
	"errors"
	"strings"
	"testing"

	"sallyport/internal/testkit/rendered"
	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

func deny(name string, from, to rules.Addresses, services ...rules.Service) rules.Rule {
	r := allow(name, from, to, services...)
	r.Verdict = rules.Deny
	return r
}

// TestDenialsGoByObjects holds what rules deny to what a device has without a server:
// once the certificate of that fails, the device stops enforcing its lists.
func TestDenialsGoByObjects(t *testing.T) {
	guests := in("guests", "10.66.0.0/16")
	p := planOf(deny("blocked", rules.Any(), in("bad", "52.113.7.0/24", "2603:1063:7::-2603:1063:9::"), rules.AnyService()),
		deny("guests", guests, rules.Any(), media), allow("some", guests, in("cloud", "52.112.0.0/14"), media))
	for _, syntax := range []string{syntaxSet, syntaxXML} {
		o := edl()
		o.Syntax = syntax
		files := renderWith(t, o, p, nil)
		main := string(files[0].Data)
		for _, list := range []string{"edge.bad.txt", "edge.guests.txt"} {
			if _, err := renderers.FileAt(files, list); err == nil {
				t.Errorf("%s: %s is served", syntax, list)
			}
		}
		if rendered.Text(t, files, "edge.cloud.txt") == "" {
			t.Errorf("%s: what is allowed has no list", syntax)
		}
		for _, name := range []string{"sp-edge-bad-objects", "sp-edge-guests-objects", "sp-edge-52.113.7.0_24"} {
			if !strings.Contains(main, name) {
				t.Errorf("%s: there is no %s:\n%s", syntax, name, main)
			}
		}
	}
	// Where a policy denies nothing, all is lists.
	p = planOf(allow("some", guests, in("cloud", "52.112.0.0/14"), media))
	if main := string(renderWith(t, edl(), p, nil)[0].Data); strings.Contains(main, "address-group") {
		t.Errorf("an allow goes by objects:\n%s", main)
	}
}

// TestLimitsOfBothForms counts the lines of lists as they are written, and the objects of
// what is denied beside them.
func TestLimitsOfBothForms(t *testing.T) {
	// One range of IPv6 is 4 prefixes, one of IPv4 one line.
	cloud := rules.In("cloud", ipranges.MustParse("52.112.0.0-52.113.7.9", "2603::1-2603::8"))
	for _, tt := range []struct {
		name   string
		change func(*Options)
		plan   *rules.Plan
		option string // empty: it fits
	}{
		{"5 lines", func(o *Options) { o.MaxAddresses = 5 }, planOf(allow("calls", rules.Any(), cloud, media)), ""},
		{"room for 4", func(o *Options) { o.MaxAddresses = 4 }, planOf(allow("calls", rules.Any(), cloud, media)), "max_addresses"},
		{"2 objects", func(o *Options) { o.MaxObjects, o.MaxAddresses = 2, 1 }, planOf(deny("calls", rules.Any(), cloud, media)), ""},
		{"room for 1", func(o *Options) { o.MaxObjects = 1 }, planOf(deny("calls", rules.Any(), cloud, media)), "max_objects"},
	} {
		o := edl()
		tt.change(&o)
		r, err := Kind().Build(&o, renderers.Env{Name: "edge", Path: "edge.set"})
		if err == nil {
			_, err = r.Render(tt.plan)
		}
		var rule *rules.RuleError
		if tt.option == "" && err != nil || tt.option != "" && (!errors.As(err, &rule) || !strings.Contains(rule.Fix, tt.option)) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
