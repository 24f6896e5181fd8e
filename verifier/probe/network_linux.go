package probe

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/vishvananda/netlink"
)

// linkTypes asks the kernel what kind of link each interface is. Without an answer,
// interfaces are recognised by their names.
func linkTypes() map[string]string {
	types := map[string]string{}
	links, err := netlink.LinkList()
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return types
	}
	for _, l := range links {
		types[l.Attrs().Name] = l.Type()
	}
	return types
}

// isWireless asks sysfs, where an interface of Wi-Fi has the radio that it belongs to
// (Documentation/ABI/testing/sysfs-class-net in Linux's source).
func isWireless(name string) bool { return hasRadio("/sys/class/net", name) }

func hasRadio(dir, name string) bool {
	_, err := os.Stat(filepath.Join(dir, filepath.Base(name), "phy80211"))
	return err == nil
}

// Sent implements [Network] with the kernel's counters. Packets that an interface
// dropped count as sent to it.
func (System) Sent() (map[string]uint64, error) {
	links, err := netlink.LinkList()
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return nil, fmt.Errorf("interface counters: %w", err)
	}
	sent := map[string]uint64{}
	for _, l := range links {
		if a := l.Attrs(); a.Statistics != nil {
			sent[a.Name] = a.Statistics.TxPackets + a.Statistics.TxDropped
		}
	}
	return sent, nil
}
