package main

import (
	"encoding/json"
	"math/big"
	"testing"

	"sallyport/internal/testkit/realfeed"
)

// TestCoverageOfRealFeeds compares the documented media ranges and the sets of
// Teams with Azure's own tag. The numbers were counted once with Python's json
// and ipaddress.
func TestCoverageOfRealFeeds(t *testing.T) {
	azure := realfeed.Path(t, "azure/ServiceTags_Public_change398.json")
	m365 := realfeed.Path(t, "m365/endpoints-worldwide-older.json")
	want := map[string][4]string{ // IPv4 and IPv6: all, and held; "" where the set lacks the family
		"20.202.0.0/16":  {"65536", "65024"},
		"52.112.0.0/14":  {"262144", "245248"},
		"52.122.0.0/15":  {"131072", "112896"},
		"13.107.64.0/18": {"16384", "0"},
		"2603:1063::/38": {"", "", "1237940039285380274899124224", "3867728829934681687326720"},
		"m365:11":        {"540672", "481792"},
		"m365:12":        {"540674", "481792", "83415881553409413054726144", "0"},
		"m365:31":        {"329728", "12384", "10880332376531662572355584", "0"},
	}
	args := []string{"ranges", "coverage", "--by", "AzureCloud", "--feed", "azure=" + azure, "--feed", "m365=" + m365, "--json"}
	for name := range want {
		args = append(args, name)
	}
	code, stdout, stderr := inProcess(t, 80, "", args...)
	if code != exitOK {
		t.Fatal(stderr)
	}
	var doc struct {
		Sets []struct {
			Name string
			IPv4 struct{ Addresses, Covered string }
			IPv6 struct{ Addresses, Covered string }
		}
	}
	if err := json.Unmarshal([]byte(stdout), &doc); err != nil || len(doc.Sets) != len(want) {
		t.Fatal(err, stdout)
	}
	for _, s := range doc.Sets {
		if got := [4]string{s.IPv4.Addresses, s.IPv4.Covered, s.IPv6.Addresses, s.IPv6.Covered}; got != want[s.Name] {
			t.Errorf("%s: %q, want %q", s.Name, got, want[s.Name])
		}
	}
}

func TestCount(t *testing.T) {
	for n, want := range map[string]string{
		"0": "0", "7": "7", "999": "999", "1000": "1,000", "65536": "65,536", "1234567": "1,234,567", "999999999999999": "999,999,999,999,999",
		"1000000000000000": "1.00e+15", "340282366920938463463374607431768211456": "3.40e+38",
	} {
		v, _ := new(big.Int).SetString(n, 10)
		if got := count(v); got != want {
			t.Errorf("%s is written %s, want %s", n, got, want)
		}
	}
}
