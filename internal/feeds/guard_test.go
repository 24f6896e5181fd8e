package feeds

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go4.org/netipx"

	"sallyport/internal/fetch"
	"sallyport/internal/testkit/realfeed"
	"sallyport/ipranges"
	"sallyport/ipranges/catalog"
)

// public returns the first n public prefixes of so many bits, from an address on.
func public(from string, bits, n int) []string {
	var list []string
	for a := netip.MustParseAddr(from); a.IsValid() && len(list) < n; {
		p := netip.PrefixFrom(a, bits)
		if _, special := ipranges.FindSpecial(p); !special {
			list = append(list, p.String())
		}
		a = netipx.PrefixLastIP(p).Next()
	}
	return list
}

// TestGuardFirstCopy: a first copy, and a file, may not open a large part of the
// Internet, in however many prefixes and tags.
func TestGuardFirstCopy(t *testing.T) {
	all12 := public("0.0.0.0", 12, 4096)
	for name, tt := range map[string]struct {
		list []string
		says string // "": it is taken
	}{
		"all public /12s":            {all12, "IPv4 addresses than a /3"},
		"all public /12s, some IPv6": {append(public("2d00::", 32, 9), all12...), "IPv4"},
		"two /8s":                    {public("20.0.0.0", 8, 2), ""}, // no more than two clouds have
		"an eighth of IPv4":          {public("11.0.0.0", 8, 32), ""},
		"one address more":           {append(public("11.0.0.0", 8, 32), "80.0.0.0/32"), "IPv4"},
		"600 /12s":                   {public("64.0.0.0", 12, 600), "IPv4"},
		"a /16 of IPv6":              {public("2a00::", 24, 256), ""},
		"one more of IPv6":           {append(public("2a00::", 24, 256), "2b00::/128"), "IPv6 addresses than a /16"},
		"a /12 of IPv6":              {public("2400::", 24, 4_096), "IPv6"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Join(tt.list, "\n") + "\n"
			file := filepath.Join(t.TempDir(), "list.txt")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(text)) }))
			defer server.Close()
			for _, spec := range []catalog.FeedSpec{{Name: "x", Kind: "text", URL: server.URL}, {Name: "x", Kind: "text", File: file}} {
				o := opener(t)
				_, err := o.Open(context.Background(), spec)
				if tt.says == "" {
					if err != nil {
						t.Error(err)
					}
					continue
				}
				if err == nil || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), "--accept-feed-change") {
					t.Errorf("%v, want %q and the way to accept it", err, tt.says)
				}
				accepting := again(o, func(*fetch.Fetcher) {})
				accepting.AcceptChange = true
				if _, err := accepting.Open(context.Background(), spec); err != nil {
					t.Errorf("accepted on purpose: %v", err)
				}
				if spec.File != "" {
					continue
				}
				// What was accepted once is taken from the cache, and confirmed.
				if f, err := again(o, func(*fetch.Fetcher) {}).Open(context.Background(), spec); err != nil || f.Result.Problem != nil {
					t.Errorf("after it was accepted: %v, %+v", err, f)
				}
			}
		})
	}
}

// TestGuardCountsOnce: many tags may hold the same addresses.
func TestGuardCountsOnce(t *testing.T) {
	var entries []catalog.Entry
	set := ipranges.MustParse("20.0.0.0/8", "2a00::/20")
	for i := range 1000 {
		entries = append(entries, catalog.Entry{Tag: catalog.Tag{Name: fmt.Sprintf("t%d", i)}, Set: set})
	}
	if err := guard(nil, newCatalog(t, entries)); err != nil {
		t.Error(err)
	}
	// One tag in many that opens half of the Internet.
	entries[500].Set = ipranges.Union(set, ipranges.MustParse("64.0.0.0/2"))
	if err := guard(nil, newCatalog(t, entries)); err == nil {
		t.Error("half of the Internet is taken")
	}
	if err := guard([]byte("no index"), newCatalog(t, entries)); err == nil {
		t.Error("half of the Internet is taken where the earlier index cannot be read")
	}
}

// TestGuardLetsClouds: the feeds of all large clouds are far from the bounds, also all
// in one list.
func TestGuardLetsClouds(t *testing.T) {
	files := []struct{ kind, cloud, file string }{
		{"azure", "public", realfeed.Path(t, "azure/ServiceTags_Public_change398.json")},
		{"azure", "usgov", realfeed.Path(t, "azure/ServiceTags_AzureGovernment_20260720.json")},
		{"azure", "china", realfeed.Path(t, "azure/ServiceTags_China_20260720.json")},
		{"azure", "germany", realfeed.Path(t, "azure/ServiceTags_AzureGermany_20220307.json")},
		{"m365", "worldwide", realfeed.Path(t, "m365/endpoints-worldwide-older.json")},
	}
	for name, list := range cloudLists(t) {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, []byte(strings.Join(list, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, struct{ kind, cloud, file string }{"text", "", file})
	}
	var sets []ipranges.Set
	for _, f := range files {
		feed, err := opener(t).Open(context.Background(), catalog.FeedSpec{Name: "x", Kind: f.kind, Cloud: f.cloud, File: f.file})
		if err != nil {
			t.Fatal(err)
		}
		sets = append(sets, union(feed.Catalog))
	}
	everything := ipranges.Union(sets...)
	if err := guard(nil, newCatalog(t, []catalog.Entry{{Tag: catalog.Tag{Name: "all"}, Set: everything}})); err != nil {
		t.Error(err)
	}
	// Far: less than half of the IPv4 bound, and a thousandth of the IPv6 bound.
	if n := everything.Count(ipranges.IPv4); n.BitLen() > int(families[0].mostBits)-1 {
		t.Errorf("%v IPv4 addresses are too near the bound", n)
	}
	if n := everything.Count(ipranges.IPv6); n.BitLen() > int(families[1].mostBits)-10 {
		t.Errorf("%v IPv6 addresses are too near the bound", n)
	}
}

// cloudLists is what AWS and Google publish, as lists.
func cloudLists(t *testing.T) map[string][]string {
	t.Helper()
	lists := map[string][]string{}
	for name, file := range map[string]string{"aws": "aws/ip-ranges-20260506.json", "gcp": "gcp/cloud-20260505.json"} {
		var doc struct {
			Prefixes []struct {
				AWS  string `json:"ip_prefix"`
				GCP4 string `json:"ipv4Prefix"`
				GCP6 string `json:"ipv6Prefix"`
			} `json:"prefixes"`
			AWS6 []struct {
				Prefix string `json:"ipv6_prefix"`
			} `json:"ipv6_prefixes"`
		}
		if err := json.Unmarshal(realfeed.Read(t, file), &doc); err != nil {
			t.Fatal(err)
		}
		for _, p := range doc.Prefixes {
			lists[name] = append(lists[name], p.AWS+p.GCP4+p.GCP6)
		}
		for _, p := range doc.AWS6 {
			lists[name] = append(lists[name], p.Prefix)
		}
		if len(lists[name]) < 900 {
			t.Fatalf("%s has %d prefixes", name, len(lists[name]))
		}
	}
	return lists
}
