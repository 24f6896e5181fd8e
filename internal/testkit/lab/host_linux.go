package lab

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"sallyport/internal/testkit/await"
)

// endTimeout is how long a program that was told to end, or whose output is read to its
// end after it ended, may take. It is for those that hang.
const endTimeout = time.Minute

// A Host is one network namespace. Its methods are safe for concurrent use.
type Host struct {
	name  string
	ns    netns.NsHandle
	nl    *netlink.Handle
	addrs []netip.Prefix

	mu    sync.Mutex
	stops []func() // run backwards by close
}

func newHost(name string) *Host { return &Host{name: name, ns: netns.None()} }

// Name is "client", "firewall" or "server".
func (h *Host) Name() string { return h.name }

// Addrs returns the addresses that the lab gave to the host's links, each with
// the length of its network.
func (h *Host) Addrs() []netip.Prefix { return append([]netip.Prefix(nil), h.addrs...) }

// Do calls f on the calling goroutine with its thread in the host's namespace.
// Sockets that f makes, programs that it starts and files that it opens below
// /proc/sys/net and /proc/thread-self/net are the host's; a socket stays so
// afterwards. Goroutines that f starts run outside. f may end the test.
func (h *Host) Do(f func()) {
	keepNamespace(func() {
		if err := netns.Set(h.ns); err != nil {
			panic(fmt.Errorf("lab: cannot enter host %s: %w; a lab is closed when its test ends", h.name, err))
		}
		f()
	})
}

// Run runs an external program in the host and returns its standard output.
// The error of a program that fails holds its command line and what it wrote
// to standard error. A program that hangs is killed in the end.
func (h *Host) Run(name string, args ...string) (string, error) { return h.Exec("", name, args...) }

// Exec is [Host.Run] with text for the program's standard input.
func (h *Host) Exec(stdin, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), await.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.WaitDelay = endTimeout
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	var err error
	h.Do(func() { err = cmd.Start() })
	if err == nil {
		err = cmd.Wait()
	}
	if ctx.Err() != nil {
		err = fmt.Errorf("no end after %v", await.Patience)
	}
	if err != nil {
		return stdout.String(), fmt.Errorf("%s: %s: %w: %s", h.name, strings.Join(cmd.Args, " "), err,
			strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

// MustRun is [Host.Run] that fails the test on an error.
func (h *Host) MustRun(tb testing.TB, name string, args ...string) string {
	tb.Helper()
	return h.MustExec(tb, "", name, args...)
}

// MustExec is [Host.Exec] that fails the test on an error.
func (h *Host) MustExec(tb testing.TB, stdin, name string, args ...string) string {
	tb.Helper()
	out, err := h.Exec(stdin, name, args...)
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

// Start starts cmd in the host and leaves it running. stop asks it to end
// (SIGTERM), kills it if it does not, and waits for it; it may be called
// more than once, and the end of the test calls it too. Callers must not call
// cmd.Wait.
func (h *Host) Start(cmd *exec.Cmd) (stop func(), err error) {
	if cmd.WaitDelay == 0 {
		cmd.WaitDelay = endTimeout
	}
	h.Do(func() { err = cmd.Start() })
	if err != nil {
		return nil, fmt.Errorf("%s: %w", h.name, err)
	}
	var once sync.Once
	stop = func() {
		once.Do(func() {
			_ = cmd.Process.Signal(syscall.SIGTERM)
			kill := time.AfterFunc(endTimeout, func() { _ = cmd.Process.Kill() })
			defer kill.Stop()
			_ = cmd.Wait() // it was told to end: how it ends says nothing
		})
	}
	h.atClose(stop)
	return stop, nil
}

// Dial connects from the host to address, which must be numbers: a lab has no
// name service. d may be nil for one that ends only what hangs; its Control and
// LocalAddr serve for socket options and source ports.
func (h *Host) Dial(d *net.Dialer, network, address string) (conn net.Conn, err error) {
	if _, err := netip.ParseAddrPort(address); err != nil {
		return nil, fmt.Errorf("dial from %s: %w; give an address and a port", h.name, err)
	}
	if d == nil {
		d = &net.Dialer{Timeout: await.Patience}
	}
	h.Do(func() { conn, err = d.Dial(network, address) })
	return conn, err
}

// Listen is net.Listen in the host. The caller closes the listener.
func (h *Host) Listen(network, address string) (l net.Listener, err error) {
	h.Do(func() { l, err = net.Listen(network, address) })
	return l, err
}

// ListenPacket is net.ListenPacket in the host. The caller closes the socket.
func (h *Host) ListenPacket(network, address string) (c net.PacketConn, err error) {
	h.Do(func() { c, err = net.ListenPacket(network, address) })
	return c, err
}

// Sysctl sets a kernel setting of the host, such as
// "net.netfilter.nf_conntrack_udp_timeout". Where a part of the name itself
// holds a dot, write the whole name with slashes.
func (h *Host) Sysctl(name, value string) (err error) {
	if !strings.HasPrefix(name, "net.") && !strings.HasPrefix(name, "net/") {
		return fmt.Errorf("sysctl %s belongs to the whole machine: only those below net are a host's own", name)
	}
	h.Do(func() { err = writeSysctl(name, value) })
	return err
}

// ReadSysctl returns a kernel setting of the host without its newline.
func (h *Host) ReadSysctl(name string) (value string, err error) {
	h.Do(func() {
		var b []byte
		b, err = os.ReadFile(sysctlPath(name))
		value = strings.TrimSpace(string(b))
	})
	return value, err
}

func (h *Host) atClose(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stops = append(h.stops, f)
}

// close ends what runs in the host and gives up the namespace, which the
// kernel then removes with its links.
func (h *Host) close() {
	h.mu.Lock()
	stops := h.stops
	h.stops = nil
	h.mu.Unlock()
	for i := len(stops) - 1; i >= 0; i-- {
		stops[i]()
	}
	if h.nl != nil {
		h.nl.Close()
	}
	if h.ns.IsOpen() {
		h.ns.Close()
	}
}
