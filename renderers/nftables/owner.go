package nftables

import (
	"fmt"
	"slices"
	"strings"

	"sallyport/renderers"
)

// Some tables are made by a program, which deletes and makes them anew as it likes, or
// cannot read them any more with our objects inside. A fragment has no place there.
// Names as of 2026-11: iptables (nft.c), firewalld 2.2, Docker 29, kube-proxy, libvirt
// 10.4, Podman (netavark), NetworkManager, systemd, wg-quick.
var programTables = map[string]string{
	"docker-bridges": "Docker", "kube-proxy": "kube-proxy", "libvirt_network": "libvirt", "netavark": "Podman", "io.systemd.nat": "systemd",
}

// iptablesTables are those of iptables-nft, in the families ip and ip6.
var iptablesTables = []string{"filter", "nat", "mangle", "raw", "security"}

// checkOwner refuses tables that are a program's own.
func checkOwner(table string) error {
	refuse := func(why, fix string) error {
		return &renderers.OptionError{Option: "table", Cause: fmt.Sprintf("%q %s", table, why), Fix: fix}
	}
	const own = `name a table of yours, such as "inet filter"; in nftables an accept there does not lift what another table drops`
	family, name, _ := strings.Cut(table, " ")
	switch {
	case family != "inet" && slices.Contains(iptablesTables, name):
		return refuse("is the table of iptables-nft: with a set of sallyport in it, iptables and iptables-save fail for the whole machine",
			fmt.Sprintf(`use target "iptables" where rules are made with iptables; where nothing uses it, name a table that is not called so, such as "inet filter" or "%s firewall"`, family))
	case strings.HasPrefix(name, "firewalld"):
		return refuse("is firewalld's own: it makes the table anew at each reload, and since version 2.2 the kernel refuses others there (NftablesTableOwner)",
			"give the addresses to firewalld, as docs/targets/nftables.md says, or use placement = \"standalone\" for rules that deny")
	case programTables[name] != "":
		return refuse("is the own table of "+programTables[name]+", which makes it anew as it likes", own)
	case strings.HasPrefix(name, "nm-"):
		return refuse("is the own table of NetworkManager, which makes it anew as it likes", own)
	case strings.HasPrefix(name, "wg-quick-"):
		return refuse("is the own table of wg-quick, which goes when the tunnel goes", own)
	}
	return nil
}
