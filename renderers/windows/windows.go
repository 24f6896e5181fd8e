// Package windows renders plans of routes for the VPN client of Windows: as the
// ProfileXML of the VPNv2 configuration service provider, a whole profile or the Route
// elements of one, or as a PowerShell script that gives the routes to a connection.
//
// What goes past the tunnel is a Route with ExclusionRoute true in a profile whose
// RoutingPolicyType is ForceTunnel; what goes through it is one with false, under
// SplitTunnel. One Route a line, in address order.
//
// The elements and their order are those of the schema in Microsoft's VPNv2 DDF
// (CSP version 1.2, Windows 10 1607 and later), which the reader here holds files to.
// Nothing here was loaded into a Windows; the schema was checked with xmllint
// (2026-11). Add-VpnConnectionRoute knows no exclusion (Microsoft Learn, VpnClient
// module, 2026-11-23), so the script serves an include alone. Windows keeps no word of
// who added a route of a connection: the script keeps a record, and withdraws by it.
package windows

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/renderers/routes"
	"sallyport/rules"
)

// Options are the target's options in a policy.
type Options struct {
	Form           string `policy:"form" doc:"profile: a whole ProfileXML; routes: its Route elements, for a profile of yours; powershell: a script, for include alone"`
	Server         string `policy:"server" doc:"profile: the VPN server's name or address"`
	Protocol       string `policy:"protocol" doc:"profile: IKEv2, SSTP, L2TP, PPTP or Automatic"`
	EAP            string `policy:"eap" doc:"profile: a file with the EapHostConfig of your connection; absent: the machine's certificate, with IKEv2"`
	AlwaysOn       bool   `policy:"always_on" doc:"profile: connect when a user signs in"`
	TrustedNetwork string `policy:"trusted_network" doc:"profile: DNS suffixes of networks where the VPN is not needed, with commas between"`
	Connection     string `policy:"connection" doc:"powershell: the VPN connection, as Get-VpnConnection names it"`
	AllUsers       bool   `policy:"all_users" doc:"powershell: it is a connection for all users of the machine"`
}

const (
	formProfile    = "profile"
	formRoutes     = "routes"
	formPowerShell = "powershell"
)

var info = renderers.Info{
	Name:    "windows",
	Title:   "Windows VPN",
	Summary: "Windows' own VPN client: a ProfileXML with routes past the tunnel or through it, or a script with routes through it",
	Caps:    routes.Caps(),
	Load:    renderers.Restart,
	Limits: []renderers.Limit{
		{Name: "routes", Value: "none documented; users report trouble above 200", Source: "VPNv2 CSP, Microsoft Learn, names no limit; user reports"},
		{Name: "IPv6 past the tunnel", Value: "only in networks with an IPv6 gateway", Source: "ld0614/DPC, issue 23, 2025"},
		{Name: "Windows", Value: "10 version 1607 or newer", Source: "VPNv2 DDF: ProfileXML with ExclusionRoute"},
		{Name: "routes past the tunnel by PowerShell", Value: "none", Source: "Microsoft Learn, Add-VpnConnectionRoute"},
		{Name: "name of a connection", Value: "256 characters", Source: "Windows SDK, ras.h, RAS_MaxEntryName"},
	},
	Warnings:  map[string]string{"ipv6-gateway": "clients without an IPv6 gateway go wrong"},
	Extension: ".xml",
}

// Kind is the target as policies name it.
func Kind() renderers.Kind {
	return renderers.Define(info, Options{Form: formProfile, Protocol: "IKEv2"}, build)
}

type renderer struct {
	opt  Options
	env  renderers.Env
	form routes.Form
	auth string // the content of Authentication
	path string // of the script
}

// protocols of NativeProtocolType (VPNv2 DDF).
var protocols = []string{"Automatic", "IKEv2", "L2TP", "PPTP", "SSTP"}

// isServer accepts a host name or an address.
func isServer(s string) bool {
	return renderers.IsName(s, 252, ".:_-") && renderers.IsName(s[:1], 1, "") && renderers.IsName(s[len(s)-1:], 1, "")
}

// isTrusted accepts DNS suffixes with commas between them.
func isTrusted(s string) bool {
	for suffix := range strings.SplitSeq(s, ",") {
		if !renderers.IsName(suffix, len(suffix), "._-") {
			return false
		}
	}
	return true
}

