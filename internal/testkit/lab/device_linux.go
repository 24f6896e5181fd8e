package lab

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"sallyport/internal/testkit/await"
)

// A device is a link of an injector's host whose output the test reads: a TUN
// device, or the loopback by a packet socket that listens to it.
type device struct {
	name   string
	index  int
	fd     int
	tun    bool
	wan    bool
	source [2]netip.Addr // by family (see family): what a packet that enters here is sent from
}

func family(a netip.Addr) int {
	if a.Is4() {
		return 0
	}
	return 1
}

// queueLen is how many packets wait in a TUN device to be read. It is many
// times a group, so that even rules that duplicate packets do not overrun it.
const queueLen = 4096

// openTUN makes a TUN device in the namespace of the calling thread.
func openTUN(name string) (*device, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("/dev/net/tun: %w; is the kernel's tun module there?", err)
	}
	ifr, err := unix.NewIfreq(name)
	if err == nil {
		ifr.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr)
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("TUN device %s: %w", name, err)
	}
	return &device{name: name, fd: fd, tun: true}, nil
}

// setUp sizes the device's queue, takes its queueing discipline away, so that
// a packet is in the queue as soon as it was sent, and sets it up.
func (d *device) setUp(h *Host, mtu int) error {
	link, err := h.nl.LinkByName(d.name)
	if err != nil {
		return fmt.Errorf("%s: link %s: %w", h.name, d.name, err)
	}
	d.index = link.Attrs().Index
	if err := h.nl.LinkSetTxQLen(link, queueLen); err != nil {
		return fmt.Errorf("%s: queue length of %s: %w", h.name, d.name, err)
	}
	if err := h.nl.LinkSetMTU(link, mtu); err != nil {
		return fmt.Errorf("%s: MTU %d of %s: %w", h.name, mtu, d.name, err)
	}
	if err := h.up(d.name); err != nil {
		return err
	}
	none := &netlink.GenericQdisc{QdiscType: "noqueue",
		QdiscAttrs: netlink.QdiscAttrs{LinkIndex: d.index, Parent: netlink.HANDLE_ROOT}}
	if err := h.nl.QdiscReplace(none); err != nil {
		return fmt.Errorf("%s: no queueing on %s: %w", h.name, d.name, err)
	}
	return nil
}

// listenLoopback opens the loopback of the calling thread's namespace for
// reading. What a local sender is answered goes out there.
func listenLoopback(h *Host) (*device, error) {
	link, err := h.nl.LinkByName("lo")
	if err != nil {
		return nil, fmt.Errorf("%s: link lo: %w", h.name, err)
	}
	d := &device{name: "lo", index: link.Attrs().Index}
	d.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("packet socket: %w", err)
	}
	all := &unix.SockaddrLinklayer{Protocol: networkOrder(unix.ETH_P_ALL), Ifindex: d.index}
	err = unix.SetsockoptInt(d.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20)
	if err == nil {
		err = unix.Bind(d.fd, all)
	}
	if err != nil {
		unix.Close(d.fd)
		return nil, fmt.Errorf("packet socket on lo: %w", err)
	}
	return d, nil
}

// networkOrder turns a number of 16 bits into the byte order of the network.
func networkOrder(n uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, n))
}

// markerMagic begins a marker. Its first byte is no version of IP.
var markerMagic = []byte("\xf0sallyport lab marker ")

// markerProtocol is an EtherType for local experiments (IEEE 802).
const markerProtocol = 0x88b5

// mark queues a marker on the device, behind everything that was sent there.
// Packet sockets go past all IP rules.
func (d *device) mark(socket int, n uint64) error {
	b := binary.BigEndian.AppendUint64(append([]byte(nil), markerMagic...), n)
	to := &unix.SockaddrLinklayer{Protocol: networkOrder(markerProtocol), Ifindex: d.index}
	return ignoreEINTR(func() error { return unix.Sendto(socket, b, 0, to) })
}

// readAll queues marker n and reads what came out of the device before it. It
// gives each packet to see; the bytes are valid only during that call.
func (d *device) readAll(socket int, n uint64, buf []byte, see func([]byte) error) error {
	for range 100 {
		err := d.mark(socket, n)
		if err == nil {
			return d.readTo(n, buf, see)
		}
		if err != unix.ENOBUFS {
			return fmt.Errorf("marker on %s: %w", d.name, err)
		}
		// The queue is full, which the counters of losses tell too. Make room.
		if err := d.readSome(buf, see); err != nil {
			return err
		}
	}
	return fmt.Errorf("no room for a marker on %s: its queue is always full", d.name)
}

// readSome reads what is in the queue now.
func (d *device) readSome(buf []byte, see func([]byte) error) error {
	for {
		b, err := d.read(buf)
		if err == unix.EAGAIN {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", d.name, err)
		}
		if err := see(b); err != nil {
			return err
		}
	}
}

// readTo reads up to marker n.
func (d *device) readTo(n uint64, buf []byte, see func([]byte) error) error {
	for {
		b, err := d.read(buf)
		if err == unix.EAGAIN {
			err = d.wait()
			if err == nil {
				continue
			}
		}
		if err != nil {
			return fmt.Errorf("reading %s up to its marker: %w", d.name, err)
		}
		rest, isMarker := bytes.CutPrefix(b, markerMagic)
		switch {
		case !isMarker:
			if err := see(b); err != nil {
				return err
			}
		case len(rest) >= 8 && binary.BigEndian.Uint64(rest) == n:
			return nil
		}
	}
}

// read returns one packet, or nothing for one that is only on its way in.
func (d *device) read(buf []byte) (b []byte, err error) {
	var n int
	if d.tun {
		err = ignoreEINTR(func() error { n, err = unix.Read(d.fd, buf); return err })
		return buf[:max(0, n)], err
	}
	var from unix.Sockaddr
	err = ignoreEINTR(func() error { n, from, err = unix.Recvfrom(d.fd, buf, 0); return err })
	if err != nil {
		return nil, err
	}
	if ll, ok := from.(*unix.SockaddrLinklayer); !ok || ll.Pkttype != unix.PACKET_OUTGOING {
		return nil, nil
	}
	return buf[:n], nil
}

// wait waits for what can be read. The marker was queued before, so it does not come
// only where a kernel works otherwise.
func (d *device) wait() error {
	deadline := await.Deadline()
	for {
		left := time.Until(deadline)
		if left <= 0 {
			return errors.New("the marker did not come out: do rules reach below IP?")
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(d.fd), Events: unix.POLLIN}}, int(left.Milliseconds())+1)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return err
		case n > 0:
			return nil
		}
	}
}

func ignoreEINTR(f func() error) error {
	for {
		if err := f(); err != unix.EINTR {
			return err
		}
	}
}
