package m365

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go4.org/netipx"

	"sallyport/internal/testkit/realfeed"
	"sallyport/ipranges"
	"sallyport/ipranges/catalog"
)

// naiveSet is a set as the standard library and netipx see it.
type naiveSet struct {
	ID                    int
	ServiceArea, Category string
	Required              bool
	IPs, URLs             []string
	TCPPorts, UDPPorts    string
}

// naive decodes a file the plain way, with no rule of its own. It is the oracle
// of Decode: it shares no code with it.
func naive(data []byte) ([]naiveSet, error) {
	dec := json.NewDecoder(strings.NewReader(strings.TrimPrefix(string(data), "\ufeff")))
	var file []map[string]json.RawMessage // not a struct, which would not tell the case of letters
	if err := dec.Decode(&file); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("trailing data: %v", err)
	}
	var sets []naiveSet
	for _, members := range file {
		var s naiveSet
		for key, to := range map[string]any{"id": &s.ID, "serviceArea": &s.ServiceArea, "category": &s.Category, "required": &s.Required,
			"ips": &s.IPs, "urls": &s.URLs, "tcpPorts": &s.TCPPorts, "udpPorts": &s.UDPPorts} {
			if raw, ok := members[key]; ok {
				if err := json.Unmarshal(raw, to); err != nil {
					return nil, err
				}
			}
		}
		sets = append(sets, s)
	}
	return sets, nil
}

// ports is every port of a set, one by one.
func (s naiveSet) ports() map[string]bool {
	all := map[string]bool{}
	for proto, list := range map[string]string{"tcp": s.TCPPorts, "udp": s.UDPPorts} {
		if list == "" {
			continue
		}
		for _, item := range strings.Split(strings.ReplaceAll(list, " ", ""), ",") {
			lo, hi, ok := strings.Cut(item, "-")
			if !ok {
				hi = lo
			}
			a, _ := strconv.Atoi(lo)
			b, _ := strconv.Atoi(hi)
			for ; a <= b; a++ {
				all[fmt.Sprintf("%s %d", proto, a)] = true
			}
		}
	}
	return all
}

// in reports whether the tag with that name holds the set.
func (s naiveSet) in(tag string) bool {
	if tag == strconv.Itoa(s.ID) {
		return true
	}
	for _, word := range strings.Split(tag, ".") {
		area := s.ServiceArea
		if strings.EqualFold(area, "skype") || strings.EqualFold(area, "teams") {
			area = "Teams"
		}
		if word != area && word != s.Category && (word != "required" || !s.Required) {
			return false
		}
	}
	return true
}

// mustEqualNaive compares a catalog with the oracle's reading of the same bytes.
func mustEqualNaive(t *testing.T, c *catalog.Catalog, data []byte) []naiveSet {
	t.Helper()
	sets, err := naive(data)
	if err != nil {
		t.Fatalf("Decode takes what the oracle does not: %v", err)
	}
	for _, s := range sets {
		if _, ok := c.Tag(strconv.Itoa(s.ID)); !ok {
			t.Errorf("there is no set %d", s.ID)
		}
	}
	for tag := range c.Tags() {
		var b netipx.IPSetBuilder
		var names []string
		held := 0
		ports := map[string]bool{}
		for _, s := range sets {
			if !s.in(tag.Name) {
				continue
			}
			held++
			for _, ip := range s.IPs {
				b.AddPrefix(netip.MustParsePrefix(ip))
			}
			names = append(names, s.URLs...)
			ports = s.ports()
		}
		want, _ := b.IPSet()
		set, ok := c.Set(tag.Name)
		if got := slices.Collect(set.All()); !ok || !slices.Equal(got, want.Ranges()) || held == 0 {
			t.Errorf("tag %q: %v, want %v of %d sets", tag.Name, got, want.Ranges(), held)
		}
		slices.Sort(names)
		if got := c.Names(tag.Name); !slices.Equal(got, slices.Compact(names)) {
			t.Errorf("tag %q has names %q, want %q", tag.Name, got, names)
		}
		if d, _ := c.Details(tag.Name); len(d.Parts) > 0 {
			if len(d.Parts) != held {
				t.Errorf("tag %q has parts %q, want %d", tag.Name, d.Parts, held)
			}
			continue
		}
		got := map[string]bool{}
		list, _ := c.Ports(tag.Name)
		for _, p := range list {
			for n := int(p.Lo); n <= int(p.Hi); n++ {
				got[fmt.Sprintf("%s %d", p.Proto, n)] = true
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(ports) {
			t.Errorf("tag %q has ports %v, want %v", tag.Name, list, ports)
		}
	}
	return sets
}

// TestRealFile decodes the real answer at hand. The numbers were counted once
// with Python's json and ipaddress.
func TestRealFile(t *testing.T) {
	data := realfeed.Read(t, "m365/endpoints-worldwide-older.json")
	c, err := Decode(data, Options{Instance: "worldwide"})
	if err != nil {
		t.Fatal(err)
	}
	sets := mustEqualNaive(t, c, data)
	ips, urls, withIPs := 0, 0, 0
	for _, s := range sets {
		ips += len(s.IPs)
		urls += len(s.URLs)
		if len(s.IPs) > 0 {
			withIPs++
		}
	}
	all, _ := c.Set("required")
	if got := [...]int{len(sets), withIPs, ips, urls, all.NumPrefixes(ipranges.IPv4), all.NumPrefixes(ipranges.IPv6)}; got != [...]int{107, 15, 294, 354, 35, 85} {
		t.Errorf("sets, those with addresses, prefixes, names, minimal prefixes of the required: %d", got)
	}
	media, _ := c.Set("11")
	ports, _ := c.Ports("11")
	if !media.Equal(ipranges.MustParse("13.107.64.0/18", "52.112.0.0/14", "52.120.0.0/14")) ||
		!slices.Equal(ports, []catalog.Port{{Proto: "udp", Lo: 3478, Hi: 3481}}) {
		t.Errorf("set 11 is %v on %v", media, ports)
	}
	if _, differ := c.Ports("Teams"); !slices.Equal(differ, []string{"11", "12", "13", "22"}) {
		t.Errorf("the parts of Teams with ports of their own are %q", differ)
	}
	if ports, differ := c.Ports("Teams.Optimize.required"); len(ports) != 1 || differ != nil {
		t.Errorf("Teams.Optimize.required has ports %v, %q", ports, differ)
	}
	opened, err := catalog.OpenIndex(c.AppendIndex(nil))
	if err != nil {
		t.Fatal(err)
	}
	mustEqualNaive(t, opened, data)
}
