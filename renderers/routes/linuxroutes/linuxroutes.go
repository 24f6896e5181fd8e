// Package linuxroutes writes and reads ip -batch files: routes of one family to a
// list of addresses, all of one next hop, that carry a protocol number of their own.
//
// The number is how routes are known as ours: what another program or person made
// is neither replaced nor flushed. A file is loaded any number of times, and the
// next one over it, and the result is that of the last file alone:
//
//	route replace FIRST ... proto N+1    tries each next hop before anything goes
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
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"sallyport/ipranges"
	"sallyport/renderers/routes/nexthop"
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
	// Other is where exceptions lead: nexthop says what they are. The zero Hop: there
	// are none.
	Other nexthop.Hop
}

// assigned are the protocol numbers that programs are known by (iproute2,
// /etc/iproute2/rt_protos; 0 to 4 are the kernel's and the admin's own).
var assigned = map[int]string{8: "gated", 9: "ra", 10: "mrt", 11: "zebra", 12: "bird", 13: "dnrouted", 14: "xorp",
	15: "ntk", 16: "dhcp", 18: "keepalived", 42: "babel", 84: "ovn", 99: "openr", 186: "bgp", 187: "isis", 188: "ospf", 189: "rip", 192: "eigrp",
	// FRR, lib/zebra's rtnetlink numbers.
	191: "nhrp", 193: "ldp", 194: "sharp", 195: "pbr", 196: "static routes", 197: "openfabric", 198: "srte"}

// A Mistake is a field of Routes whose value is not valid.
type Mistake = nexthop.Mistake

// Mistakes are all mistakes in a Routes.
type Mistakes = nexthop.Mistakes

