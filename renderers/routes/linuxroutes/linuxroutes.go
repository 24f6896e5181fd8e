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
	"slices"
	"strconv"
	"strings"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/renderers/routes"
	"sallyport/renderers/routes/nexthop"
	"sallyport/rules"
)

// Defaults that collide with nothing: numbers of protocols that rt_protos
// (iproute2) does not assign, and a metric that no network manager gives.
const (
	DefaultProtocol = 213
	DefaultMetric   = 13
)

// Routes is what the routes of a target have in common. Their ways are by family.
type Routes struct {
	Table    string // a name or a number; "main" is where routes usually are
	Protocol int    // our number; the next higher one is ours, too
	Metric   int    // of every route
	nexthop.Ways
}

// assigned are the protocol numbers that programs are known by (iproute2,
// /etc/iproute2/rt_protos; 0 to 4 are the kernel's and the admin's own).
var assigned = map[int]string{8: "gated", 9: "ra", 10: "mrt", 11: "zebra", 12: "bird", 13: "dnrouted", 14: "xorp",
	15: "ntk", 16: "dhcp", 18: "keepalived", 42: "babel", 84: "ovn", 99: "openr", 186: "bgp", 187: "isis", 188: "ospf", 189: "rip", 192: "eigrp",
	// FRR, lib/zebra's rtnetlink numbers.
	191: "nhrp", 193: "ldp", 194: "sharp", 195: "pbr", 196: "static routes", 197: "openfabric", 198: "srte"}

// Check returns what is wrong with table, protocol and metric as renderers.Mistakes, or nil.
func (r Routes) Check() error {
	var all renderers.Mistakes
	own := "use a number from 5 to 254 that no other program and no other target on the machine has, nor the one after it"
	if !isTable(r.Table) {
		all.Option("table", `write "main", a name from /etc/iproute2/rt_tables, or a number`,
			"%q is no routing table", r.Table)
	}
	switch {
	case r.Protocol < 5 || r.Protocol > 254:
		all.Option("protocol", own,
			"%d is no protocol number of our own", r.Protocol)
	case assigned[r.Protocol] != "" || assigned[r.Protocol+1] != "":
		all.Option("protocol", own,
			"%d and %d are ours then, and one is that of %s", r.Protocol, r.Protocol+1,
			assigned[r.Protocol]+assigned[r.Protocol+1])
	}
	if r.Metric < 1 || r.Metric > 1<<31-1 {
		all.Option("metric", "use a number from 1",
			"%d is no metric of our own", r.Metric)
	}
	return all.Err()
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

// Load is the command for a shell that loads a file of family f without a gap. If a next
// hop is wrong nothing goes another way than before.
func (r Routes) Load(f ipranges.Family, file string) string {
	return fmt.Sprintf("sed -n '/^route replace/s/ proto %d / proto %d /p' %s | ip -%d -batch - && %s",
		r.Protocol, r.Protocol+1, file, int(f), LoadPlain(f, file))
}

// Claims is what files of these families take for themselves on a machine: the routes of
// their protocol numbers. Cost is what becomes of two lists that have one, as a clause.
func (r Routes) Claims(families []ipranges.Family, cost string) []renderers.Claim {
	var list []renderers.Claim
	for _, f := range families {
		for _, n := range []int{r.Protocol, r.Protocol + 1} {
			list = append(list, renderers.Claim{Thing: fmt.Sprintf("%s routes of protocol %d in Linux's table %s", f, n, r.Table),
				Option: "protocol", MayDiffer: true, Cost: cost,
				Fix: "where both are for one machine, give one of them another protocol, two numbers away or more"})
		}
	}
	return list
}

// Form is the routes of both families, without the commands around them.
func (r Routes) Form() routes.Form {
	return r.Ways.Form("#", func(ipranges.Family) nexthop.Words { return r.words })
}

// File is the file of family f, for lists of that family alone.
func (r Routes) File(f ipranges.Family) routes.Form {
	x := r.Form()
	hops := x.Check
	x.Check = func(list rules.RouteList) error {
		if !list.Set.Equal(list.Set.Only(f)) {
			return fmt.Errorf("it has routes that are not of %s", f)
		}
		return hops(list)
	}
	x.Body = func(_ rules.RouteList, rows []byte) ([]byte, error) {
		var dst []byte
		for _, h := range []nexthop.Hop{r.By[f].To, r.By[f].Other} {
			dst = append(dst, r.try(rows, h)...)
		}
		dst = slices.Grow(dst, len(rows)+200)
		dst = append(fmt.Appendf(dst, "%s\n", r.flush(f, r.Protocol)), rows...)
		return fmt.Appendf(dst, "%s\n", r.flush(f, r.Protocol+1)), nil
	}
	return x
}

// try is the first of the routes by way of h, under the next protocol number.
func (r Routes) try(rows []byte, h nexthop.Hop) string {
	end := r.attributes(h, r.Protocol) + "\n"
	at := bytes.Index(rows, []byte(end))
	if h == (nexthop.Hop{}) || at < 0 {
		return ""
	}
	begin := bytes.LastIndexByte(rows[:at], '\n') + 1
	return string(rows[begin:at]) + r.attributes(h, r.Protocol+1) + "\n"
}

// Text is the file of family f for its part of a list.
func (r Routes) Text(list rules.RouteList, f ipranges.Family) (string, error) {
	list.Set = list.Set.Only(f)
	text, err := r.File(f).Text(list)
	return string(text), err
}

// Read reads the files that are at path of a family, each of which may lack, and returns
// how many there are.
func (r Routes) Read(files []renderers.File, path func(ipranges.Family) string) (list rules.RouteList, n int, err error) {
	for _, f := range rules.BothFamilies.List() {
		file, err := renderers.FileAt(files, path(f))
		if err != nil {
			continue // a list of the other family alone
		}
		part, err := r.File(f).Read(file.Data)
		if err == nil && n > 0 && (part.Way != list.Way || part.Families != list.Families) {
			err = errors.New("its header says another direction or other families than that of the other file")
		}
		if err != nil {
			return list, n, fmt.Errorf("%s: %w", file.Path, err)
		}
		part.Set = part.Set.Union(list.Set)
		list, n = part, n+1
	}
	return list, n, nil
}
