package lab

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"sallyport/internal/testkit/need"
)

// A Lab is a client, a firewall and a server in a row; the package comment
// draws it. Router is nil without [FarRouter].
type Lab struct {
	Client, Firewall, Router, Server *Host
}

// New makes a lab that lives as long as tb. It needs root (see [need.Root])
// and fails tb when the kernel refuses.
func New(tb testing.TB, opts ...Option) *Lab {
	tb.Helper()
	need.Root(tb)
	cfg, err := newLabConfig(opts)
	if err != nil {
		tb.Fatalf("lab: %v", err)
	}
	l := &Lab{Client: newHost("client"), Firewall: newHost("firewall"), Server: newHost("server")}
	if cfg.router {
		l.Router = newHost("router")
	}
	tb.Cleanup(l.close)
	if err := l.build(cfg); err != nil {
		tb.Fatalf("lab: %v", err)
	}
	return l
}

func (l *Lab) close() {
	l.Client.close()
	l.Firewall.close()
	if l.Router != nil {
		l.Router.close()
	}
	l.Server.close()
}

func (l *Lab) build(cfg *labConfig) (err error) {
	serverSysctls := hostSysctls()
	// Programs may bind and send from every address that routes say is local.
	serverSysctls["net.ipv4.ip_nonlocal_bind"] = "1"
	serverSysctls["net.ipv6.ip_nonlocal_bind"] = "1"
	keepNamespace(func() {
		if err = l.Client.newNamespace(hostSysctls()); err != nil {
			return
		}
		if err = l.Firewall.newNamespace(routerSysctls()); err != nil {
			return
		}
		if l.Router != nil {
			if err = l.Router.newNamespace(routerSysctls()); err != nil {
				return
			}
		}
		err = l.Server.newNamespace(serverSysctls)
	})
	if err != nil {
		return err
	}
	if err := l.Firewall.veth(LanName, l.Client, "eth0", 1500); err != nil {
		return err
	}
	if err := l.gate().veth(WanName, l.Server, "eth0", cfg.farMTU); err != nil {
		return err
	}
	if err := l.buildInside(cfg.clients); err != nil {
		return err
	}
	if l.Router != nil {
		if err := l.buildMiddle(cfg); err != nil {
			return err
		}
	}
	pairs := [][2]netip.Prefix{{wanNear4, wanFar4}, {wanNear6, wanFar6}}
	if l.Router != nil {
		pairs = [][2]netip.Prefix{{farNear4, farFar4}, {farNear6, farFar6}}
	}
	for _, pair := range pairs {
		if err := l.buildOutside(pair[0], pair[1], cfg); err != nil {
			return err
		}
	}
	return errors.Join(l.Client.settle("eth0"), l.Firewall.settle(LanName), l.gate().settle(WanName), l.Server.settle("eth0"))
}

// gate is the last host before the server.
func (l *Lab) gate() *Host {
	if l.Router != nil {
		return l.Router
	}
	return l.Firewall
}

// buildInside gives addresses to the client's link and routes to the client.
func (l *Lab) buildInside(clients []netip.Prefix) error {
	routed := map[bool]bool{}
	for _, c := range clients {
		fw := firstOther(c)
		if err := l.Client.give("eth0", c); err != nil {
			return err
		}
		if err := l.Firewall.give(LanName, fw); err != nil {
			return err
		}
		if is4 := c.Addr().Is4(); !routed[is4] {
			routed[is4] = true
			if err := l.Client.addRoute(everything(c.Addr()), hop{"eth0", fw.Addr()}, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// buildOutside joins the last router and the server for one family. The server's table
// "local", which the kernel asks first, gets a default of its own: every
// address is this host's. The networks that are not have their routes in the
// same table, where the longer prefix wins.
func (l *Lab) buildOutside(near, far netip.Prefix, cfg *labConfig) error {
	if err := l.gate().give(WanName, near); err != nil {
		return err
	}
	if err := l.Server.give("eth0", far); err != nil {
		return err
	}
	if err := l.gate().addRoute(everything(near.Addr()), hop{WanName, far.Addr()}, nil); err != nil {
		return err
	}
	inLocal := func(r *netlink.Route) { r.Table = unix.RT_TABLE_LOCAL }
	onLink := []netip.Prefix{near.Masked()}
	if near.Addr().Is6() {
		onLink = append(onLink, netip.MustParsePrefix("fe80::/64"))
	}
	for _, p := range onLink {
		if err := l.Server.addRoute(p, hop{dev: "eth0"}, inLocal); err != nil {
			return err
		}
	}
	for _, c := range l.behind(cfg) {
		if c.Addr().Is4() != near.Addr().Is4() {
			continue
		}
		back := func(r *netlink.Route) {
			inLocal(r)
			if cfg.farMTU < 1500 {
				// Offer what a link of 1,500 would, less IP and TCP headers.
				r.AdvMSS = 1500 - 40
				if c.Addr().Is6() {
					r.AdvMSS = 1500 - 60
				}
			}
		}
		if err := l.Server.addRoute(c.Masked(), hop{"eth0", near.Addr()}, back); err != nil {
			return err
		}
	}
	return l.Server.addRoute(everything(near.Addr()), hop{dev: "lo"}, func(r *netlink.Route) {
		inLocal(r)
		r.Type = unix.RTN_LOCAL
		r.Scope = netlink.SCOPE_HOST
	})
}

// give adds an address and remembers it for [Host.Addrs].
func (h *Host) give(link string, p netip.Prefix) error {
	h.addrs = append(h.addrs, p)
	return h.addAddr(link, p)
}
