// Package yearfeed makes up a year of weekly Service Tags files, for tests: regions open,
// services move, prefixes come, go and grow as in real ones, and in some weeks nothing
// changes in the tag that a policy watches.
package yearfeed

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
)

// Watched is the tag that a policy of a test takes.
const Watched = "Calls"

// Weeks and Quiet are the steps of the year, and those in which Watched does not change.
const (
	Weeks = 52
	Quiet = 20
)

// Week is a file and what is known of it.
type Week struct {
	Change int    // its change number
	JSON   []byte // the file
	Quiet  bool   // Watched is as in the week before
}

// Year returns the file before the first step, and one for each step. It is always the
// same.
func Year() []Week {
	y := &year{rand: rand.New(rand.NewPCG(2026, 52)), tags: map[string][]netip.Prefix{}}
	y.begin()
	weeks := []Week{y.week(true)}
	quiet := make([]bool, Weeks)
	for i := range Quiet {
		quiet[i] = true
	}
	y.rand.Shuffle(Weeks, func(i, j int) { quiet[i], quiet[j] = quiet[j], quiet[i] })
	for _, q := range quiet {
		y.step(q)
		weeks = append(weeks, y.week(q))
	}
	return weeks
}

var (
	regions  = []string{"westeurope", "northeurope", "eastus", "westus2", "uksouth", "japaneast", "brazilsouth", "australiaeast"}
	services = []string{"Storage", "Sql", "AppService", "EventHub", "KeyVault"}
)

// year is the state of the cloud.
type year struct {
	rand   *rand.Rand
	change int
	next4  int // the next free /24 and /48
	next6  int
	tags   map[string][]netip.Prefix
}

func (y *year) begin() {
	y.change = 100
	for _, r := range regions[:len(regions)-1] {
		y.open(r)
	}
	y.watch(30)
	y.sum()
}

// prefix4 and prefix6 take the next prefix of a length from a part of the public space
// that nothing else of the tests has.
func (y *year) prefix4(bits int) netip.Prefix {
	size := max(1, 1<<(24-min(bits, 24)))
	y.next4 = (y.next4 + size - 1) / size * size
	n := y.next4
	y.next4 += size
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(40 + n>>16), byte(n >> 8), byte(n), 0}), bits)
}

func (y *year) prefix6(bits int) netip.Prefix {
	size := max(1, 1<<(48-min(bits, 48)))
	y.next6 = (y.next6 + size - 1) / size * size
	n := y.next6
	y.next6 += size
	return netip.PrefixFrom(netip.AddrFrom16([16]byte{0x26, 0x03, byte(0x10 + n>>24), byte(n >> 16), byte(n >> 8), byte(n)}), bits)
}

// open adds a region with its services.
func (y *year) open(region string) {
	cloud := "AzureCloud." + region
	for i := range 12 {
		y.tags[cloud] = append(y.tags[cloud], y.prefix4(16+i%6))
	}
	y.tags[cloud] = append(y.tags[cloud], y.prefix6(44), y.prefix6(48))
	for _, s := range services {
		for range 6 {
			y.tags[s+"."+region] = append(y.tags[s+"."+region], y.prefix4(24+y.rand.IntN(6)))
		}
		y.tags[s+"."+region] = append(y.tags[s+"."+region], y.prefix6(56))
	}
}

func (y *year) watch(n int) {
	for range n {
		y.tags[Watched] = append(y.tags[Watched], y.prefix4(24+y.rand.IntN(6)))
	}
	y.tags[Watched] = append(y.tags[Watched], y.prefix6(48))
}

// step is a week.
func (y *year) step(quiet bool) {
	y.change += 1 + y.rand.IntN(2)
	for _, name := range y.names() {
		list := y.tags[name]
		switch {
		case name == Watched || name == "AzureCloud" || y.rand.IntN(5) > 0:
		case y.rand.IntN(4) == 0 && len(list) > 4:
			y.tags[name] = slices.Delete(list, 1, 2)
		default:
			y.tags[name] = append(list, y.prefix4(24+y.rand.IntN(5)))
		}
	}
	switch y.change % 9 {
	case 0:
		y.open(fmt.Sprintf("region%d", y.change))
	case 4: // one prefix of IPv6 becomes as wide as the next
		r := "AzureCloud." + regions[y.rand.IntN(4)]
		y.tags[r] = append(y.tags[r], y.prefix6(43))
	}
	if !quiet {
		list := y.tags[Watched]
		if y.rand.IntN(3) == 0 {
			i := y.rand.IntN(len(list) - 1)
			y.tags[Watched] = slices.Delete(list, i, i+1)
		}
		y.watch(1 + y.rand.IntN(2))
	}
	y.sum()
}

// sum makes the tag of the whole cloud.
func (y *year) sum() {
	delete(y.tags, "AzureCloud")
	var all []netip.Prefix
	for _, name := range y.names() {
		all = append(all, y.tags[name]...)
	}
	y.tags["AzureCloud"] = all
}

func (y *year) names() []string {
	var names []string
	for n := range y.tags {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// week writes the file as it is published.
func (y *year) week(quiet bool) Week {
	type properties struct {
		ChangeNumber    int            `json:"changeNumber"`
		Region          string         `json:"region"`
		RegionID        int            `json:"regionId"`
		Platform        string         `json:"platform"`
		SystemService   string         `json:"systemService"`
		AddressPrefixes []netip.Prefix `json:"addressPrefixes"`
		NetworkFeatures []string       `json:"networkFeatures"`
	}
	type tag struct {
		Name       string     `json:"name"`
		ID         string     `json:"id"`
		Properties properties `json:"properties"`
	}
	var values []tag
	for _, name := range y.names() {
		list := slices.Clone(y.tags[name])
		slices.SortFunc(list, func(a, b netip.Prefix) int {
			return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
		})
		service, region, _ := strings.Cut(name, ".")
		values = append(values, tag{name, name, properties{y.change, region, 0, "Azure", "Azure" + service, list, nil}})
	}
	data, err := json.MarshalIndent(map[string]any{"changeNumber": y.change, "cloud": "Public", "values": values}, "", "  ")
	if err != nil {
		panic(err) // plain values
	}
	return Week{y.change, append(data, '\n'), quiet}
}
