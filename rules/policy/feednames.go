package policy

import (
	"fmt"
	"strings"
)

// sameFeeds are other names for kinds of feeds.
var sameFeeds = map[string]string{
	"servicetags": "azure", "azurecloud": "azure", "microsoftazure": "azure", "az": "azure",
	"office365": "m365", "o365": "m365", "microsoft365": "m365", "office": "m365", "teams": "m365", "ms365": "m365", "skype": "m365",
	"list": "text", "file": "text", "plain": "text", "txt": "text", "csv": "text", "custom": "text", "cidr": "text",
}

// otherClouds are providers with lists that no kind of feed can read.
var otherClouds = map[string]string{
	"aws": "AWS", "amazon": "AWS", "gcp": "Google Cloud", "google": "Google Cloud", "googlecloud": "Google Cloud",
	"oracle": "Oracle Cloud", "oci": "Oracle Cloud", "cloudflare": "Cloudflare", "fastly": "Fastly", "akamai": "Akamai",
	"github": "GitHub", "digitalocean": "DigitalOcean", "linode": "Linode", "ibm": "IBM Cloud", "alibaba": "Alibaba Cloud",
	"hetzner": "Hetzner", "ovh": "OVH", "scaleway": "Scaleway", "vultr": "Vultr", "tencent": "Tencent Cloud",
	"zoom": "Zoom", "webex": "Webex", "apple": "Apple", "icloud": "iCloud", "meta": "Meta", "facebook": "Meta",
	"salesforce": "Salesforce", "zscaler": "Zscaler", "okta": "Okta", "datadog": "Datadog", "atlassian": "Atlassian", "stripe": "Stripe",
}

// feedMeant says what to write for the unknown kind of feed name: the known kind that is most
// likely meant, or why there is none.
func feedMeant(name string, kinds []string) (kind, detail, fix string) {
	word := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, strings.ToLower(name))
	known := "The kinds are " + wordList(kinds, "and") + "."
	if m := misspelt(name, kinds); m != "" {
		return m, "", fmt.Sprintf("write kind = %q", m)
	}
	if m := sameFeeds[word]; m != "" {
		return m, known, fmt.Sprintf("write kind = %q", m)
	}
	for _, w := range []string{word, strings.TrimRight(word, "0123456789"), firstPart(name)} {
		if cloud := otherClouds[w]; cloud != "" {
			return "", fmt.Sprintf("What %s publishes is not read as it is. %s", cloud, known),
				fmt.Sprintf(`save its prefixes as a list, one a line, and write kind = "text" and file = "%s.txt"`, w)
		}
	}
	return "", known, `write one of them; for a list of your own, one prefix a line, kind = "text" with file or url`
}

func firstPart(name string) string {
	first, _, _ := strings.Cut(strings.ToLower(name), "_")
	return first
}
