package windows

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// The elements of a profile that we write, each with its children in the order that
// the schema demands (xs:sequence). Leaves have none; what stands in Configuration is
// the user's.
var children = map[string][]string{
	"VPNProfile":     {"AlwaysOn", "TrustedNetworkDetection", "NativeProfile", "Route"},
	"NativeProfile":  {"Servers", "RoutingPolicyType", "NativeProtocolType", "DisableClassBasedDefaultRoute", "Authentication"},
	"Authentication": {"UserMethod", "Eap", "MachineMethod"},
	"Eap":            {"Configuration"},
	"Route":          {"Address", "PrefixSize", "ExclusionRoute"},
}

// element is one element as read.
type element struct {
	name string
	text string
	kids []element
}

// ReadBack implements renderers.Renderer.
func (r *renderer) ReadBack(files []renderers.File) (*rules.Plan, error) {
	path, read := r.env.Path, r.read
	if r.opt.Form == formPowerShell {
		path, read = r.path, r.readScript
	}
	f, err := renderers.FileAt(files, path)
	if err != nil {
		return nil, err
	}
	p, err := read(f.Data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Path, err)
	}
	return p, nil
}

func (r *renderer) read(data []byte) (*rules.Plan, error) {
	top, comments, err := parse(data)
	if err != nil {
		return nil, err
	}
	v, fams, err := renderers.ReadRouteHeader(comments)
	if err != nil {
		return nil, err
	}
	list := top
	if r.opt.Form == formProfile {
		if len(top) != 1 || top[0].name != "VPNProfile" {
			return nil, errors.New("it is not one VPNProfile")
		}
		list, err = r.readProfile(top[0], v)
		if err != nil {
			return nil, err
		}
	}
	var b ipranges.Builder
	for _, e := range list {
		if err := readRoute(&b, e, v, fams); err != nil {
			return nil, err
		}
	}
	if b.Set().IsEmpty() {
		return nil, errors.New("there is no route")
	}
	return rules.RoutePlan(r.env.Name, fams, v, b.Set()), nil
}

// readProfile checks what surrounds the routes, and returns them.
func (r *renderer) readProfile(profile element, v rules.Verdict) ([]element, error) {
	var routes []element
	got := map[string]string{}
	for _, e := range profile.kids {
		switch e.name {
		case "Route":
			routes = append(routes, e)
		case "NativeProfile":
			for _, k := range e.kids {
				got[k.name] = k.text
			}
		default:
			got[e.name] = e.text
		}
	}
	want := map[string]string{"Servers": r.opt.Server, "NativeProtocolType": r.opt.Protocol, "RoutingPolicyType": "ForceTunnel",
		"AlwaysOn": "", "TrustedNetworkDetection": r.opt.TrustedNetwork, "DisableClassBasedDefaultRoute": ""}
	if v == rules.Tunnel {
		want["RoutingPolicyType"], want["DisableClassBasedDefaultRoute"] = "SplitTunnel", "true"
	}
	if r.opt.AlwaysOn {
		want["AlwaysOn"] = "true"
	}
	for name, text := range want {
		if got[name] != text {
			return nil, fmt.Errorf("%s is %.80q, not %q", name, got[name], text)
		}
	}
	if _, ok := got["Authentication"]; !ok {
		return nil, errors.New("there is no Authentication")
	}
	return routes, nil
}

func readRoute(b *ipranges.Builder, e element, v rules.Verdict, fams rules.Families) error {
	if e.name != "Route" || len(e.kids) != 3 {
		return fmt.Errorf("%s with %d parts is no route of ours", e.name, len(e.kids))
	}
	address, size, exclusion := e.kids[0].text, e.kids[1].text, e.kids[2].text
	p, err := prefixOf(address, size)
	switch {
	case err != nil:
		return err
	case exclusion != strconv.FormatBool(v == rules.Bypass):
		return fmt.Errorf("the route %s has ExclusionRoute %.20q", p, exclusion)
	case !fams.Has(ipranges.FamilyOf(p.Addr())):
		return fmt.Errorf("the route %s is not of %s", p, fams)
	}
	return b.AddPrefix(p)
}

// parse reads well-formed XML of known elements in their order, and the lines of its
// comments.
func parse(data []byte) (top []element, comments []string, err error) {
	d := xml.NewDecoder(strings.NewReader(string(data)))
	stack := []element{{}}
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			if len(stack) != 1 {
				return nil, nil, errors.New("it ends inside an element")
			}
			return stack[0].kids, comments, nil
		}
		if err != nil {
			return nil, nil, fmt.Errorf("it is no well-formed XML: %w", err)
		}
		here := &stack[len(stack)-1]
		switch tok := tok.(type) {
		case xml.StartElement:
			if len(tok.Attr) > 0 || tok.Name.Space != "" {
				return nil, nil, fmt.Errorf("%.60q has attributes or a namespace", tok.Name.Local)
			}
			if err := inOrder(here, tok.Name.Local); err != nil {
				return nil, nil, err
			}
			stack = append(stack, element{name: tok.Name.Local})
			if tok.Name.Local == "Configuration" {
				if err := d.Skip(); err != nil {
					return nil, nil, fmt.Errorf("it is no well-formed XML: %w", err)
				}
				stack = closed(stack)
			}
		case xml.EndElement:
			stack = closed(stack)
		case xml.CharData:
			text := strings.TrimSpace(string(tok))
			if text != "" && (here.name == "" || children[here.name] != nil) {
				return nil, nil, fmt.Errorf("text %.60q outside an element of its own", text)
			}
			here.text += text
		case xml.Comment:
			comments = append(comments, strings.Split(string(tok), "\n")...)
		default:
			return nil, nil, fmt.Errorf("%T is not ours", tok)
		}
	}
}

// inOrder reports an element that its parent does not know, or not any more.
func inOrder(parent *element, name string) error {
	if parent.name == "" {
		if name != "VPNProfile" && name != "Route" {
			return fmt.Errorf("unknown element %.60q", name)
		}
		return nil
	}
	at := slices.Index(children[parent.name], name)
	if at < 0 {
		return fmt.Errorf("unknown element %.60q in %s", name, parent.name)
	}
	if n := len(parent.kids); n > 0 {
		before := slices.Index(children[parent.name], parent.kids[n-1].name)
		if before > at || before == at && name != "Route" {
			return fmt.Errorf("%s cannot follow %s", name, parent.kids[n-1].name)
		}
	}
	return nil
}

// closed moves the innermost element to its parent.
func closed(stack []element) []element {
	n := len(stack) - 1
	done := stack[n]
	stack[n-1].kids = append(stack[n-1].kids, done)
	return stack[:n]
}
