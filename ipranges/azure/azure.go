// Package azure reads Microsoft's Service Tags files, the weekly list of the
// address prefixes of Azure and its services, one file for each Azure cloud.
//
// [Decode] turns a file's bytes into a catalog. It is strict, because what it
// lets through ends up in firewalls: a file with one wrong prefix is refused
// as a whole, with every mistake named by line and tag. [Discover] finds the
// URL of the week's file, whose name has a date in it, on the download page.
// The package does no I/O of its own.
package azure

import (
	"fmt"
	"strings"
)

// Cloud is one of the separate Azure clouds. Each has a file and a download
// page of its own.
type Cloud struct {
	Name       string // in policies: "public"
	Title      string // for people: "Azure Public"
	FileCloud  string // the value of "cloud" in the file: "Public"
	FilePrefix string // what the file's name starts with; a date and ".json" follow
	PageID     int    // of the download page
}

// Clouds lists the clouds; do not change it. The pages are those that
// https://learn.microsoft.com/azure/virtual-network/service-tags-overview
// names; the words in the files are as of July 2026. The German cloud closed
// in 2021; its last file is of March 2022.
var Clouds = []Cloud{
	{"public", "Azure Public", "Public", "ServiceTags_Public_", 56519},
	{"usgov", "Azure US Government", "AzureGovernment", "ServiceTags_AzureGovernment_", 57063},
	{"china", "Azure China", "China", "ServiceTags_China_", 57062},
	{"germany", "Azure Germany", "AzureGermany", "ServiceTags_AzureGermany_", 57064},
}

// Page returns the URL of the cloud's download page.
func (c Cloud) Page() string {
	return fmt.Sprintf("https://www.microsoft.com/en-us/download/details.aspx?id=%d", c.PageID)
}

// confirmation returns the URL of the page that used to start the download. It
// has held the link at times when the download page did not (May 2023).
func (c Cloud) confirmation() string {
	return fmt.Sprintf("https://www.microsoft.com/en-us/download/confirmation.aspx?id=%d", c.PageID)
}

// FindCloud returns the cloud with that name in policies. The error lists the
// names there are.
func FindCloud(name string) (Cloud, error) {
	var names []string
	for _, c := range Clouds {
		if c.Name == name {
			return c, nil
		}
		names = append(names, c.Name)
	}
	return Cloud{}, fmt.Errorf("no Azure cloud %q: choose one of %s", name, strings.Join(names, ", "))
}
