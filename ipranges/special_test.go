package ipranges

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"

	"sallyport/internal/testkit/realfeed"
)

func TestFindSpecial(t *testing.T) {
	for _, c := range []struct{ in, rfc string }{
		{"10.1.0.0/16", "RFC 1918"},
		{"8.0.0.0/6", "RFC 1918"}, // contains 10.0.0.0/8
		{"0.0.0.0/0", "RFC 791"},
		{"127.0.0.1/32", "RFC 1122"},
		{"169.254.169.254/32", "RFC 3927"},
		{"192.0.2.0/24", "RFC 5737"},
		{"255.255.255.255/32", "RFC 919"},
		{"255.255.255.254/32", "RFC 1112"},
		{"::1/128", "RFC 4291"},
		{"::/0", "RFC 4291"},
		{"::ffff:1.2.3.0/120", "RFC 4291"},
		{"2001:db8:1::/48", "RFC 3849"},
		{"fd00::/8", "RFC 4193"},
		{"fe80::/64", "RFC 4291"},
		{"64:ff9b::a00:0/104", "RFC 6052"},
		{"2002:a00::/24", "RFC 3056"},
	} {
		if s, ok := FindSpecial(netip.MustParsePrefix(c.in)); !ok || s.RFC != c.rfc || !s.Prefix.Overlaps(netip.MustParsePrefix(c.in)) {
			t.Errorf("FindSpecial(%s) = %+v, %v; want %s", c.in, s, ok, c.rfc)
		}
	}
	for _, in := range []string{"8.8.8.0/24", "11.0.0.0/8", "172.32.0.0/11", "192.88.99.0/24", "198.20.0.0/14", "223.255.255.0/24", "2603:1030::/32", "2620:4f:8000::/48", "2003::/19"} {
		if s, ok := FindSpecial(netip.MustParsePrefix(in)); ok {
			t.Errorf("FindSpecial(%s) = %+v", in, s)
		}
	}
	if s, ok := FindSpecial(netip.Prefix{}); ok {
		t.Errorf("the zero Prefix overlaps %+v", s)
	}
}

func TestSpecialTable(t *testing.T) {
	var all Builder
	for _, s := range Specials() {
		if s.Prefix != s.Prefix.Masked() || s.Name == "" || !strings.HasPrefix(s.RFC, "RFC ") {
			t.Errorf("bad entry %+v", s)
		}
		if found, ok := FindSpecial(s.Prefix); !ok || !s.Prefix.Overlaps(found.Prefix) {
			t.Errorf("%+v is found as %+v", s, found)
		}
		all.addPrefix(s.Prefix)
	}
	if !SpecialUse().Equal(all.Set()) {
		t.Error("SpecialUse is not the union of Specials")
	}
	checkInvariant(t, SpecialUse())
	Specials()[0].Name = "changed"
	if Specials()[0].Name == "changed" {
		t.Error("a caller can change the table")
	}
}

// TestSpecialInFeeds: no cloud publishes a block of special use as its own,
// with the exceptions written here.
func TestSpecialInFeeds(t *testing.T) {
	for _, feed := range []string{
		publicFeed, "azure/ServiceTags_Public_change396.json", "azure/ServiceTags_AzureGovernment_20260720.json",
		"azure/ServiceTags_China_20260720.json", "azure/ServiceTags_AzureGermany_20220307.json",
		"aws/ip-ranges-20260506.json", "gcp/cloud-20260505.json", "m365/endpoints-worldwide-older.json",
	} {
		t.Run(feed, func(t *testing.T) {
			prefixes := findPrefixes(t, realfeed.Read(t, feed))
			if len(prefixes) < 100 {
				t.Fatalf("only %d prefixes found", len(prefixes))
			}
			hits := make(map[Special]int)
			for _, p := range prefixes {
				if s, ok := FindSpecial(p); ok {
					hits[s]++
				}
			}
			for s, n := range hits {
				t.Errorf("%d prefixes overlap %v, %s (%s)", n, s.Prefix, s.Name, s.RFC)
			}
		})
	}
}

// findPrefixes returns every string in a JSON text that is a prefix.
func findPrefixes(t *testing.T, data []byte) []netip.Prefix {
	var root any
	if err := json.Unmarshal(data, &root); err != nil {
		t.Fatal(err)
	}
	var out []netip.Prefix
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			if p, err := netip.ParsePrefix(v); err == nil {
				out = append(out, p)
			}
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			for _, e := range v {
				walk(e)
			}
		}
	}
	walk(root)
	return out
}
