package azure

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"go4.org/netipx"

	"sallyport/internal/testkit/realfeed"
	"sallyport/ipranges"
	"sallyport/ipranges/catalog"
)

// naiveTag is a tag as the standard library and netipx see it.
type naiveTag struct {
	catalog.Tag
	v4, v6 int // prefixes listed
	set    *netipx.IPSet
}

// naive decodes a file the plain way, by maps and netipx, with no rule of its
// own. It is the oracle of Decode: slow, and sharing no code with it.
func naive(data []byte) (cloud, change string, tags []naiveTag, err error) {
	defer func() {
		if p := recover(); p != nil { // a type assertion: the file has another form
			err = fmt.Errorf("%v", p)
		}
	}()
	dec := json.NewDecoder(strings.NewReader(strings.TrimPrefix(string(data), "\ufeff")))
	dec.UseNumber()
	var file map[string]any
	if err := dec.Decode(&file); err != nil {
		return "", "", nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return "", "", nil, fmt.Errorf("trailing data: %w", err)
	}
	for _, v := range file["values"].([]any) {
		tag := v.(map[string]any)
		properties := tag["properties"].(map[string]any)
		n := naiveTag{Tag: catalog.Tag{Name: tag["name"].(string)}}
		n.Region, _ = properties["region"].(string)
		n.Service, _ = properties["systemService"].(string)
		if c, ok := properties["changeNumber"].(json.Number); ok {
			n.Change = c.String()
		}
		var b netipx.IPSetBuilder
		for _, p := range properties["addressPrefixes"].([]any) {
			q, err := netip.ParsePrefix(p.(string))
			if err != nil {
				return "", "", nil, err
			}
			if q.Addr().Is4() {
				n.v4++
			} else {
				n.v6++
			}
			b.AddPrefix(q)
		}
		if n.set, err = b.IPSet(); err != nil {
			return "", "", nil, err
		}
		tags = append(tags, n)
	}
	return file["cloud"].(string), file["changeNumber"].(json.Number).String(), tags, nil
}

// mustEqualNaive compares a decoded catalog with the oracle's reading of the
// same bytes.
func mustEqualNaive(t *testing.T, c *catalog.Catalog, data []byte) []naiveTag {
	t.Helper()
	cloud, change, tags, err := naive(data)
	if err != nil {
		t.Fatalf("Decode takes what the oracle does not: %v", err)
	}
	if in := c.Info(); in.Kind != "azure" || in.Cloud != cloud || in.Change != change {
		t.Errorf("Info() = %+v, want cloud %q, change %q", in, cloud, change)
	}
	if c.Len() != len(tags) {
		t.Errorf("%d tags, want %d", c.Len(), len(tags))
	}
	for _, n := range tags {
		if tag, ok := c.Tag(n.Name); !ok || tag != n.Tag {
			t.Errorf("tag %q is %+v, want %+v", n.Name, tag, n.Tag)
		}
		set, ok := c.Set(n.Name)
		if got := slices.Collect(set.All()); !ok || !slices.Equal(got, n.set.Ranges()) {
			t.Errorf("tag %q: %v, want %v", n.Name, got, n.set.Ranges())
		}
	}
	return tags
}

// TestRealFiles decodes every real file at hand and compares each tag with the
// oracle. The numbers were counted once with Python's json and ipaddress.
func TestRealFiles(t *testing.T) {
	type counts struct{ tags, v4, v6, minimal4, minimal6 int } // all but the first: of AzureCloud
	for file, want := range map[string]struct {
		cloud, change string
		counts
	}{
		"azure/ServiceTags_Public_change396.json":         {"public", "396", counts{3136, 10475, 3625, 2046, 1452}},
		"azure/ServiceTags_Public_change398.json":         {"public", "398", counts{3136, 10501, 3628, 2032, 1433}},
		"azure/ServiceTags_AzureGovernment_20260720.json": {"usgov", "402", counts{299, 442, 163, 186, 119}},
		"azure/ServiceTags_China_20260720.json":           {"china", "405", counts{327, 245, 100, 166, 54}},
		"azure/ServiceTags_AzureGermany_20220307.json":    {"germany", "193", counts{79, 38, 2, 22, 2}},
	} {
		t.Run(want.cloud+want.change, func(t *testing.T) {
			data := realfeed.Read(t, file)
			c, err := Decode(data, Options{Cloud: want.cloud})
			if err != nil {
				t.Fatal(err)
			}
			if c.Info().Change != want.change {
				t.Errorf("change %s, want %s", c.Info().Change, want.change)
			}
			tags := mustEqualNaive(t, c, data)
			i := slices.IndexFunc(tags, func(n naiveTag) bool { return n.Name == "AzureCloud" })
			set, _ := c.Set("AzureCloud")
			got := counts{len(tags), tags[i].v4, tags[i].v6, set.NumPrefixes(ipranges.IPv4), set.NumPrefixes(ipranges.IPv6)}
			if got != want.counts {
				t.Errorf("AzureCloud: %+v, want %+v", got, want.counts)
			}
			if n := got.minimal4 + got.minimal6; n != len(tags[i].set.Prefixes()) {
				t.Errorf("AzureCloud: %d minimal prefixes, want %d", n, len(tags[i].set.Prefixes()))
			}
			opened, err := catalog.OpenIndex(c.AppendIndex(nil))
			if err != nil {
				t.Fatal(err)
			}
			if d := catalog.Diff(c, opened); len(d) != 0 || !slices.Equal(slices.Collect(c.Tags()), slices.Collect(opened.Tags())) {
				t.Errorf("the index differs from the file: %+v", d)
			}
		})
	}
}
