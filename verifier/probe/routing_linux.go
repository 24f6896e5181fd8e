package probe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Attributes of linux/rtnetlink.h that package unix lacks.
const (
	rtaIPProto = 27 // RTA_IP_PROTO
	rtaSport   = 28 // RTA_SPORT
	rtaDport   = 29 // RTA_DPORT
)

// A kernelLookup asks the kernel for routes over one socket.
type kernelLookup struct {
	handle  *nl.SocketHandle
	names   map[int]string
	several bool // some route has several next hops
}

func newKernelLookup() (*kernelLookup, error) {
	s, err := nl.Subscribe(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("route lookup: %w", err)
	}
	l := &kernelLookup{handle: &nl.SocketHandle{Socket: s}, names: map[int]string{}}
	links, err := net.Interfaces()
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("route lookup: %w", err)
	}
	for _, one := range links {
		l.names[one.Index] = one.Name
	}
	return l, nil
}

// LookUp implements [Network] with the kernel's own lookup, which knows policy routing.
func (System) LookUp(flows []Flow) ([]FlowRoute, error) {
	l, err := newKernelLookup()
	if err != nil {
		return nil, err
	}
	defer l.handle.Close()
	routes, err := allRoutes()
	if err != nil {
		return nil, err
	}
	for i := range routes {
		l.several = l.several || len(routes[i].MultiPath) > 0
	}
	list := make([]FlowRoute, len(flows))
	for i, f := range flows {
		list[i] = l.route(f)
	}
	return list, nil
}

// route looks up the way as connecting a socket does: first without a source address,
// then from the one that was chosen, because rules may choose by the source.
func (l *kernelLookup) route(f Flow) FlowRoute {
	first := l.lookup(f, netip.Addr{}, false)
	out := first
	if first.Err == nil && first.Source.IsValid() {
		if out = l.lookup(f, first.Source, false); out.Err == nil && !out.Source.IsValid() {
			out.Source = first.Source
		}
	}
	if out.Err == nil && l.several {
		if matched := l.lookup(f, out.Source, true); matched.Err == nil {
			out.Also = matched.Also
		}
	}
	return out
}

// lookup asks the kernel once. With match, it asks for the route itself with all its
// next hops, and not for the way of one packet.
func (l *kernelLookup) lookup(f Flow, from netip.Addr, match bool) FlowRoute {
	req := nl.NewNetlinkRequest(unix.RTM_GETROUTE, unix.NLM_F_REQUEST)
	req.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: l.handle}
	msg := &nl.RtMsg{}
	msg.Family, msg.Dst_len = unix.AF_INET, uint8(f.To.BitLen())
	if f.To.Is6() {
		msg.Family = unix.AF_INET6
	}
	msg.Flags = unix.RTM_F_LOOKUP_TABLE
	if match {
		msg.Flags |= unix.RTM_F_FIB_MATCH
	}
	msg.Tos = f.TOS
	req.AddData(msg)
	req.AddData(nl.NewRtAttr(unix.RTA_DST, f.To.AsSlice()))
	if from.IsValid() {
		msg.Src_len = uint8(from.BitLen())
		req.AddData(nl.NewRtAttr(unix.RTA_SRC, from.AsSlice()))
	}
	if n := map[string]byte{"udp": unix.IPPROTO_UDP, "tcp": unix.IPPROTO_TCP}[f.Protocol]; n != 0 {
		req.AddData(nl.NewRtAttr(rtaIPProto, []byte{n}))
		req.AddData(nl.NewRtAttr(rtaDport, binary.BigEndian.AppendUint16(nil, f.Port)))
		if f.SourcePort != 0 {
			req.AddData(nl.NewRtAttr(rtaSport, binary.BigEndian.AppendUint16(nil, f.SourcePort)))
		}
	}
	if f.Mark != 0 {
		req.AddData(nl.NewRtAttr(unix.RTA_MARK, binary.NativeEndian.AppendUint32(nil, f.Mark)))
	}
	answers, err := req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWROUTE)
	if err != nil {
		return FlowRoute{Err: err, Own: ownRoute(err)}
	}
	if len(answers) == 0 {
		return FlowRoute{Err: unix.ENETUNREACH}
	}
	return l.read(answers[0])
}

// ownRoute names the kind of route that makes the kernel refuse with err (ip-route(8),
// "type").
func ownRoute(err error) string {
	switch {
	case errors.Is(err, unix.EINVAL):
		return "blackhole"
	case errors.Is(err, unix.EACCES):
		return "prohibit"
	case errors.Is(err, unix.EHOSTUNREACH):
		return "unreachable"
	}
	return ""
}

var routeTypes = map[uint8]string{unix.RTN_BLACKHOLE: "blackhole", unix.RTN_PROHIBIT: "prohibit", unix.RTN_UNREACHABLE: "unreachable", unix.RTN_THROW: "throw"}

