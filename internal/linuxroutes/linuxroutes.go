// Package linuxroutes writes and reads ip -batch files: routes of one family to a
// list of addresses, all of one next hop, that carry a protocol number of their own.
//
// The number is how routes are known as ours: what another program or person made
// is neither replaced nor flushed. A file is loaded any number of times, and the
// next one over it, and the result is that of the last file alone:
//
//	route replace FIRST ... proto N+1    tries the next hop before anything goes
//	route flush ... proto N              the routes of an earlier file
//	route replace P ... proto N          every route, each on a line
//	route flush ... proto N+1            what a load that was cut short left
//
// By itself a file leaves a gap between flush and replace. Load gives
// a command without one: it first puts every route in place under N+1, so that the
// flush takes only those that the new list has not.
//
// Routes have a metric of their own, too: replace looks at prefix and metric (and
// table) only, and would otherwise take a route of the admin's for the same prefix.
//
// Quirks, iproute2 6.1 (Debian 12): a batch holds one family, because -4 and -6 are
// options of ip and not of its commands; a batch stops at the first mistake; "route
// flush" of a table that has had no route of the family fails, which is why a route
// comes first.
//
// Every route names its device. Without it the kernel looks for the gateway in the
// routes that it has, and under "0.0.0.0/1 dev tun0" every address is on the link of
// the tunnel: a list by way of last week's gateway would load, and go into the VPN
// (Linux 6.18, 2026-11). With the device it is refused.
package linuxroutes

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"sallyport/ipranges"
)

// Defaults that collide with nothing: numbers of protocols that rt_protos
// (iproute2) does not assign, and a metric that no network manager gives.
const (
	DefaultProtocol = 213
	DefaultMetric   = 13
)

// Routes is what all routes of a file have in common. The zero value is not
// valid: use Check.
type Routes struct {
	Table    string     // a name or a number; "main" is where routes usually are
	Protocol int        // our number; the next higher one is ours, too
	Metric   int        // of every route
	Gateway  netip.Addr // the next hop; the zero Addr: the device alone
	Device   string     // the link that the routes leave by
}

// assigned are the protocol numbers that programs are known by (iproute2,
// /etc/iproute2/rt_protos; 0 to 4 are the kernel's and the admin's own).
var assigned = map[int]string{8: "gated", 9: "ra", 10: "mrt", 11: "zebra", 12: "bird", 13: "dnrouted", 14: "xorp",
	15: "ntk", 16: "dhcp", 18: "keepalived", 42: "babel", 84: "ovn", 99: "openr", 186: "bgp", 187: "isis", 188: "ospf", 189: "rip", 192: "eigrp",
	// FRR, lib/zebra's rtnetlink numbers.
	191: "nhrp", 193: "ldp", 194: "sharp", 195: "pbr", 196: "static routes", 197: "openfabric", 198: "srte"}

// A Mistake is a field of Routes that cannot be.
type Mistake struct{ Field, Cause, Fix string }

func (m *Mistake) Error() string { return m.Field + ": " + m.Cause }

// Check returns what is wrong with r for routes of family f, or nil.
func (r Routes) Check(f ipranges.Family) *Mistake {
	own := "use a number from 5 to 254 that no other program and no other target on the machine has, nor the one after it"
	switch {
	case !isTable(r.Table):
		return &Mistake{"table", fmt.Sprintf("%q is no routing table", r.Table), `write "main", a name from /etc/iproute2/rt_tables, or a number`}
	case r.Protocol < 5 || r.Protocol > 254:
		return &Mistake{"protocol", fmt.Sprintf("%d is no protocol number of our own", r.Protocol), own}
	case assigned[r.Protocol] != "" || assigned[r.Protocol+1] != "":
		return &Mistake{"protocol", fmt.Sprintf("%d and %d are ours then, and one is that of %s", r.Protocol, r.Protocol+1,
			assigned[r.Protocol]+assigned[r.Protocol+1]), own}
	case r.Metric < 1 || r.Metric > 1<<31-1:
		return &Mistake{"metric", fmt.Sprintf("%d is no metric of our own", r.Metric), "use a number from 1"}
	case r.Device == "":
		return &Mistake{"device", "there is no device", "name the link that the routes leave by, as ip link shows it"}
	case !isDevice(r.Device):
		return &Mistake{"device", fmt.Sprintf("%q is no interface name", r.Device), "write it as ip link shows it"}
	}
	return r.checkHop(f)
}

func (r Routes) checkHop(f ipranges.Family) *Mistake {
	g := r.Gateway
	name := "gateway4"
	if f == ipranges.IPv6 {
		name = "gateway6"
	}
	switch {
	case g == netip.Addr{}:
		return nil
	case ipranges.FamilyOf(g) != f || g.Is4In6():
		return &Mistake{name, fmt.Sprintf("%s is no %s address", g, f), "name a gateway of that family"}
	case g.Zone() != "":
		return &Mistake{name, fmt.Sprintf("%s has a zone", g), "write the address alone, and the interface in device"}
	case g.IsUnspecified() || g.IsMulticast() || g.IsLoopback():
		return &Mistake{name, fmt.Sprintf("%s is no gateway", g), "name the gateway that ip route shows behind via"}
	}
	return nil
}