// Check returns what is wrong with r for routes of family f, or nil.
func (r Routes) Check(f ipranges.Family) Mistakes {
	var all Mistakes
	add := func(field, cause, fix string) { all = append(all, &Mistake{Field: field, Cause: cause, Fix: fix}) }
	own := "use a number from 5 to 254 that no other program and no other target on the machine has, nor the one after it"
	if !isTable(r.Table) {
		add("table", fmt.Sprintf("%q is no routing table", r.Table), `write "main", a name from /etc/iproute2/rt_tables, or a number`)
	}
	switch {
	case r.Protocol < 5 || r.Protocol > 254:
		add("protocol", fmt.Sprintf("%d is no protocol number of our own", r.Protocol), own)
	case assigned[r.Protocol] != "" || assigned[r.Protocol+1] != "":
		add("protocol", fmt.Sprintf("%d and %d are ours then, and one is that of %s", r.Protocol, r.Protocol+1,
			assigned[r.Protocol]+assigned[r.Protocol+1]), own)
	}
	if r.Metric < 1 || r.Metric > 1<<31-1 {
		add("metric", fmt.Sprintf("%d is no metric of our own", r.Metric), "use a number from 1")
	}
	return append(all, nexthop.Hop{Gateway: r.Gateway, Device: r.Device}.Check(f)...)
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

// attributes is what follows the prefix of a route by way of h.
func (r Routes) attributes(h nexthop.Hop, protocol int) string {
	var b strings.Builder
	if h.Gateway.IsValid() {
		fmt.Fprintf(&b, " via %s", h.Gateway)
	}
	fmt.Fprintf(&b, " dev %s table %s proto %d metric %d", h.Device, r.Table, protocol, r.Metric)
	return b.String()
}

func (r Routes) way() nexthop.Way {
	return nexthop.Way{To: nexthop.Hop{Gateway: r.Gateway, Device: r.Device}, Other: r.Other}
}

// Describe says where the routes lead.
func (r Routes) Describe() string { return r.way().String() }

// words are those of commands that set routes.
func (r Routes) words(h nexthop.Hop) (before, after string) {
	return "route replace ", r.attributes(h, r.Protocol)
}

// flush is the command that takes the routes of a protocol number away. Its root
// keeps it to one family even where somebody loads the file with a plain ip -batch,
// which takes the family of "route flush" to be IPv4.
func (r Routes) flush(f ipranges.Family, protocol int) string {
	return fmt.Sprintf("route flush root %s table %s proto %d", Root(f), r.Table, protocol)
}

// Root is the prefix that holds all others of a family.
func Root(f ipranges.Family) string {
	if f == ipranges.IPv6 {
		return "::/0"
	}
	return "0.0.0.0/0"
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
// for r, without a gap. If a next hop is wrong nothing goes another way than before.
func (r Routes) Load(f ipranges.Family, file string) string {
	return fmt.Sprintf("sed -n '/^route replace/s/ proto %d / proto %d /p' %s | ip -%d -batch - && %s",
		r.Protocol, r.Protocol+1, file, int(f), LoadPlain(f, file))
}

// FixClaim is what to do about two lists that own the same.
const FixClaim = "where both are for one machine, give one of them another protocol, two numbers away or more"

// Owned is what the files of r take for theirs on a machine, for family f: no other
// list may have any of it.
func (r Routes) Owned(f ipranges.Family) []string {
	var list []string
	for _, n := range []int{r.Protocol, r.Protocol + 1} {
		list = append(list, fmt.Sprintf("%s routes of protocol %d in Linux's table %s", f, n, r.Table))
	}
	return list
}

// RouteBytes counts the line that Append writes for a prefix, by the routes of its
// family; with exceptions it is nil, as that of nexthop.Ways.
func RouteBytes(routes map[ipranges.Family]Routes) func(netip.Prefix) int {
	ways := nexthop.Ways{}
	for f, r := range routes {
		ways[f] = r.way()
	}
	return ways.RouteBytes(func(f ipranges.Family) nexthop.Words { return routes[f].words })
}

// Append appends the commands for the addresses of family f in set, which must not
// be without any.
func (r Routes) Append(dst []byte, f ipranges.Family, set ipranges.Set) []byte {
	routes := r.way().Append(nil, set, f, r.words)
	for _, h := range []nexthop.Hop{r.way().To, r.Other} {
		dst = append(dst, r.try(routes, h)...)
	}
	dst = slices.Grow(dst, len(routes)+200)
	dst = append(fmt.Appendf(dst, "%s\n", r.flush(f, r.Protocol)), routes...)
	return fmt.Appendf(dst, "%s\n", r.flush(f, r.Protocol+1))
}

// try is the first of the routes by way of h, under the next protocol number.
func (r Routes) try(routes []byte, h nexthop.Hop) string {
	end := r.attributes(h, r.Protocol) + "\n"
	at := bytes.Index(routes, []byte(end))
	if h == (nexthop.Hop{}) || at < 0 {
		return ""
	}
	begin := bytes.LastIndexByte(routes[:at], '\n') + 1
	return string(routes[begin:at]) + r.attributes(h, r.Protocol+1) + "\n"
}

// Read returns the addresses that lines route. Lines must be what Append wrote for
// the same Routes and family, in the same order; anything else is an error.
func (r Routes) Read(lines []string, f ipranges.Family) (ipranges.Set, error) {
	begin, end := slices.Index(lines, r.flush(f, r.Protocol)), len(lines)-1
	if begin < 1 || end <= begin || lines[end] != r.flush(f, r.Protocol+1) {
		return ipranges.Set{}, errors.New("it is no list of routes of ours between its two flushes")
	}
	set, err := r.way().Read(lines[begin+1:end], f, r.words)
	if err != nil {
		return ipranges.Set{}, err
	}
	if !set.Has(f) {
		return ipranges.Set{}, errors.New("there is no route")
	}
	if text := string(r.Append(nil, f, set)); text != strings.Join(lines, "\n")+"\n" {
		return ipranges.Set{}, errors.New("it is not the list that we write for its addresses")
	}
	return set, nil
}
