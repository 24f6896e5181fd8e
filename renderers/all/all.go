// Package all is the list of targets. A new one is added here; the package's tests name
// every other place that it needs.
package all

import (
	"slices"

	"sallyport/renderers"
	"sallyport/renderers/asa"
	"sallyport/renderers/awsclientvpn"
	"sallyport/renderers/azurevpn"
	"sallyport/renderers/bird"
	"sallyport/renderers/f5"
	"sallyport/renderers/fortigate"
	"sallyport/renderers/frr"
	"sallyport/renderers/generic"
	"sallyport/renderers/globalprotect"
	"sallyport/renderers/hostlist"
	"sallyport/renderers/iproute"
	"sallyport/renderers/iptables"
	"sallyport/renderers/mikrotik"
	"sallyport/renderers/networkmanager"
	"sallyport/renderers/nftables"
	"sallyport/renderers/ocserv"
	"sallyport/renderers/openvpn"
	"sallyport/renderers/pac"
	"sallyport/renderers/paloalto"
	"sallyport/renderers/pfsense"
	"sallyport/renderers/strongswan"
	"sallyport/renderers/vpnslice"
	"sallyport/renderers/windows"
	"sallyport/renderers/wireguard"
)

// Kinds returns every kind of target, by name.
func Kinds() []renderers.Kind {
	kinds := []renderers.Kind{
		asa.Kind(),
		awsclientvpn.Kind(),
		azurevpn.Kind(),
		bird.Kind(),
		f5.Kind(),
		fortigate.Kind(),
		frr.Kind(),
		generic.Kind(),
		globalprotect.Kind(),
		hostlist.Kind(),
		iproute.Kind(),
		iptables.Kind(),
		mikrotik.Kind(),
		networkmanager.Kind(),
		nftables.Kind(),
		ocserv.Kind(),
		openvpn.Kind(),
		pfsense.Kind(),
		pac.Kind(),
		paloalto.Kind(),
		strongswan.Kind(),
		vpnslice.Kind(),
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
