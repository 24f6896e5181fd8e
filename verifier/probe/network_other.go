//go:build !linux

package probe

// linkTypes returns nothing: interfaces are recognised by their names.
func linkTypes() map[string]string { return nil }

// isWireless does not know.
func isWireless(string) bool { return false }

// LookUp implements [Network]. It looks at the destination only.
func (s System) LookUp(flows []Flow) ([]FlowRoute, error) { return lookUpBySource(s, flows) }

// Routing implements [Network]: this system does not tell.
func (System) Routing() (Routing, error) { return Routing{}, nil }

// Sent implements [Network]: this system does not tell.
func (System) Sent() (map[string]uint64, error) { return nil, nil }
