package paloalto

import (
	"errors"
	"strings"
	"testing"

	"sallyport/renderers"
)

func TestOptionMistakes(t *testing.T) {
	for _, tt := range []struct {
		option string
		base   Options
		change func(*Options)
	}{
		{"form", edl(), func(o *Options) { o.Form = "list" }},
		{"syntax", edl(), func(o *Options) { o.Syntax = "json" }},
		{"names", edl(), func(o *Options) { o.Names = "dns" }},
		{"max_names", edl(), func(o *Options) { o.MaxNames = -1 }},
		{"from_zones", edl(), func(o *Options) { o.FromZones = nil }},
		{"to_zones", edl(), func(o *Options) { o.ToZones = []string{} }},
		{"from_zones.1", edl(), func(o *Options) { o.FromZones = []string{"a", "b\"; commit"} }},
		{"from_zones.1", edl(), func(o *Options) { o.FromZones = []string{"a", "any"} }},
		{"to_zones.1", edl(), func(o *Options) { o.ToZones = []string{"a", "a"} }},
		{"to_zones.0", edl(), func(o *Options) { o.ToZones = []string{strings.Repeat("z", 32)} }},
		{"applications.0", edl(), func(o *Options) { o.Applications = []string{"st#un"} }},
		{"position", edl(), func(o *Options) { o.Position = "first" }},
		{"position", edl(), func(o *Options) { o.Position = "before" }},
		{"position", edl(), func(o *Options) { o.Position = "top rule" }},
		{"position", edl(), func(o *Options) { o.Position = "after \"x\"" }},
		{"vsys", edl(), func(o *Options) { o.VSYS = "2" }},
		{"vsys", edl(), func(o *Options) { o.VSYS = "vsys02" }},
		{"vsys", edl(), func(o *Options) { o.VSYS, o.DeviceGroup = "vsys2", "dg" }},
		{"device_group", edl(), func(o *Options) { o.DeviceGroup = "d/g" }},
		{"rulebase", edl(), func(o *Options) { o.Rulebase = "pre" }},
		{"rulebase", edl(), func(o *Options) { o.DeviceGroup, o.Rulebase = "dg", "default" }},
		{"prefix", edl(), func(o *Options) { o.Prefix = "a.b" }},
		{"prefix", edl(), func(o *Options) { o.Prefix = strings.Repeat("p", 19) }},
		{"log_setting", edl(), func(o *Options) { o.LogSetting = "a\nb" }},
		{"profile_group", edl(), func(o *Options) { o.ProfileGroup = strings.Repeat("p", 64) }},
		{"tag", edl(), func(o *Options) { o.Tag = strings.Repeat("t", 128) }},
		{"certificate_profile", edl(), func(o *Options) { o.CertificateProfile = "<x>" }},
		{"url", edl(), func(o *Options) { o.URL = "" }},
		{"url", edl(), func(o *Options) { o.URL = "lists.example.com" }},
		{"url", edl(), func(o *Options) { o.URL = "ftp://lists.example.com" }},
		{"url", edl(), func(o *Options) { o.URL = "https://user:secret@lists.example.com" }},
		{"url", edl(), func(o *Options) { o.URL = "https://lists.example.com/?a=b" }},
		{"url", edl(), func(o *Options) { o.URL = "https://lists.example.com/?" }},
		{"url", edl(), func(o *Options) { o.URL = "https://lists.example.com/a b" }},
		{"url", edl(), func(o *Options) { o.URL = `https://lists.example.com/"x` }},
		{"url", edl(), func(o *Options) { o.CertificateProfile = "" }},
		{"url", edl(), func(o *Options) { o.URL, o.CertificateProfile = "http://lists.example.com", "" }},
		{"insecure", edl(), func(o *Options) { o.Insecure = true }},
		{"certificate_profile", edl(), func(o *Options) { o.URL, o.Insecure = "http://lists.example.com", true }},
		{"recurring", edl(), func(o *Options) { o.Recurring = "yearly" }},
		{"at", edl(), func(o *Options) { o.At = "24" }},
		{"at", edl(), func(o *Options) { o.At = "3" }},
		{"url", objects(), func(o *Options) { o.URL = "https://lists.example.com" }},
		{"insecure", objects(), func(o *Options) { o.Insecure = true }},
		{"max_members", objects(), func(o *Options) { o.MaxMembers = 1 }},
		{"max_groups", objects(), func(o *Options) { o.MaxGroups = 0 }},
		{"max_addresses", objects(), func(o *Options) { o.MaxAddresses = -1 }},
		{"max_lists", edl(), func(o *Options) { o.MaxLists = 0 }},
	} {
		o := tt.base
		tt.change(&o)
		_, err := Kind().Build(&o, renderers.Env{Name: "edge", Path: "edge.set"})
		var opt *renderers.OptionError
		if !errors.As(err, &opt) || opt.Option != tt.option || opt.Cause == "" || opt.Fix == "" {
			t.Errorf("%s: %+v: %v", tt.option, o, err)
		}
	}
}

// TestInsecureLists: what is insecure has to be asked for, and then is said to
// the device in the way that it knows.
func TestInsecureLists(t *testing.T) {
	o := edl()
	o.CertificateProfile, o.Insecure = "", true
	main := string(renderWith(t, o, plan(), nil)[0].Data)
	if !strings.Contains(main, " type ip certificate-profile None\n") {
		t.Errorf("https without a check does not say None:\n%s", main)
	}
	o.URL = "http://lists.example.com"
	if main := string(renderWith(t, o, plan(), nil)[0].Data); strings.Contains(main, "type ip certificate-profile ") {
		t.Errorf("http has a certificate profile:\n%s", main)
	}
}

func TestLongTargetNameNeedsAPrefix(t *testing.T) {
	o := edl()
	env := renderers.Env{Name: "the_branch_office_in_the_north", Path: "x.set"}
	var opt *renderers.OptionError
	if _, err := Kind().Build(&o, env); !errors.As(err, &opt) || opt.Option != "prefix" || !strings.Contains(opt.Fix, "sp-the_bran-") {
		t.Errorf("%v", err)
	}
	o.Prefix = "sp-north-"
	if _, err := Kind().Build(&o, env); err != nil {
		t.Error(err)
	}
}