func build(opt Options, env renderers.Env) (*renderers.Target, error) {
	var all renderers.Mistakes
	r := &renderer{opt: opt, env: env}
	if !slices.Contains([]string{formProfile, formRoutes, formPowerShell}, opt.Form) {
		all.Option("form", "profile, routes or powershell",
			"no form %.60q", opt.Form)
		return nil, all.Err()
	}
	if opt.Form != formProfile && (opt.Server+opt.EAP+opt.TrustedNetwork != "" || opt.AlwaysOn) {
		all.Option("form", `remove these options, or use form = "profile"`,
			"the form %.40q says nothing of server, eap, always_on and trusted_network", opt.Form)
	}
	if opt.Form != formPowerShell && (opt.Connection != "" || opt.AllUsers) {
		all.Option("form", `remove these options, or use form = "powershell"`,
			"connection and all_users are of a script")
	}
	switch opt.Form {
	case formPowerShell:
		all.Add(r.checkScript())
	case formProfile:
		r.checkProfile(&all)
	}
	r.form = r.profileForm()
	if opt.Form == formPowerShell {
		r.form = r.scriptForm()
	}
	return &renderers.Target{Renderer: r, Caps: r.caps(), Advice: r.advice}, all.Err()
}

// checkProfile checks what a profile says besides its routes, and reads what goes in.
func (r *renderer) checkProfile(all *renderers.Mistakes) {
	opt := &r.opt
	switch {
	case opt.Server == "":
		all.Option("server", `add server = "vpn.example.com", or use form = "routes"`,
			"a profile needs the server that it connects to")
	case !isServer(opt.Server):
		all.Option("server", "write a name or an address",
			"%.80q is no host", opt.Server)
	}
	if opt.TrustedNetwork != "" && !isTrusted(opt.TrustedNetwork) {
		all.Option("trusted_network", `write them with commas between, such as "corp.example.com,example.net"`,
			"%.80q is no list of DNS suffixes", opt.TrustedNetwork)
	}
	switch {
	case !slices.Contains(protocols, opt.Protocol):
		all.Option("protocol", strings.Join(protocols, ", "),
			"no protocol %q", opt.Protocol)
	case opt.EAP == "" && opt.Protocol != "IKEv2":
		all.Option("eap", `name the file with your connection's EapHostConfig, or use protocol = "IKEv2"`,
			"the machine's certificate is a method of IKEv2 alone")
	}
	all.Add(r.authenticate())
}

const machineCertificate = "      <MachineMethod>Certificate</MachineMethod>"

// authenticate makes the content of Authentication.
func (r *renderer) authenticate() error {
	if r.opt.EAP == "" {
		r.auth = machineCertificate
		return nil
	}
	data, err := r.env.Read(r.opt.EAP)
	if err != nil {
		return &renderers.OptionError{Option: "eap", Cause: err.Error(), Fix: "paths are relative to the policy's folder"}
	}
	text, err := onlyElement(data, "EapHostConfig")
	if err != nil {
		return &renderers.OptionError{Option: "eap", Cause: err.Error(),
			Fix: "save what (Get-VpnConnection -Name NAME).EapConfigXmlStream.InnerXml prints of a connection that works"}
	}
	r.auth = "      <UserMethod>Eap</UserMethod>\n      <Eap>\n        <Configuration>\n" + text + "\n        </Configuration>\n      </Eap>"
	return nil
}

// onlyElement returns the text of data, which must be one XML element of the name,
// without what may stand before it.
func onlyElement(data []byte, name string) (string, error) {
	d := xml.NewDecoder(strings.NewReader(string(data)))
	start, depth := int64(-1), 0
	for {
		at := d.InputOffset()
		tok, err := d.Token()
		if err != nil {
			return "", fmt.Errorf("it is no whole %s element: %w", name, err)
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			if depth == 0 && tok.Name.Local != name {
				return "", fmt.Errorf("it holds a %.60q, not an %s", tok.Name.Local, name)
			}
			if depth == 0 {
				start = at
			}
			depth++
		case xml.Directive:
			return "", errors.New("it holds a document type, which a profile cannot")
		case xml.EndElement:
			if depth--; depth == 0 {
				rest := strings.TrimSpace(string(data[d.InputOffset():]))
				if rest != "" {
					return "", fmt.Errorf("more follows the %s", name)
				}
				return strings.ReplaceAll(string(data[start:d.InputOffset()]), "\r\n", "\n"), nil
			}
		}
	}
}

