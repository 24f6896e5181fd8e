package paloalto

import (
	"errors"
	"strings"
	"testing"

	"sallyport/internal/testkit/conformance"
	"sallyport/renderers"
)

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

func mistakes() []conformance.Mistake {
	with := func(o Options, change func(*Options)) *Options {
		change(&o)
		return &o
	}
	return []conformance.Mistake{
		conformance.Wrong("form", with(edl(), func(o *Options) { o.Form = "list" })),
		conformance.Wrong("syntax", with(edl(), func(o *Options) { o.Syntax = "json" })),
		conformance.Wrong("names", with(edl(), func(o *Options) { o.Names = "dns" })),
		conformance.Wrong("max_names", with(edl(), func(o *Options) { o.MaxNames = -1 })),
		conformance.Wrong("from_zones", with(edl(), func(o *Options) { o.FromZones = nil })),
		conformance.Wrong("to_zones", with(edl(), func(o *Options) { o.ToZones = []string{} })),
		conformance.Wrong("from_zones.1", with(edl(), func(o *Options) { o.FromZones = []string{"a", "b\"; commit"} })),
		conformance.Wrong("from_zones.1", with(edl(), func(o *Options) { o.FromZones = []string{"a", "any"} })),
		conformance.Wrong("to_zones.1", with(edl(), func(o *Options) { o.ToZones = []string{"a", "a"} })),
		conformance.Wrong("to_zones.0", with(edl(), func(o *Options) { o.ToZones = []string{strings.Repeat("z", 32)} })),
		conformance.Wrong("applications.0", with(edl(), func(o *Options) { o.Applications = []string{"st#un"} })),
		conformance.Wrong("position", with(edl(), func(o *Options) { o.Position = "first" })),
		conformance.Wrong("position", with(edl(), func(o *Options) { o.Position = "before" })),
		conformance.Wrong("position", with(edl(), func(o *Options) { o.Position = "top rule" })),
		conformance.Wrong("position", with(edl(), func(o *Options) { o.Position = "after \"x\"" })),
		conformance.Wrong("vsys", with(edl(), func(o *Options) { o.VSYS = "2" })),
		conformance.Wrong("vsys", with(edl(), func(o *Options) { o.VSYS = "vsys02" })),
		conformance.Wrong("vsys", with(edl(), func(o *Options) { o.VSYS, o.DeviceGroup = "vsys2", "dg" })),
		conformance.Wrong("device_group", with(edl(), func(o *Options) { o.DeviceGroup = "d/g" })),
		conformance.Wrong("rulebase", with(edl(), func(o *Options) { o.Rulebase = "pre" })),
		conformance.Wrong("rulebase", with(edl(), func(o *Options) { o.DeviceGroup, o.Rulebase = "dg", "default" })),
		conformance.Wrong("prefix", with(edl(), func(o *Options) { o.Prefix = "a.b" })),
		conformance.Wrong("prefix", with(edl(), func(o *Options) { o.Prefix = strings.Repeat("p", 19) })),
		conformance.Wrong("log_setting", with(edl(), func(o *Options) { o.LogSetting = "a\nb" })),
		conformance.Wrong("profile_group", with(edl(), func(o *Options) { o.ProfileGroup = strings.Repeat("p", 64) })),
		conformance.Wrong("tag", with(edl(), func(o *Options) { o.Tag = strings.Repeat("t", 128) })),
		conformance.Wrong("certificate_profile", with(edl(), func(o *Options) { o.CertificateProfile = "<x>" })),
		conformance.Wrong("url", with(edl(), func(o *Options) { o.URL = "" })),
		conformance.Wrong("url", with(edl(), func(o *Options) { o.URL = "lists.example.com" })),
		conformance.Wrong("url", with(edl(), func(o *Options) { o.URL = "ftp://lists.example.com" })),
		conformance.Wrong("url", with(edl(), func(o *Options) { o.URL = "https://user:secret@lists.example.com" })),
		conformance.Wrong("url", with(edl(), func(o *Options) { o.URL = "https://lists.example.com/?a=b" })),
		conformance.Wrong("url", with(edl(), func(o *Options) { o.URL = "https://lists.example.com/?" })),
		conformance.Wrong("url", with(edl(), func(o *Options) { o.URL = "https://lists.example.com/a b" })),
		conformance.Wrong("url", with(edl(), func(o *Options) { o.URL = `https://lists.example.com/"x` })),
		conformance.Wrong("url", with(edl(), func(o *Options) { o.CertificateProfile = "" })),
		conformance.Wrong("url", with(edl(), func(o *Options) { o.URL, o.CertificateProfile = "http://lists.example.com", "" })),
		conformance.Wrong("insecure", with(edl(), func(o *Options) { o.Insecure = true })),
		conformance.Wrong("certificate_profile", with(edl(), func(o *Options) { o.URL, o.Insecure = "http://lists.example.com", true })),
		conformance.Wrong("recurring", with(edl(), func(o *Options) { o.Recurring = "yearly" })),
		conformance.Wrong("at", with(edl(), func(o *Options) { o.At = "24" })),
		conformance.Wrong("at", with(edl(), func(o *Options) { o.At = "3" })),
		conformance.Wrong("url", with(objects(), func(o *Options) { o.URL = "https://lists.example.com" })),
		conformance.Wrong("insecure", with(objects(), func(o *Options) { o.Insecure = true })),
		conformance.Wrong("max_members", with(objects(), func(o *Options) { o.MaxMembers = 1 })),
		conformance.Wrong("max_groups", with(objects(), func(o *Options) { o.MaxGroups = 0 })),
		conformance.Wrong("max_addresses", with(objects(), func(o *Options) { o.MaxAddresses = -1 })),
		conformance.Wrong("max_lists", with(edl(), func(o *Options) { o.MaxLists = 0 })),
	}
}
