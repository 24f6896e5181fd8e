//go:build !linux

package probe

// linkTypes returns nothing: interfaces are recognised by their names.
func linkTypes() map[string]string { return nil }

// Leave implements [Network]. It looks at the destination only.
func (s System) Leave(flows []Flow) ([]Leave, error) { return leaveBySource(s, flows) }

// Routing implements [Network]: this system does not tell.
func (System) Routing() (Routing, error) { return Routing{}, nil }

// Sent implements [Network]: this system does not tell.
func (System) Sent() (map[string]uint64, error) { return nil, nil }