// advice is what the admin should know.
func (r *renderer) advice(p *rules.Plan) []*renderers.OptionError {
	list, ok := p.Routes()
	set, v := list.Set, list.Way
	if !ok || v != rules.Bypass || !set.Has(ipranges.IPv6) {
		return nil
	}
	return []*renderers.OptionError{{ID: "ipv6-gateway", Option: "families", Cause: "Windows needs an IPv6 gateway for IPv6 past the tunnel, and goes wrong in networks without one",
		Fix: `say families = ["ipv4"] unless your clients' networks have IPv6; see docs/targets/windows.md`}}
}

// Render implements renderers.Renderer.
func (r *renderer) Render(p *rules.Plan) ([]renderers.File, error) {
	list, err := renderers.Routes(p)
	if err != nil {
		return nil, err
	}
	header := renderers.RouteHeader(p)
	if r.opt.Form == formPowerShell {
		return r.renderScript(header, list)
	}
	for i := range header {
		header[i] = renderers.XMLComment(header[i])
	}
	rows := routes.Form{Rows: r.rows}
	text, err := rows.Text(list)
	if err != nil {
		return nil, err
	}
	data, err := r.profile(header, list, text, r.env.Templates)
	if err != nil {
		return nil, err
	}
	hand := "load {} as ProfileXML of the connection, in Intune or with the MDM bridge"
	if r.opt.Form == formRoutes {
		hand = "put the elements of {} into the connection's ProfileXML, and load that anew"
	}
	return []renderers.File{{Path: r.env.Path, Mode: routes.Plain, Data: data, From: r.opt.EAP,
		On: "the Windows clients", Hand: hand}}, nil
}

// profile is the file with its comments, from the template of own, if there is one.
func (r *renderer) profile(header []string, list rules.RouteList, rows []byte, own fs.FS) ([]byte, error) {
	policy := "ForceTunnel"
	if list.Way == rules.Tunnel {
		policy = "SplitTunnel"
	}
	return renderers.Execute("windows", r.opt.Form+".xml.tmpl", own, map[string]any{
		"Header": header, "Bypass": list.Way == rules.Bypass, "Server": r.opt.Server, "Protocol": r.opt.Protocol, "Policy": policy,
		"AlwaysOn": r.opt.AlwaysOn, "Trusted": r.opt.TrustedNetwork, "Authentication": r.auth, "Routes": string(rows),
	})
}

// profileForm is a profile, or its routes alone: all elements as the own template has them.
func (r *renderer) profileForm() routes.Form {
	return routes.Form{
		Divide: routes.DivideXML, Rows: r.rows,
		Body: func(list rules.RouteList, rows []byte) ([]byte, error) {
			data, err := r.profile(nil, list, rows, nil)
			if err != nil {
				return nil, err
			}
			_, body, err := routes.DivideXML(data)
			return body, err
		},
	}
}

// rows are Route elements. A list of routes to put in has no indent.
func (r *renderer) rows(_ ipranges.Family, v rules.Verdict) routes.Rows {
	row := routes.Row{Before: "  <Route><Address>", Slash: "</Address><PrefixSize>",
		After: "</PrefixSize><ExclusionRoute>" + strconv.FormatBool(v == rules.Bypass) + "</ExclusionRoute></Route>"}
	if r.opt.Form == formRoutes {
		row.Before = strings.TrimLeft(row.Before, " ")
	}
	return routes.Rows{Row: row}
}

// ReadBack implements renderers.Renderer.
func (r *renderer) ReadBack(files []renderers.File) (*rules.Plan, error) {
	path := r.env.Path
	if r.opt.Form == formPowerShell {
		path = r.path
	}
	return renderers.ReadFile(files, path, func(data []byte) (*rules.Plan, error) {
		list, err := r.form.Read(data)
		if err != nil {
			return nil, err
		}
		return rules.RoutePlan(r.env.Name, list.Families, list.Way, list.Set), nil
	})
}
