package paloalto

import (
	"slices"
	"testing"

	"sallyport/internal/testkit/conformance"
)

func edl() Options {
	return Options{Form: formEDL, Syntax: syntaxSet, Names: namesFQDN, FromZones: []string{"trust"}, ToZones: []string{"untrust"}, Position: "bottom",
		URL: "https://lists.example.com/sallyport", CertificateProfile: "lists", Recurring: "hourly", At: "03",
		MaxObjects: 2500, MaxMembers: 500, MaxGroups: 125, MaxLists: 30}
}

func objects() Options {
	o := edl()
	o.Form, o.URL, o.CertificateProfile = formObjects, "", ""
	return o
}

func variants() []conformance.Variant {
	full := edl()
	full.FromZones, full.ToZones, full.Position = []string{"trust", "guest wifi"}, []string{"untrust"}, "before clean up"
	full.Applications, full.LogSetting, full.ProfileGroup, full.Tag = []string{"stun", "rtp-base"}, "to panorama", "default", "sallyport"
	full.VSYS, full.Shared, full.Recurring = "vsys2", true, "five-minute"
	full.URL, full.CertificateProfile, full.Insecure = "http://10.0.0.7:8080/l/", "", true
	edlXML, panorama, panoramaXML, objectsXML, small := edl(), objects(), objects(), objects(), objects()
	edlXML.Syntax, edlXML.Recurring, edlXML.Tag = syntaxXML, "weekly", "sallyport"
	panorama.DeviceGroup, panorama.Rulebase, panorama.Position = "branch offices", "post", "top"
	panoramaXML.DeviceGroup, panoramaXML.Shared, panoramaXML.Syntax, panoramaXML.Position = "branches", true, syntaxXML, "after first"
	panoramaXML.MaxMembers = 1500
	objectsXML.Syntax, objectsXML.MaxMembers = syntaxXML, 1500
	small.MaxMembers, small.DeviceGroup = 64, "shared"
	urls, urlsXML, urlsPanorama := edl(), objects(), objects()
	urls.Names, urls.Recurring, urls.Tag = namesURL, "weekly", "sallyport"
	urlsXML.Names, urlsXML.Syntax, urlsXML.MaxMembers = namesURL, syntaxXML, 1500
	urlsPanorama.Names, urlsPanorama.DeviceGroup, urlsPanorama.Shared, urlsPanorama.MaxMembers = namesURL, "branches", true, 1500
	return []conformance.Variant{
		{Name: "edl", Options: ptr(edl())},
		{Name: "edl full", Options: &full},
		{Name: "edl xml", Options: &edlXML},
		{Name: "objects", Options: ptr(objects())},
		{Name: "objects xml", Options: &objectsXML},
		{Name: "objects panorama", Options: &panorama},
		{Name: "objects panorama xml", Options: &panoramaXML},
		{Name: "objects small groups", Options: &small},
		{Name: "edl with URLs", Options: &urls},
		{Name: "objects with URLs xml", Options: &urlsXML},
		{Name: "objects with URLs panorama", Options: &urlsPanorama},
	}
}

func ptr(o Options) *Options { return &o }

func contract() conformance.Contract {
	return conformance.Contract{Kind: Kind(), Variants: variants(), Mistakes: mistakes(), Damages: slices.Concat(
		conformance.Damaged("edl", map[string][2]string{
			"another zone":             {"from trust", "from guest"},
			"one more zone":            {"\nmove", "\nset rulebase security rules sp-edge-calls to dmz\nmove"},
			"an application":           {"application any", "application ssl"},
			"another server":           {"lists.example.com", "lists.example.org"},
			"no certificate":           {"certificate-profile lists", "certificate-profile None"},
			"an unknown element":       {"log-end no", "log-start no"},
			"a negated side":           {"\nmove", "\nset rulebase security rules sp-edge-calls negate-destination yes\nmove"},
			"a commit":                 {" bottom\n", " bottom\ncommit\n"},
			"another position":         {" bottom", " top"},
			"another virtual one":      {"set rulebase", "set vsys vsys2 rulebase"},
			"an object deleted":        {"\nset service sp-edge-tcp-443", "\ndelete service sp-edge-tcp-443\nset service sp-edge-tcp-443"},
			"a denial by a list":       {" action allow", " action drop"},
			"an object of another":     {"fqdn login.example.com", "fqdn login.example.org"},
			"an address called a host": {"fqdn login.example.com", "ip-netmask 10.0.0.1"},
			"a range of IPv6":          {"2603:1063::/38\n", "2603:1063::-2603:1063:3ff:ffff:ffff:ffff:ffff:fffe\n"},
		}),
		conformance.Damaged("edl with URLs", map[string][2]string{
			"no slash":                 {"login.example.com/", "login.example.com"},
			"a path":                   {"login.example.com/", "login.example.com/x/"},
			"a * inside of a part":     {"login.example.com/", "*login.example.com/"},
			"everything":               {"login.example.com/", "*/"},
			"a list of addresses":      {" type url url", " type ip url"},
			"a category and addresses": {"destination any", "destination sp-edge-cloud"},
			"a second category":        {"\nmove", "\nset rulebase security rules sp-edge-signalling category malware\nmove"},
			"the category later":       {"\nmove", "\nset rulebase security rules sp-edge-calls category sp-edge-hosts-urls\nmove"},
			"UDP":                      {"service sp-edge-tcp-443 category", "service sp-edge-udp-3478-3481 category"},
		}),
		conformance.Damaged("objects with URLs panorama", map[string][2]string{
			"a category of categories": {`type "URL List"`, `type "Category Match"`},
		}),
	)}
}

func TestConformance(t *testing.T) { conformance.Run(t, contract()) }

func FuzzFiles(f *testing.F) { conformance.Fuzz(f, contract()) }

func BenchmarkRender(b *testing.B) { conformance.Benchmark(b, contract()) }
