// Package all is the list of targets. A new one is added here, and nowhere else.
package all

import (
	"slices"

	"sallyport/renderers"
	"sallyport/renderers/generic"
	"sallyport/renderers/hostlist"
	"sallyport/renderers/iproute"
	"sallyport/renderers/iptables"
	"sallyport/renderers/nftables"
	"sallyport/renderers/openvpn"
	"sallyport/renderers/paloalto"
	"sallyport/renderers/pfsense"
	"sallyport/renderers/windows"
	"sallyport/renderers/wireguard"
)

// Kinds returns every kind of target, by name.
func Kinds() []renderers.Kind {
	kinds := []renderers.Kind{
		generic.Kind(),
		hostlist.Kind(),
		iproute.Kind(),
		iptables.Kind(),
		nftables.Kind(),
		openvpn.Kind(),
		pfsense.Kind(),
		paloalto.Kind(),
		windows.Kind(),
		wireguard.Kind(),
	}
	slices.SortFunc(kinds, func(a, b renderers.Kind) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return kinds
}

// Named finds a kind.
func Named(name string) (renderers.Kind, bool) {
	for _, k := range Kinds() {
		if k.Name == name {
			return k, true
		}
	}
	return renderers.Kind{}, false
}
