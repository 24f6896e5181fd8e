package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
)

// Tunnel joins two hosts by TUN devices whose packets this process carries, until the
// test ends: there is what happens to those that h sends, back to those of peer. The
// devices are up and have no address. To the hosts they look like those of a VPN.
func (h *Host) Tunnel(name string, peer *Host, peerName string, there, back Carrier) error {
	near, err := h.openTunnel(name)
	if err != nil {
		return err
	}
	far, err := peer.openTunnel(peerName)
	if err != nil {
		near.Close()
		return err
	}
	var running sync.WaitGroup
	running.Go(func() { carry(near, far, there) })
	running.Go(func() { carry(far, near, back) })
	h.atClose(func() {
		near.Close()
		far.Close()
		running.Wait()
	})
	return nil
}

func (h *Host) openTunnel(name string) (*os.File, error) {
	var d *device
	var err error
	h.Do(func() { d, err = openTUN(name) })
	if err != nil {
		return nil, fmt.Errorf("%s: %w", h.name, err)
	}
	f := os.NewFile(uintptr(d.fd), name) // which waits without a thread, as the device does not block
	if err := h.up(name); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// carry passes packets on until the devices are closed.
func carry(from, to *os.File, through Carrier) {
	// A packet that the other end does not take is lost, as on any link.
	send := func(packet []byte) { _, _ = to.Write(packet) }
	if through == nil {
		through = func(packet []byte, send func([]byte)) { send(packet) }
	}
	buf := make([]byte, 1<<16)
	for {
		n, err := from.Read(buf)
		if errors.Is(err, os.ErrClosed) {
			return
		}
		if err != nil {
			continue // the device was down for a moment
		}
		through(buf[:n], send)
	}
}

// buildMiddle joins firewall and router.
func (l *Lab) buildMiddle(cfg *labConfig) error {
	if cfg.there != nil || cfg.back != nil {
		if err := l.Firewall.Tunnel(WanName, l.Router, LanName, cfg.there, cfg.back); err != nil {
			return err
		}
	} else if err := l.Firewall.veth(WanName, l.Router, LanName, 1500); err != nil {
		return err
	}
	for _, pair := range [][2]netip.Prefix{{wanNear4, wanFar4}, {wanNear6, wanFar6}} {
		near, far := pair[0], pair[1]
		if err := l.Firewall.give(WanName, near); err != nil {
			return err
		}
		if err := l.Router.give(LanName, far); err != nil {
			return err
		}
		if err := l.Firewall.addRoute(everything(near.Addr()), hop{WanName, far.Addr()}, nil); err != nil {
			return err
		}
		for _, c := range cfg.clients {
			if c.Addr().Is4() != near.Addr().Is4() {
				continue
			}
			if err := l.Router.addRoute(c.Masked(), hop{LanName, near.Addr()}, nil); err != nil {
				return err
			}
		}
	}
	if cfg.there == nil && cfg.back == nil { // a TUN device has no state to wait for
		return errors.Join(l.Firewall.settle(WanName), l.Router.settle(LanName))
	}
	return errors.Join(l.Firewall.settle(), l.Router.settle())
}

// behind are the networks that the server reaches by way of the last router.
func (l *Lab) behind(cfg *labConfig) []netip.Prefix {
	list := append([]netip.Prefix(nil), cfg.clients...)
	if l.Router != nil {
		list = append(list, wanNear4, wanNear6)
	}
	return list
}
