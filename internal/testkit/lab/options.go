package lab

import (
	"fmt"
	"net/netip"
)

// Names of the firewall's links unless options say otherwise.
const (
	LanName = "lan0"
	WanName = "wan0"
)

// The link between firewall and server, and the firewall's far side in an
// injector. 198.18.0.0/15 is for benchmarks of network devices (RFC 2544), so
// it is in no feed.
var (
	wanNear4 = netip.MustParsePrefix("198.18.0.1/30")
	wanFar4  = netip.MustParsePrefix("198.18.0.2/30")
	wanNear6 = netip.MustParsePrefix("fd21::1/64")
	wanFar6  = netip.MustParsePrefix("fd21::2/64")

	// With [FarRouter] that is the link between firewall and router, and this the one
	// between router and server.
	farNear4 = netip.MustParsePrefix("198.18.0.5/30")
	farFar4  = netip.MustParsePrefix("198.18.0.6/30")
	farNear6 = netip.MustParsePrefix("fd22::1/64")
	farFar6  = netip.MustParsePrefix("fd22::2/64")
)

type labConfig struct {
	clients     []netip.Prefix
	farMTU      int
	router      bool
	there, back Carrier // over the link between firewall and router; both nil: a plain link
}

// A Carrier takes each packet of a link on its way in one direction and calls send
// with what comes out at the other end: the packet, at once or later, twice, or not at
// all. It is called for one packet after the other, and the packet is only its own
// during the call. send may be called at any time, by any goroutine. The nil Carrier
// sends everything at once.
type Carrier func(packet []byte, send func(packet []byte))

// An Option changes what [New] builds.
type Option func(*labConfig) error

// ClientNet gives the client an address with the length of its network, such
// as "10.20.0.2/16". The firewall takes the first other address of that
// network. It may be repeated; the first of each family is the client's
// gateway network and its preferred source. Without it the client has
// 10.20.0.2/16 and fd20::2/64.
func ClientNet(prefix string) Option {
	return func(c *labConfig) error {
		p, err := netip.ParsePrefix(prefix)
		if err != nil {
			return fmt.Errorf("client network: %w", err)
		}
		if !hasRoom(p) {
			return fmt.Errorf("client network %s has no room for the firewall: use a shorter prefix", p)
		}
		c.clients = append(c.clients, p)
		return nil
	}
}

// FarMTU makes the link between firewall and server carry packets of at most n
// bytes, while the client's link keeps 1,500. The server still offers the
// segment size of an ordinary link, so a client learns of the limit only from
// the firewall's ICMP "packet too big". IPv6 needs n of at least 1,280.
func FarMTU(n int) Option {
	return func(c *labConfig) error {
		if n < 1280 || n > 1500 {
			return fmt.Errorf("far MTU %d: use 1280 to 1500", n)
		}
		c.farMTU = n
		return nil
	}
}

// FarRouter puts a router between firewall and server, so that packets to the server
// take three hops: firewall, router, server. It is [Lab.Router]; it has no rules.
// With carriers, the link between firewall and router loses, delays or reorders what
// they make it: there is the direction to the server.
func FarRouter(there, back Carrier) Option {
	return func(c *labConfig) error {
		c.router, c.there, c.back = true, there, back
		return nil
	}
}

func newLabConfig(opts []Option) (*labConfig, error) {
	c := &labConfig{farMTU: 1500}
	for _, opt := range opts {
		if err := opt(c); err != nil {
			return nil, err
		}
	}
	if len(c.clients) == 0 {
		c.clients = []netip.Prefix{netip.MustParsePrefix("10.20.0.2/16"), netip.MustParsePrefix("fd20::2/64")}
	}
	return c, nil
}

// hasRoom says whether p's network holds two hosts besides its own number.
func hasRoom(p netip.Prefix) bool { return p.Bits() <= p.Addr().BitLen()-2 }

// firstOther returns the first address of p's network that is not p's own and
// not the network's number: the firewall's, where p is the client's.
func firstOther(p netip.Prefix) netip.Prefix {
	a := p.Masked().Addr().Next()
	if a == p.Addr() {
		a = a.Next()
	}
	return netip.PrefixFrom(a, p.Bits())
}

type linkConfig struct {
	name  string
	addrs []netip.Prefix // the firewall's address and the network behind the link
	mtu   int
	wan   bool
}

type injectorConfig struct {
	links []linkConfig
}

// An InjectorOption changes what [NewInjector] builds.
type InjectorOption func(*injectorConfig) error

// Lan adds a device on the inner side. Each prefix is the firewall's address
// there with the length of the network behind it, such as "10.20.0.1/16".
// Without any Lan there is one: "lan0" with 10.20.0.1/16 and fd20::1/64.
func Lan(name string, prefixes ...string) InjectorOption {
	return func(c *injectorConfig) error {
		if len(prefixes) == 0 {
			return fmt.Errorf("device %s: name at least one network behind it", name)
		}
		l := linkConfig{name: name, mtu: 1500}
		for _, s := range prefixes {
			p, err := netip.ParsePrefix(s)
			if err != nil {
				return fmt.Errorf("device %s: %w", name, err)
			}
			if !hasRoom(p) {
				return fmt.Errorf("device %s: network %s has no room for others than the firewall: use a shorter prefix", name, p)
			}
			l.addrs = append(l.addrs, p)
		}
		c.links = append(c.links, l)
		return nil
	}
}

// Wan names the device on the outer side, to which the default routes of both
// families point, and its MTU in bytes (0: 1,500). Without it the device is
// "wan0".
func Wan(name string, mtu int) InjectorOption {
	return func(c *injectorConfig) error {
		if mtu == 0 {
			mtu = 1500
		}
		if mtu < 1280 || mtu > 1500 {
			return fmt.Errorf("device %s: MTU %d: use 1280 to 1500", name, mtu)
		}
		c.links = append(c.links, wanLink(name, mtu))
		return nil
	}
}

func wanLink(name string, mtu int) linkConfig {
	return linkConfig{name: name, addrs: []netip.Prefix{wanNear4, wanNear6}, mtu: mtu, wan: true}
}

func newInjectorConfig(opts []InjectorOption) (*injectorConfig, error) {
	c := &injectorConfig{}
	for _, opt := range opts {
		if err := opt(c); err != nil {
			return nil, err
		}
	}
	var lans, wans int
	for _, l := range c.links {
		if l.wan {
			wans++
		} else {
			lans++
		}
	}
	if lans == 0 {
		if err := Lan(LanName, "10.20.0.1/16", "fd20::1/64")(c); err != nil {
			return nil, err
		}
	}
	if wans == 0 {
		c.links = append(c.links, wanLink(WanName, 1500))
	}
	if wans > 1 {
		return nil, fmt.Errorf("%d outer devices: name one", wans)
	}
	seen := map[string]bool{Local: true, "lo": true}
	for _, l := range c.links {
		if l.name == "" || len(l.name) > 15 || seen[l.name] {
			return nil, fmt.Errorf("device name %q: use a name of its own with 1 to 15 characters", l.name)
		}
		seen[l.name] = true
	}
	return c, nil
}
