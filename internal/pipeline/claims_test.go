package pipeline

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/diag"
)

const twoMerges = `
set "media" {
  include = ["203.0.114.0/24", "2a01:111:f400::/48"]
}
service "media" {
  udp = ["3478-3481"]
}
rule "calls" {
  action   = "allow"
  to       = set.media
  services = [service.media]
}
target "pfsense" "one" {
  form      = "merge"
  config    = "config.xml"
  interface = "lan"
  prefix    = "one"
  before    = "LAN to the web servers"
}
target "pfsense" "two" {
  form      = "merge"
  config    = "./config.xml"
  interface = "lan"
  prefix    = "two"
  before    = "LAN to the web servers"
}
`

// TestTwoMergesOfOneFile holds that two targets cannot both begin with one file: each
// output would lack the other's part.
func TestTwoMergesOfOneFile(t *testing.T) {
	data, err := os.ReadFile("../../renderers/pfsense/testdata/config.xml")
	if err != nil {
		t.Fatal(err)
	}
	for file, both := range map[string]bool{"./config.xml": true, "other.xml": false} {
		req := request(t, strings.Replace(twoMerges, "./config.xml", file, 1))
		for _, name := range []string{"config.xml", "other.xml"} {
			if err := os.WriteFile(filepath.Join(filepath.Dir(req.Policy), name), data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got := complaints(run(t, req), diag.Error)
		if strings.Contains(got, "targets one and two both take") != both {
			t.Errorf("%s: %q", file, got)
		}
		if got := complaints(run(t, req, "two"), diag.Error); strings.Contains(got, "both take") != both {
			t.Errorf("%s, one of them rendered: %q", file, got)
		}
	}
}

// TestFileClaims holds that every form which begins with a file of the user's says so to
// the pipeline.
func TestFileClaims(t *testing.T) {
	profile, err := os.ReadFile("../../renderers/azurevpn/testdata/azurevpnconfig.xml")
	if err != nil {
		t.Fatal(err)
	}
	target := func(name string) string {
		return "target \"azurevpn\" \"" + name + "\" {\n  form = \"merge\"\n  config = \"profile.xml\"\n  families = [\"ipv4\"]\n  bypass = [\"203.0.114.0/24\"]\n}\n"
	}
	req := request(t, target("one")+target("two"))
	if err := os.WriteFile(filepath.Join(filepath.Dir(req.Policy), "profile.xml"), profile, 0o644); err != nil {
		t.Fatal(err)
	}
	if got := complaints(run(t, req), diag.Error); !strings.Contains(got, "targets one and two both take profile.xml") {
		t.Errorf("%q", got)
	}
}