// read decodes the kernel's answer.
func (l *kernelLookup) read(b []byte) FlowRoute {
	msg := nl.DeserializeRtMsg(b)
	if own := routeTypes[msg.Type]; own != "" {
		return FlowRoute{Own: own, Err: fmt.Errorf("a route of type %s: %w", own, unix.ENETUNREACH)}
	}
	attrs, err := nl.ParseRouteAttr(b[msg.Len():])
	if err != nil {
		return FlowRoute{Err: fmt.Errorf("route lookup: %w", err)}
	}
	var out FlowRoute
	for _, a := range attrs {
		switch a.Attr.Type {
		case unix.RTA_OIF:
			if len(a.Value) >= 4 {
				out.Interface = l.name(int(binary.NativeEndian.Uint32(a.Value)))
			}
		case unix.RTA_PREFSRC:
			out.Source, _ = netip.AddrFromSlice(a.Value)
		case unix.RTA_GATEWAY:
			out.Gateway, _ = netip.AddrFromSlice(a.Value)
		case unix.RTA_MULTIPATH:
			out.Also = l.nextHops(a.Value)
		}
	}
	if out.Interface == "" && len(out.Also) == 0 {
		out.Err = errors.New("the kernel names no interface")
	}
	return out
}

func (l *kernelLookup) name(index int) string {
	if name := l.names[index]; name != "" {
		return name
	}
	return fmt.Sprintf("interface %d", index)
}

// nextHops are the interfaces of a route with several next hops.
func (l *kernelLookup) nextHops(b []byte) []string {
	var list []string
	for len(b) >= unix.SizeofRtNexthop {
		hop := nl.DeserializeRtNexthop(b)
		if int(hop.RtNexthop.Len) < unix.SizeofRtNexthop || int(hop.RtNexthop.Len) > len(b) {
			return list
		}
		list = append(list, l.name(int(hop.RtNexthop.Ifindex)))
		b = b[(int(hop.RtNexthop.Len)+3)&^3:]
	}
	return list
}

func allRoutes() ([]netlink.Route, error) {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("routing tables: %w", err)
	}
	defer h.Close()
	routes, err := h.RouteListFiltered(netlink.FAMILY_ALL, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE)
	if err != nil {
		return nil, fmt.Errorf("routing tables: %w", err)
	}
	return routes, nil
}

// Routing implements [Network]: the routes of all tables but that of local addresses,
// and the rules beside those that every machine has.
func (System) Routing() (Routing, error) {
	var out Routing
	names, err := newKernelLookup()
	if err != nil {
		return out, err
	}
	defer names.handle.Close()
	routes, err := allRoutes()
	if err != nil {
		return out, err
	}
	for _, r := range routes {
		if r.Table == unix.RT_TABLE_LOCAL {
			continue
		}
		to := prefixOf(r.Dst)
		if r.Dst == nil { // some versions return a default route so
			to = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
			if r.Family == netlink.FAMILY_V6 {
				to = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
			}
		}
		e := Route{To: to, Gateway: len(r.Gw) > 0 || len(r.MultiPath) > 0, Main: r.Table == unix.RT_TABLE_MAIN}
		if r.LinkIndex != 0 {
			e.Interface = names.name(r.LinkIndex)
		}
		if e.To.IsValid() {
			out.Routes = append(out.Routes, e)
		}
	}
	out.Rules, err = routingRules()
	return out, err
}

func routingRules() ([]RoutingRule, error) {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("routing rules: %w", err)
	}
	defer h.Close()
	var list []RoutingRule
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		rules, err := h.RuleList(family)
		if err != nil {
			return nil, fmt.Errorf("routing rules: %w", err)
		}
		for _, r := range rules {
			if one := ruleOf(r); one != (RoutingRule{Text: one.Text}) {
				one.IPv4 = family == netlink.FAMILY_V4
				list = append(list, one)
			}
		}
	}
	return list, nil
}

// ruleOf keeps what a rule chooses packets by. A rule that chooses nothing here keeps
// its text only.
func ruleOf(r netlink.Rule) RoutingRule {
	out := RoutingRule{Text: fmt.Sprintf("rule %d, table %d", r.Priority, r.Table), To: prefixOf(r.Dst), From: prefixOf(r.Src).IsValid(),
		Protocol: r.IPProto > 0, TOS: uint8(r.Tos)}
	if r.Dport != nil {
		out.Ports = [2]uint16{r.Dport.Start, r.Dport.End}
	}
	if r.Sport != nil {
		out.SourcePorts = [2]uint16{r.Sport.Start, r.Sport.End}
	}
	// Without a mask, every bit counts. A rule for all marks but one holds for
	// packets without a mark, which is how they are looked up.
	if r.Mark != 0 && !r.Invert {
		out.Mark = r.Mark
	}
	return out
}

func prefixOf(n *net.IPNet) netip.Prefix {
	if n == nil {
		return netip.Prefix{}
	}
	a, _ := netip.AddrFromSlice(n.IP)
	bits, size := n.Mask.Size()
	if size == 32 {
		a = a.Unmap()
	}
	return netip.PrefixFrom(a, bits)
}
