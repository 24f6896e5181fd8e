package conformance

import (
	"strings"
	"testing"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// lengths is prefixes of many lengths, of both families.
var lengths = rules.In("lengths", ipranges.MustParse("8.0.0.0/7", "20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "151.101.12.128/25", "203.0.113.255/32",
	"2603:1063::/38", "2a01:111:f400::/48", "2a02:1234:5678:9abc:def0:1234:5678:9abc/128"))

// bytes compares what Caps.RouteBytes counts of a list, by which a budget chooses, with
// what the lines of its routes cost: each way, and in both families and either.
func (s *suite) bytes(t testing.TB) {
	caps := s.build(t, "edge").Caps
	if caps.RouteBytes == nil || s.Route == nil {
		return
	}
	for _, v := range s.ways(t) {
		for _, families := range []rules.Families{rules.BothFamilies, rules.OnlyIPv4, rules.OnlyIPv6} {
			p := s.planOf(t, v, lengths)
			if p.Families &= families; p.Families == families {
				s.bytesOf(t, p)
			}
		}
	}
}

func (s *suite) bytesOf(t testing.TB, p *rules.Plan) {
	r := s.build(t, "edge")
	caps := r.Caps
	files, lowered := s.rendered(t, r, p)
	if len(files) == 0 {
		return
	}
	list, _ := lowered.Routes()
	counted := 0
	for _, f := range list.Families.List() {
		for prefix := range caps.Written(list.Way, f, list.Set).Prefixes(f) {
			counted += caps.RouteBytes(prefix)
		}
	}
	if written := s.costOf(files); written != counted || counted == 0 {
		t.Errorf("%v of %v: the routes cost %d bytes, and %d are counted", list.Way, list.Families, written, counted)
	}
}

// costOf is what the routes in files cost.
func (s *suite) costOf(files []renderers.File) int {
	n := 0
	for _, f := range files {
		for line := range strings.Lines(string(f.Data)) {
			switch {
			case !s.Route(line):
			case s.variant.Cost != nil:
				n += s.variant.Cost(line)
			case s.Cost != nil:
				n += s.Cost(line)
			default:
				n += len(line)
			}
		}
	}
	return n
}
