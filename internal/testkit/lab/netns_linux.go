package lab

import (
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// keepNamespace calls f, which may move the calling thread into other network
// namespaces, and brings the thread back. A thread that cannot be brought back
// stays locked to its goroutine, so that Go discards it with the goroutine and
// no other code runs on it.
func keepNamespace(f func()) {
	runtime.LockOSThread()
	home, err := netns.Get()
	if err != nil {
		runtime.UnlockOSThread()
		panic(fmt.Errorf("lab: cannot open this thread's network namespace: %w", err))
	}
	defer home.Close()
	defer func() {
		if err := netns.Set(home); err != nil {
			panic(fmt.Errorf("lab: cannot return to the first network namespace: %w", err))
		}
		runtime.UnlockOSThread()
	}()
	f()
}

// newNamespace moves the calling thread, which must be locked, into a new
// namespace with h as its host. Sysctls are written before there is any link,
// because a link copies its settings from "default" when it is made.
func (h *Host) newNamespace(sysctls map[string]string) error {
	ns, err := netns.New()
	if err != nil {
		return fmt.Errorf("cannot make a network namespace: %w; run as root, in a container with CAP_SYS_ADMIN", err)
	}
	h.ns = ns
	for name, value := range sysctls {
		if err := writeSysctl(name, value); err != nil {
			return err
		}
	}
	h.nl, err = netlink.NewHandle(unix.NETLINK_ROUTE, unix.NETLINK_NETFILTER)
	if err != nil {
		return fmt.Errorf("%s: netlink: %w", h.name, err)
	}
	return h.up("lo")
}

// hostSysctls are what every host of a lab is set to: no duplicate address
// detection, so that addresses serve at once; no source validation, so that
// tests may use any source; no limit on the ICMP errors that rejects send.
func hostSysctls() map[string]string {
	s := map[string]string{
		"net.ipv4.icmp_ratemask": "0",
		"net.ipv6.icmp.ratemask": "128", // an informational type, which is never limited anyway
	}
	for _, which := range []string{"all", "default"} {
		s["net.ipv4.conf."+which+".rp_filter"] = "0"
		s["net.ipv4.conf."+which+".send_redirects"] = "0"
		s["net.ipv4.conf."+which+".accept_redirects"] = "0"
		s["net.ipv6.conf."+which+".disable_ipv6"] = "0"
		s["net.ipv6.conf."+which+".accept_dad"] = "0"
		s["net.ipv6.conf."+which+".dad_transmits"] = "0"
		s["net.ipv6.conf."+which+".accept_ra"] = "0"
		s["net.ipv6.conf."+which+".router_solicitations"] = "0"
	}
	return s
}

// routerSysctls are hostSysctls and forwarding of both families.
func routerSysctls() map[string]string {
	s := hostSysctls()
	s["net.ipv4.ip_forward"] = "1"
	s["net.ipv6.conf.all.forwarding"] = "1"
	s["net.ipv6.conf.default.forwarding"] = "1"
	return s
}

// writeSysctl sets a value in the namespace of the calling thread. Settings
// below net belong to the namespace of the thread that opens them.
func writeSysctl(name, value string) error {
	if err := os.WriteFile(sysctlPath(name), []byte(value), 0); err != nil {
		return fmt.Errorf("sysctl %s: %w", name, err)
	}
	return nil
}

func sysctlPath(name string) string {
	if !strings.Contains(name, "/") {
		name = strings.ReplaceAll(name, ".", "/")
	}
	return "/proc/sys/" + name
}
