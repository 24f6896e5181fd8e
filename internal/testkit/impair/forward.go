package impair

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Forwarder passes datagrams between one client and a server, through real sockets.
// Answers go to the client that sent last.
type Forwarder struct {
	front, back *net.UDPConn
	mu          sync.Mutex
	client      netip.AddrPort
	done        sync.WaitGroup
}

// Forward listens on a free port of listen, an address of this machine, for datagrams
// to a server.
func Forward(listen netip.Addr, server netip.AddrPort, forward, backward *Path) (*Forwarder, error) {
	front, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(listen, 0)))
	if err != nil {
		return nil, fmt.Errorf("forwarding: %w: choose an address of this machine", err)
	}
	back, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(server))
	if err != nil {
		front.Close()
		return nil, fmt.Errorf("forwarding: %w: choose a server that has a route", err)
	}
	f := &Forwarder{front: front, back: back}
	f.done.Go(func() { f.there(forward) })
	f.done.Go(func() { f.here(backward) })
	return f, nil
}

// Addr is where the client sends to.
func (f *Forwarder) Addr() netip.AddrPort { return f.front.LocalAddr().(*net.UDPAddr).AddrPort() }

// Close ends the forwarding. What is delayed is lost.
func (f *Forwarder) Close() {
	f.front.Close()
	f.back.Close()
	f.done.Wait()
}

func (f *Forwarder) there(p *Path) {
	b := make([]byte, 65536)
	for {
		n, from, err := f.front.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		f.mu.Lock()
		f.client = from
		f.mu.Unlock()
		p.Carry(b[:n], func(data []byte) { f.back.Write(data) })
	}
}

func (f *Forwarder) here(p *Path) {
	b := make([]byte, 65536)
	for {
		n, err := f.back.Read(b)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue // an ICMP error of a datagram before
		}
		f.mu.Lock()
		to := f.client
		f.mu.Unlock()
		p.Carry(b[:n], func(data []byte) { f.front.WriteToUDPAddrPort(data, to) })
	}
}

// Carry calls send when the path delivers data: never, once or twice. It returns
// without waiting for delayed datagrams, of which send gets a copy. Without a delay,
// send gets data itself, and must not keep it.
func (p *Path) Carry(data []byte, send func([]byte)) {
	now := time.Now()
	for _, at := range p.pass(now, len(data)) {
		if !at.After(now) {
			send(data)
			continue
		}
		kept := append([]byte(nil), data...)
		time.AfterFunc(time.Until(at), func() { send(kept) })
	}
}
