package paloalto

import (
	"testing"

	"sallyport/renderers/conformance"
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
	return conformance.Contract{Kind: Kind(), Variants: variants()}
}

func TestConformance(t *testing.T) { conformance.Run(t, contract()) }

func FuzzFiles(f *testing.F) { conformance.Fuzz(f, contract()) }
