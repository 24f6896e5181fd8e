//go:build !linux

package lab

import (
	"errors"
	"net"
	"net/netip"
	"os/exec"
	"testing"

	"sallyport/internal/testkit/need"
)

// Everything here has its meaning, and its documentation, in the files for
// Linux. A test comes no further than a constructor, which skips it.

var errLinuxOnly = errors.New("lab: network namespaces are a feature of Linux")

// A Lab needs Linux.
type Lab struct{ Client, Firewall, Router, Server *Host }

// New skips the test.
func New(tb testing.TB, opts ...Option) *Lab {
	tb.Helper()
	need.Root(tb)
	if _, err := newLabConfig(opts); err != nil {
		tb.Fatalf("lab: %v", err)
	}
	tb.Fatal(errLinuxOnly)
	return nil
}

// A Host needs Linux.
type Host struct{}

// Name needs Linux.
func (h *Host) Name() string { return "" }

// Addrs needs Linux.
func (h *Host) Addrs() []netip.Prefix { return nil }

// Do needs Linux; it does not call f.
func (h *Host) Do(f func()) {}

// Run needs Linux.
func (h *Host) Run(name string, args ...string) (string, error) { return "", errLinuxOnly }

// Exec needs Linux.
func (h *Host) Exec(stdin, name string, args ...string) (string, error) { return "", errLinuxOnly }

// MustRun needs Linux.
func (h *Host) MustRun(tb testing.TB, name string, args ...string) string {
	tb.Helper()
	tb.Fatal(errLinuxOnly)
	return ""
}

// Settle needs Linux.
func (h *Host) Settle(tb testing.TB, links ...string) {
	tb.Helper()
	tb.Fatal(errLinuxOnly)
}

// MustExec needs Linux.
func (h *Host) MustExec(tb testing.TB, stdin, name string, args ...string) string {
	tb.Helper()
	tb.Fatal(errLinuxOnly)
	return ""
}

// Start needs Linux.
func (h *Host) Start(cmd *exec.Cmd) (stop func(), err error) { return nil, errLinuxOnly }

// Dial needs Linux.
func (h *Host) Dial(d *net.Dialer, network, address string) (conn net.Conn, err error) {
	return nil, errLinuxOnly
}

// Listen needs Linux.
func (h *Host) Listen(network, address string) (l net.Listener, err error) {
	return nil, errLinuxOnly
}

// ListenPacket needs Linux.
func (h *Host) ListenPacket(network, address string) (c net.PacketConn, err error) {
	return nil, errLinuxOnly
}

// Sysctl needs Linux.
func (h *Host) Sysctl(name, value string) (err error) { return errLinuxOnly }

// ReadSysctl needs Linux.
func (h *Host) ReadSysctl(name string) (value string, err error) { return "", errLinuxOnly }

// AnswerUDP needs Linux.
func (h *Host) AnswerUDP(ports ...uint16) error { return errLinuxOnly }

// AnswerTCP needs Linux.
func (h *Host) AnswerTCP(ports ...uint16) error { return errLinuxOnly }

// Tunnel needs Linux.
func (h *Host) Tunnel(name string, peer *Host, peerName string, there, back Carrier) error {
	return errLinuxOnly
}

// FlushNeighbours needs Linux.
func (h *Host) FlushNeighbours() error { return errLinuxOnly }

// FlushConntrack needs Linux.
func (h *Host) FlushConntrack() error { return errLinuxOnly }

// An Injector needs Linux.
type Injector struct{}

// NewInjector skips the test.
func NewInjector(tb testing.TB, opts ...InjectorOption) *Injector {
	tb.Helper()
	need.Root(tb)
	if _, err := newInjectorConfig(opts); err != nil {
		tb.Fatalf("lab: %v", err)
	}
	tb.Fatal(errLinuxOnly)
	return nil
}

// Host needs Linux.
func (in *Injector) Host() *Host { return nil }

// Decide needs Linux.
func (in *Injector) Decide(packets []Packet) ([]Outcome, error) { return nil, errLinuxOnly }

// Continue needs Linux.
func (in *Injector) Continue(packets []Packet) ([]Outcome, error) { return nil, errLinuxOnly }
