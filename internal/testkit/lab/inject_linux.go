package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"sallyport/internal/testkit/need"
)

// An Injector judges packets by the rules that are loaded in its one host; the
// package comment draws it. It is safe for concurrent use: calls wait for each
// other.
type Injector struct {
	host    *Host
	devices []*device // the TUN devices, then the loopback
	own     map[netip.Addr]bool
	raw     [2]int // sockets for Local packets, by family
	marker  int    // packet socket for markers

	mu      sync.Mutex
	nextID  uint32
	markers uint64
	losses  uint64 // of the loopback's packet socket, which forgets them when read
	buf     []byte
	wire    []byte
}

// NewInjector makes an injector that lives as long as tb. It needs root (see
// [need.Root]) and fails tb when the kernel refuses.
func NewInjector(tb testing.TB, opts ...InjectorOption) *Injector {
	tb.Helper()
	need.Root(tb)
	cfg, err := newInjectorConfig(opts)
	if err != nil {
		tb.Fatalf("lab: %v", err)
	}
	in := &Injector{
		host: newHost("firewall"), own: map[netip.Addr]bool{}, raw: [2]int{-1, -1}, marker: -1,
		nextID: 1, buf: make([]byte, 1<<16),
	}
	tb.Cleanup(in.close)
	if err := in.build(cfg); err != nil {
		tb.Fatalf("lab: %v", err)
	}
	return in
}

// Host is the firewall, into which a test loads its rules.
func (in *Injector) Host() *Host { return in.host }

func (in *Injector) close() {
	in.mu.Lock()
	defer in.mu.Unlock()
	fds := []int{in.raw[0], in.raw[1], in.marker}
	for _, d := range in.devices {
		fds = append(fds, d.fd)
	}
	in.devices, in.raw, in.marker = nil, [2]int{-1, -1}, -1
	// The kernel takes some 20 ms to let go of a device or a packet socket, and
	// no longer for all of them at once.
	var closing sync.WaitGroup
	for _, fd := range fds {
		if fd >= 0 {
			closing.Go(func() { unix.Close(fd) })
		}
	}
	closing.Wait()
	in.host.close()
}

func (in *Injector) build(cfg *injectorConfig) (err error) {
	sysctls := routerSysctls()
	sysctls["net.ipv6.conf.default.addr_gen_mode"] = "1" // no link-local addresses and their chatter
	keepNamespace(func() {
		if err = in.host.newNamespace(sysctls); err == nil {
			err = in.open(cfg)
		}
	})
	if err != nil {
		return err
	}
	for i, l := range cfg.links {
		d := in.devices[i]
		if err := d.setUp(in.host, l.mtu); err != nil {
			return err
		}
		for _, p := range l.addrs {
			if err := in.route(d, l, p); err != nil {
				return err
			}
		}
	}
	return in.host.settle()
}

// open opens devices and sockets in the namespace of the calling thread.
func (in *Injector) open(cfg *injectorConfig) error {
	for _, l := range cfg.links {
		d, err := openTUN(l.name)
		if err != nil {
			return err
		}
		d.wan = l.wan
		in.devices = append(in.devices, d)
	}
	lo, err := listenLoopback(in.host)
	if err != nil {
		return err
	}
	in.devices = append(in.devices, lo)
	const kind = unix.SOCK_RAW | unix.SOCK_CLOEXEC
	for i, domain := range []int{unix.AF_INET, unix.AF_INET6} {
		// Of IPPROTO_RAW, the sender writes the IP header itself.
		if in.raw[i], err = unix.Socket(domain, kind, unix.IPPROTO_RAW); err != nil {
			return fmt.Errorf("raw socket: %w", err)
		}
	}
	if in.marker, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
		return fmt.Errorf("packet socket: %w", err)
	}
	return nil
}

// route gives device d the address p, without its network, and routes the
// network to d by way of one neighbour. So no address of the network is a
// broadcast address, and the kernel remembers one neighbour instead of one for
// each destination, of which it keeps only 1,024.
func (in *Injector) route(d *device, l linkConfig, p netip.Prefix) error {
	single := netip.PrefixFrom(p.Addr(), p.Addr().BitLen())
	if err := in.host.give(l.name, single); err != nil {
		return err
	}
	in.own[p.Addr()] = true
	via, network := firstOther(p).Addr(), p.Masked()
	fam := family(p.Addr())
	if !d.source[fam].IsValid() {
		d.source[fam] = via
	}
	if l.wan {
		d.source[fam] = p.Addr() // of Local packets
		network = everything(p.Addr())
	}
	return in.host.addRoute(network, hop{l.name, via}, nil)
}

func (in *Injector) device(name string) *device {
	for _, d := range in.devices {
		if d.tun && d.name == name {
			return d
		}
	}
	return nil
}

// counters reads how many packets the kernel lost otherwise than by a rule:
// queues that were full, and connections that were not stored.
func (in *Injector) counters() (uint64, error) {
	lost, err := in.host.conntrackLosses()
	if err != nil {
		return 0, err
	}
	for _, d := range in.devices {
		if !d.tun {
			stats, err := unix.GetsockoptTpacketStats(d.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
			if err != nil {
				return 0, fmt.Errorf("statistics of %s: %w", d.name, err)
			}
			in.losses += uint64(stats.Drops)
			continue
		}
		link, err := in.host.nl.LinkByIndex(d.index)
		if err != nil {
			return 0, fmt.Errorf("statistics of %s: %w", d.name, err)
		}
		s := link.Attrs().Statistics
		if s == nil {
			return 0, fmt.Errorf("statistics of %s: the kernel gives none", d.name)
		}
		lost += lossesOf(s)
	}
	return lost + in.losses, nil
}

func lossesOf(s *netlink.LinkStatistics) uint64 {
	return s.TxDropped + s.RxDropped + s.TxErrors + s.RxErrors
}

// errLost marks a packet that could not even be sent, for a passing reason.
var errLost = errors.New("the kernel had no room for it")

// send gives p to the firewall. refusal is the verdict on a Local packet that
// the call itself refused, which an answer on a device makes more exact.
func (in *Injector) send(p *Packet, wire []byte) (refusal Verdict, err error) {
	if p.In != Local {
		var n int
		err = ignoreEINTR(func() error { n, err = unix.Write(in.device(p.In).fd, wire); return err })
		if err == nil && n != len(wire) {
			err = fmt.Errorf("%d of %d bytes written", n, len(wire))
		}
	} else {
		var to unix.Sockaddr = &unix.SockaddrInet6{Addr: p.Dst.As16()}
		if p.Dst.Is4() {
			to = &unix.SockaddrInet4{Addr: p.Dst.As4()}
		}
		err = ignoreEINTR(func() error { return unix.Sendto(in.raw[family(p.Dst)], wire, 0, to) })
		switch err {
		case unix.EPERM:
			return Dropped, nil
		case unix.EMSGSIZE:
			return TooBig, nil
		}
	}
	switch err {
	case nil:
		return Undecided, nil
	case unix.ENOBUFS, unix.ENOMEM, unix.EAGAIN:
		return Undecided, errLost
	}
	return Undecided, fmt.Errorf("sending a packet (%v): %w", p, err)
}
