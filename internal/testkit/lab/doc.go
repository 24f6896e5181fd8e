// Package lab makes small closed networks in which tests load rendered output
// into real programs. It is for tests only, and for Linux and root only; on
// other systems everything compiles and each constructor skips its test.
//
// # Three hosts
//
// [New] makes three hosts, each a network namespace of its own:
//
//	Client                    Firewall                       Server
//	10.20.0.2/16              10.20.0.1     198.18.0.1       198.18.0.2
//	fd20::2/64                fd20::1       fd21::1          fd21::2
//	+----------+          +------------------------+       +----------------+
//	|     eth0 |----------| lan0   forwards   wan0 |-------| eth0   lo      |
//	+----------+   veth   +------------------------+ veth  +----------------+
//	default: Firewall         default: Server        every other address of
//	                                                 both families is local
//
// The server takes every address in the world for its own, so a client can
// talk to 20.202.0.1 and to 2603:1063::1, and each boundary of a prefix can be
// probed for real. [Host.AnswerUDP] and [Host.AnswerTCP] start services there
// that say at which address they were asked. The firewall forwards, without
// NAT and without any rule: a test loads its own with [Host.Exec].
//
// [FarRouter] puts one more router before the server, for tests of how far packets get:
// the firewall is hop 1, the router hop 2. Its link to the firewall may be one that
// loses, delays and reorders packets as the test says. [Host.Tunnel] joins two hosts
// by such a link besides, as a VPN does.
//
// There is no way out. A new namespace has no link but its own loopback, and
// the lab adds only links between its own hosts.
//
// # Fast verdicts
//
// A dropped connection shows only by a time-out, which is too slow to judge
// thousands of addresses. [NewInjector] makes one host, the firewall, whose
// links are TUN devices held by the test:
//
//	             +------------------------------------+
//	injected --> | lan0 -> prerouting, forward,       |
//	             |         postrouting        -> wan0 | --> read back
//	answers  <-- | lan0 <- ICMP errors, resets        |
//	             +------------------------------------+
//
// The kernel carries a packet from a write to lan0 through every hook before
// the write returns; then the packet, or the answer of a reject rule, is in
// the queue of a device, or it was dropped. So nothing waits for a time-out.
// After each group of packets a marker is queued behind them on every device,
// past all rules; the device is read up to its marker. A packet that was not
// read by then was dropped in the kernel, and the kernel's own counters say
// that it was not lost in a full queue or a full connection table. A loss of
// that kind is tried again and at last an error of [Injector.Decide], never a
// verdict.
//
// # Life
//
// The hosts have no names: they live as long as the file descriptors that this
// process holds, which tb.Cleanup closes. Nothing is left behind even when the
// process is killed. Labs are independent of each other and can be used in
// parallel tests.
package lab
