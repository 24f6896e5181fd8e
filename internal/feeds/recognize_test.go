package feeds

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"sallyport/internal/fetch"
	"sallyport/internal/testkit/need"
	"sallyport/internal/testkit/realfeed"
	"sallyport/ipranges/catalog"
	"sallyport/ipranges/text"
)

// open reads a file of standard input as a feed of a kind.
func open(t *testing.T, kind, file string) (*Feed, error) {
	t.Helper()
	o := opener(t)
	o.Fetcher.Stdin = strings.NewReader(file)
	return o.Open(context.Background(), catalog.FeedSpec{Name: "x", Kind: kind, Cloud: map[string]string{"azure": AnyCloud, "m365": AnyCloud}[kind], File: "-"})
}

// TestMisplaced: a good file of one kind is refused as another, with what it is and what
// to do with it.
func TestMisplaced(t *testing.T) {
	azureFile := `{"changeNumber": 7, "cloud": "Public", "values": [{"name": "A", "properties": {"addressPrefixes": ["33.0.0.0/24"]}}]}`
	m365File := `[{"id": 1, "serviceArea": "Exchange", "category": "Optimize", "required": true, "ips": ["33.0.0.0/24"]}]`
	const api, noAPI = "what Azure's API answers", "leave --feed out"
	for _, tt := range []struct{ file, kind, what, fix string }{
		{azureFile, "m365", "Azure's Service Tags", `kind "azure"`},
		{azureFile, "text", "Azure's Service Tags", `kind "azure"`},
		{m365File, "azure", "endpoints of Microsoft 365", `kind "m365"`},
		{m365File, "text", "endpoints of Microsoft 365", `kind "m365"`},
		{"# partners\n33.0.0.0/24\n", "azure", "a list of addresses", `kind "text"`},
		{"33.0.0.0 255.255.255.0\n", "m365", "a list of addresses", `kind "text"`},
		{`{"syncToken": "1", "createDate": "x", "prefixes": [{"ip_prefix": "33.0.0.0/24"}], "ipv6_prefixes": []}`, "azure", "AWS' ip-ranges.json", "jq -r"},
		{`{"syncToken": "1", "createDate": "x", "prefixes": [{"ip_prefix": "33.0.0.0/24"}], "ipv6_prefixes": []}`, "text", "AWS' ip-ranges.json", "jq -r"},
		{`{"syncToken": "1", "creationTime": "x", "prefixes": []}`, "m365", "Google", ".ipv4Prefix"},
		{`{"last_updated_timestamp": "x", "regions": []}`, "text", "Oracle", "cidrs"},
		{`{"verifiable_password_authentication": false, "hooks": [], "web": [], "api": [], "git": []}`, "text", "GitHub", ".web[]"},
		{`{"addresses": [], "ipv6_addresses": []}`, "text", "Fastly", ".addresses[]"},
		{strings.Replace(azureFile, "7", `"7", "type": "Microsoft.Network/serviceTags", "nextLink": null`, 1), "azure", api, noAPI},
		{`{"Name": "Public", "ChangeNumber": "7", "Cloud": "Public", "Values": []}`, "azure", api, noAPI},
		{`[{"Name": "A", "Id": "A", "Properties": "Microsoft.Azure.Commands.Network.Models.PSNetworkServiceTagProperties"}]`, "azure", api, noAPI},
	} {
		_, err := open(t, tt.kind, tt.file)
		var e *fetch.Error
		if !errors.As(err, &e) || !strings.Contains(e.Err.Error(), tt.what) || !strings.Contains(e.Hint, tt.fix) {
			t.Errorf("%.60s as %s: %v, want %q and %q", tt.file, tt.kind, err, tt.what, tt.fix)
		}
	}
	// What is damaged, or nothing that is known, is refused for what is wrong with it.
	for _, tt := range []struct{ file, kind, want string }{
		{azureFile[:len(azureFile)-9], "azure", "ends too early"},
		{m365File[:len(m365File)-1], "m365", "ends too early"},
		{`{"a": 1}`, "azure", `no "cloud"`},
		{`{"a": 1}`, "text", "no prefix"},
		{"hello\n", "azure", "malformed JSON"},
		{"<html>", "azure", "web page"},
		{strings.Repeat("x", 2000), "azure", "malformed JSON"},
		{strings.Repeat("#\n", 200) + "33.0.0.0/24\n", "azure", "malformed JSON"},
	} {
		if _, err := open(t, tt.kind, tt.file); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.60s as %s: %v, want %q", tt.file, tt.kind, err, tt.want)
		}
	}
}

// TestMisplacedReal: what the messages say to do with real files works.
func TestMisplacedReal(t *testing.T) {
	for file, kinds := range map[string][]string{
		"aws/ip-ranges-20260506.json": {"azure", "m365", "text"}, "gcp/cloud-20260505.json": {"azure", "m365", "text"},
		"m365/endpoints-worldwide-older.json": {"azure", "text"}, "azure/ServiceTags_AzureGermany_20220307.json": {"m365", "text"},
	} {
		data := realfeed.Read(t, file)
		for _, kind := range kinds {
			_, err := open(t, kind, string(data))
			var e *fetch.Error
			if !errors.As(err, &e) || !strings.Contains(e.Err.Error(), "it is ") {
				t.Fatalf("%s as %s: %v", file, kind, err)
			}
			if other := quotedKind(e.Hint); strings.HasPrefix(e.Hint, "pass it") {
				if _, err := open(t, other, string(data)); err != nil {
					t.Errorf("%s as %s, as was said: %v", file, other, err)
				}
				continue
			}
			_, rest, _ := strings.Cut(e.Hint, "jq -r '")
			script, _, ok := strings.Cut(rest, "'")
			if !ok {
				t.Fatalf("%s: %s", file, e.Hint)
			}
			cmd := exec.Command(need.Program(t, "jq"), "-r", script)
			cmd.Stdin = bytes.NewReader(data)
			list, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			f, err := open(t, "text", string(list))
			if err != nil {
				t.Fatal(err)
			}
			if s, _ := f.Catalog.Set(text.All); len(fmt.Sprint(s)) < 2_000 {
				t.Errorf("%s becomes %.60v", file, s)
			}
		}
	}
}

func quotedKind(hint string) string {
	_, rest, _ := strings.Cut(hint, `kind "`)
	kind, _, _ := strings.Cut(rest, `"`)
	return kind
}

// FuzzMisplaced: whatever the file, it is known as nothing or as one thing.
func FuzzMisplaced(f *testing.F) {
	for _, s := range []string{`{"values":[],"cloud":""}`, `[{"id":1,"serviceArea":"x"}]`, "10.0.0.0/8\n", "[", "{\"a\"", "\x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for kind := range wanted {
			if err := misplaced(data, kind); err != nil && !strings.HasPrefix(err.Error(), "it is ") {
				t.Errorf("%v", err)
			}
		}
	})
}