// isTable takes names as rt_tables has them, and numbers of 32 bits.
func isTable(s string) bool {
	if n, err := strconv.ParseUint(s, 10, 32); err == nil {
		// With a zero in front ip reads octal; 255 is the kernel's own table.
		return n > 0 && n != 255 && strconv.FormatUint(n, 10) == s
	}
	for i, c := range []byte(s) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || !(c >= '0' && c <= '9' || c == '_' || c == '-' || c == '.')) {
			return false
		}
	}
	return s != "" && len(s) <= 64 && s != "all" && s != "cache" && s != "local"
}

// isDevice follows Linux's dev_valid_name, without the bytes that ip or a shell
// would read as something else.
func isDevice(s string) bool {
	if s == "." || s == ".." || len(s) > 15 {
		return false
	}
	for i, c := range []byte(s) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && strings.IndexByte("._@+=,-", c) < 0 || i == 0 && c == '-' {
			return false
		}
	}
	return s != ""
}

// attributes is what follows the prefix.
func (r Routes) attributes(protocol int) string {
	var b strings.Builder
	if r.Gateway.IsValid() {
		fmt.Fprintf(&b, " via %s", r.Gateway)
	}
	fmt.Fprintf(&b, " dev %s table %s proto %d metric %d", r.Device, r.Table, protocol, r.Metric)
	return b.String()
}

// flush is the command that takes the routes of a protocol number away. Its root
// keeps it to one family even where somebody loads the file with a plain ip -batch,
// which takes the family of "route flush" to be IPv4.
func (r Routes) flush(f ipranges.Family, protocol int) string {
	root := "0.0.0.0/0"
	if f == ipranges.IPv6 {
		root = "::/0"
	}
	return fmt.Sprintf("route flush root %s table %s proto %d", root, r.Table, protocol)
}

// Remove is the command of ip that takes all routes of family f away again.
func (r Routes) Remove(f ipranges.Family) string {
	return fmt.Sprintf("ip -%d %s", int(f), r.flush(f, r.Protocol))
}

// LoadPlain is the command that loads a file of family f.
func LoadPlain(f ipranges.Family, file string) string {
	return fmt.Sprintf("ip -%d -batch %s", int(f), file)
}

// Load is the command for a shell that loads a file of family f, which Append wrote
// for r, without a gap. If the next hop is wrong nothing has changed.
func (r Routes) Load(f ipranges.Family, file string) string {
	return fmt.Sprintf("sed -n '/^route replace/s/ proto %d / proto %d /p' %s | ip -%d -batch - && %s",
		r.Protocol, r.Protocol+1, file, int(f), LoadPlain(f, file))
}

// Append appends the commands for the addresses of family f in set, which must not
// be without any.
func (r Routes) Append(dst []byte, f ipranges.Family, set ipranges.Set) []byte {
	before, after := "route replace ", r.attributes(r.Protocol)+"\n"
	dst = slices.Grow(dst, (set.NumPrefixes(f)+4)*(len(before)+20+len(after)))
	for p := range set.Prefixes(f) {
		dst = append(ipranges.AppendPrefix(append(dst, before...), p), r.attributes(r.Protocol+1)...)
		break
	}
	dst = fmt.Appendf(dst, "\n%s\n", r.flush(f, r.Protocol))
	dst = set.AppendPrefixes(dst, f, before, after)
	return fmt.Appendf(dst, "%s\n", r.flush(f, r.Protocol+1))
}

// Read returns the addresses that lines route. Lines must be what Append wrote for
// the same Routes and family, in the same order; anything else is an error.
func (r Routes) Read(lines []string, f ipranges.Family) (ipranges.Set, error) {
	n := len(lines)
	if n < 4 || lines[1] != r.flush(f, r.Protocol) || lines[n-1] != r.flush(f, r.Protocol+1) {
		return ipranges.Set{}, errors.New("it is no list of routes of ours between its two flushes")
	}
	var first, rest ipranges.Builder
	if err := r.readRoute(&first, lines[0], r.Protocol+1, f); err != nil {
		return ipranges.Set{}, fmt.Errorf("%q: %w", lines[0], err)
	}
	for _, line := range lines[2 : n-1] {
		if err := r.readRoute(&rest, line, r.Protocol, f); err != nil {
			return ipranges.Set{}, fmt.Errorf("%q: %w", line, err)
		}
	}
	if !rest.Set().Covers(first.Set()) {
		return ipranges.Set{}, fmt.Errorf("%q tries an address that is not listed", lines[0])
	}
	return rest.Set(), nil
}

func (r Routes) readRoute(b *ipranges.Builder, line string, protocol int, f ipranges.Family) error {
	rest, ok := strings.CutPrefix(line, "route replace ")
	if !ok {
		return errors.New("no route")
	}
	text, ok := strings.CutSuffix(rest, r.attributes(protocol))
	if !ok {
		return fmt.Errorf("its attributes are not%s", r.attributes(protocol))
	}
	p, err := ipranges.ParsePrefix(text)
	if err != nil {
		return err
	}
	if ipranges.FamilyOf(p.Addr()) != f {
		return fmt.Errorf("%s is no %s prefix", p, f)
	}
	return b.AddPrefix(p)
}
