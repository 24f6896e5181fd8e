//go:build !linux

package probe

import (
	"net/netip"
)

// linkTypes: names have to do.
func linkTypes() map[string]string { return nil }

// Leave implements [Network].
func (s System) Leave(to []netip.Addr) ([]Leave, error) { return leaveBySource(s, to) }

// Table implements [Network]: this system does not tell.
func (System) Table() ([]netip.Prefix, error) { return nil, nil }
