package azurevpn

import (
	"encoding/xml"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"unicode/utf8"

	"sallyport/renderers"
)

type element = renderers.XMLElement

// profile is the user's azurevpnconfig.xml.
type profile struct {
	data   []byte
	config *element // the clientconfig
}

const maxProfile = 4 << 20 // bytes; one as downloaded has about 5,000

var limits = renderers.XMLLimits{Depth: 50, Elements: maxProfile, ByteOrder: true}

func parseProfile(data []byte) (*profile, error) {
	if len(data) > maxProfile {
		return nil, fmt.Errorf("it has %d bytes, which no profile has", len(data))
	}
	if !utf8.Valid(data) {
		return nil, errors.New("it is not UTF-8: save it as that")
	}
	root, err := renderers.ParseXML(data, limits)
	if err != nil {
		return nil, err
	}
	if !strings.EqualFold(root.Name, "AzVpnProfile") { // Microsoft's page and the files differ in case
		return nil, fmt.Errorf("it is a %.60q, not an AzVpnProfile", root.Name)
	}
	config, err := only(root, clientConfig)
	if err != nil {
		return nil, err
	}
	if config == nil {
		return nil, errors.New(`it has no clientconfig: a profile as downloaded holds <clientconfig i:nil="true" />`)
	}
	return &profile{data, config}, nil
}

// isNil reports whether an element stands for nothing: i:nil="true".
func isNil(e *element) bool { return slices.ContainsFunc(e.Attr, saysNil) }

func saysNil(a xml.Attr) bool { return a.Name.Local == "nil" && strings.TrimSpace(a.Value) == "true" }

const blanks = " \t\r\n"

// only is the one child of that name, nil where there is none.
func only(e *element, name string) (*element, error) {
	all := e.All(name)
	if len(all) > 1 {
		return nil, fmt.Errorf("it has two elements %s in %s", name, e.Name)
	}
	return e.Child(name), nil
}

// prefixOf is what a route element of the user's names.
func prefixOf(e *element) (netip.Prefix, error) {
	text := e.Value("destination") + "/" + e.Value("mask")
	p, err := netip.ParsePrefix(text)
	if err != nil || e.Name != "route" || len(e.Children) != 2 {
		return netip.Prefix{}, fmt.Errorf("its %s with %.60q is no route of one destination and one mask", e.Name, text)
	}
	return p.Masked(), nil
}
