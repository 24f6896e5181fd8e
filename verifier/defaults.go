package verifier

import "strings"

// DefaultProbes are the public hosts that the built-in profile asks; its rule is
// called "calls" and its service is UDP 3478 to 3481 with TCP 443. They are hosts that
// Microsoft documents or names in its own client configurations, and no others: see
// docs/verify.md. A policy's own probes replace them.
func DefaultProbes() []Probe {
	const rule = "calls"
	media := []Service{{"udp", 3478, 3481}, {"tcp", 443, 443}}
	return []Probe{
		// Relays of Teams and Azure Communication Services, which share them.
		{Name: "relay_worldaz_tr", Host: "worldaz.tr.teams.microsoft.com", Rule: rule, Services: media},
		{Name: "relay_worldaz", Host: "worldaz.relay.teams.microsoft.com", Rule: rule, Services: media},
		// STUN alone.
		{Name: "stun_azure", Host: "stun.azure.com", Rule: rule, Services: []Service{{"udp", 3478, 3478}}},
		{Name: "stun_address", Host: "20.202.22.68", Rule: rule, Services: []Service{{"udp", 3478, 3478}}},
		// Where clients get their relay credentials. It is signalling, so its address
		// need not be in the media ranges: it stands for no rule.
		{Name: "relay_credentials", Host: "relay.communication.microsoft.com", Services: []Service{{"tcp", 443, 443}}},
	}
}

// microsoftIssuers are the organisations that certificates of Azure's own services
// chain to (Microsoft Learn, "Azure Certificate Authority details"; read 2026-11-23).
var microsoftIssuers = []string{"Microsoft Corporation", "DigiCert Inc"}

var microsoftNames = []string{"microsoft.com", "skype.com", "azure.com", "azure.net", "azureedge.net", "office.com"}

// IssuersFor are the organisations that may have issued the probe's certificate, or
// none when any that the machine trusts will do.
func (pr *Probe) IssuersFor() []string {
	if len(pr.Issuers) > 0 {
		return pr.Issuers
	}
	host := strings.ToLower(strings.TrimSuffix(pr.Host, "."))
	for _, name := range microsoftNames {
		if host == name || strings.HasSuffix(host, "."+name) {
			return microsoftIssuers
		}
	}
	return nil
}
