package probe

import (
	"context"
	"fmt"
	"net/netip"

	"sallyport/internal/errqueue"
)

// lookUpBySource finds the way of each destination without the help of the system's routing
// interface: a connected UDP socket, which sends nothing, has the source address that
// the routes choose, and that address belongs to an interface.
func lookUpBySource(n Network, flows []Flow) ([]FlowRoute, error) {
	interfaces, err := n.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("interfaces: %w", err)
	}
	owner := map[netip.Addr]string{}
	for _, i := range interfaces {
		for _, a := range i.Addrs {
			owner[a] = i.Name
		}
	}
	list := make([]FlowRoute, len(flows))
	for i, f := range flows {
		const discard = 9 // any port does: nothing is sent
		c, err := n.DialUDP(context.Background(), netip.AddrPortFrom(f.To, discard), errqueue.Options{})
		if err != nil {
			list[i].Err = err
			continue
		}
		source := c.LocalAddr().Addr().WithZone("")
		list[i] = FlowRoute{Interface: owner[source], Source: source}
		if owner[source] == "" {
			list[i].Err = fmt.Errorf("source address %s belongs to no interface", source)
		}
		c.Close()
	}
	return list, nil
}
