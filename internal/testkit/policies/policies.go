// Package policies writes policies that grow in one way each, for tests of what a rule
// more costs.
package policies

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
)

// Shape is a way to grow.
type Shape struct {
	Name   string
	Policy func(n int) string // with n rules, or with one to a set of n elements; without a target
	Feed   func(n int) []byte // the feed "azure" of such a policy; nil where it needs none
}

// The ways to grow.
var (
	Disjoint    = Shape{Name: "disjoint", Policy: disjoint}
	Overlapping = Shape{Name: "overlapping", Policy: overlapping}
	Wide        = Shape{Name: "wide", Policy: wide}
	WideSources = Shape{Name: "widesrc", Policy: wideSources}
	Grid        = Shape{Name: "grid", Policy: grid}
	Tags        = Shape{Name: "tags", Policy: tags, Feed: Feed}
)

// Shapes is all of them.
var Shapes = []Shape{Disjoint, Overlapping, Wide, WideSources, Grid, Tags}

// each joins what one returns for 0 to n-1.
func each(n int, one func(i int) string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(one(i))
	}
	return b.String()
}

// rule is a rule that allows UDP; an empty source is any.
func rule(i int, from, to, ports string) string {
	source := "any"
	if from != "" {
		source = fmt.Sprintf("[%q]", from)
	}
	return fmt.Sprintf("service \"s%d\" { udp = [%q] }\n", i, ports) +
		fmt.Sprintf("rule \"r%d\" {\n  action = \"allow\"\n  from = %s\n  to = [%q]\n  services = [service.s%d]\n}\n", i, source, to, i)
}

// address is the i-th of addresses that are block apart.
func address(first, i, block int) string {
	i *= block
	return fmt.Sprintf("%d.%d.%d.%d", first+i>>24, i>>16&255, i>>8&255, i&255)
}

// disjoint has rules to addresses of their own.
func disjoint(n int) string {
	return each(n, func(i int) string { return rule(i, "", address(20, i, 512)+"/24", "3478-3481") })
}

// overlapping has rules each of which overlaps some others at random in sources,
// destinations and ports, of which there are 32 ranges as in policies with services. More
// rules go to more addresses: in a space that they fill, they would come to decide nothing.
func overlapping(n int) string {
	rng := rand.New(rand.NewPCG(uint64(n), 1))
	span := func(first, most int) string {
		lo := rng.IntN(most)
		return address(first, lo, 256) + "-" + address(first, lo+1+rng.IntN(32), 256)
	}
	return each(n, func(i int) string {
		service := rng.IntN(32)
		return rule(i, span(10, 64), span(20, 8*n), fmt.Sprintf("%d-%d", 1000+400*service, 20_000+1200*service))
	})
}

// wide has narrow rules, and after them wide ones with wide ports.
func wide(n int) string {
	return each(n, func(i int) string {
		if i < n/2 {
			return rule(i, "", address(20, i, 256)+"/24", fmt.Sprint(1000+2*i))
		}
		return rule(i, "", fmt.Sprintf("20.%d.0.0/16", i%64), fmt.Sprintf("%d-%d", 1+i, 40_000+i))
	})
}

// wideSources has rules from ever more sources to one destination.
func wideSources(n int) string {
	return each(n, func(i int) string {
		return rule(i, "10.0.0.0-"+address(10, i+1, 256), fmt.Sprintf("20.%d.0.0/16", i%8), fmt.Sprintf("%d-%d", 1000+i, 60_000-i))
	})
}

// grid has a rule for each of some sources and some destinations.
func grid(n int) string {
	side := 1
	for side*side < n {
		side++
	}
	return each(n, func(i int) string {
		return rule(i, address(10, i%side, 256)+"/24", address(20, i/side, 256)+"/24", "3478-3481")
	})
}

// tags has a set and a rule for each tag of [Feed].
func tags(n int) string {
	return "feed \"azure\" {}\nservice \"media\" { udp = [\"3478-3481\"] }\n" + each(n, func(i int) string {
		return fmt.Sprintf("set \"t%d\" { include = [tag(feed.azure, %q)] }\nrule \"r%d\" {\n  action = \"allow\"\n  to = set.t%d\n  services = [service.media]\n}\n", i, tagName(i), i, i)
	})
}

func tagName(i int) string {
	if i%8 == 0 {
		return fmt.Sprintf("Service%d", i/8)
	}
	return fmt.Sprintf("Service%d.Region%d", i/8, i%8)
}

// Feed is a Service Tags file of n tags: services with 24 prefixes each in every region,
// and one tag before those of its regions that holds them all.
func Feed(n int) []byte {
	type properties struct {
		ChangeNumber    int      `json:"changeNumber"`
		Region          string   `json:"region"`
		RegionID        int      `json:"regionId"`
		Platform        string   `json:"platform"`
		SystemService   string   `json:"systemService"`
		AddressPrefixes []string `json:"addressPrefixes"`
		NetworkFeatures []string `json:"networkFeatures"`
	}
	type value struct {
		Name       string     `json:"name"`
		ID         string     `json:"id"`
		Properties properties `json:"properties"`
	}
	var values []value
	for i := range n {
		v := value{Name: tagName(i), ID: tagName(i), Properties: properties{ChangeNumber: 1, Platform: "Azure", SystemService: "Service", NetworkFeatures: []string{"NSG"}}}
		first, last := i, i
		if i%8 == 0 {
			first, last = i+1, i+7
		}
		for r := first; r <= last; r++ {
			for k := range 24 {
				v.Properties.AddressPrefixes = append(v.Properties.AddressPrefixes, address(20, r*24+k, 32)+"/28")
			}
		}
		values = append(values, v)
	}
	data, err := json.Marshal(map[string]any{"changeNumber": 1, "cloud": "Public", "values": values})
	if err != nil {
		panic(err) // plain data
	}
	return data
}
