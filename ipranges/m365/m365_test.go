package m365

import (
	"net/url"
	"regexp"
	"strings"
	"testing"
)

var uuid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func TestRequestID(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		id := NewRequestID()
		if !uuid.MatchString(id) || seen[id] {
			t.Fatalf("%s is no random UUID, or came before", id)
		}
		seen[id] = true
	}
}

func TestAddresses(t *testing.T) {
	for _, i := range Instances {
		if got, err := FindInstance(i.Name); err != nil || got != i {
			t.Errorf("%s: %+v, %v", i.Name, got, err)
		}
		for want, link := range map[string]string{"/endpoints/" + i.Word: i.EndpointsURL("x"), "/version/" + i.Word: i.VersionURL("x")} {
			u, err := url.Parse(link)
			if err != nil || u.Scheme != "https" || u.Host != "endpoints.office.com" || u.Path != want || u.Query().Get("clientrequestid") != "x" {
				t.Errorf("%s: %v, want the path %s", link, err, want)
			}
		}
	}
	if _, err := FindInstance("Worldwide"); err == nil || !strings.Contains(err.Error(), "worldwide, usgovdod, usgovgcchigh, china") {
		t.Errorf("an unknown instance: %v", err)
	}
}

func TestDecodeVersion(t *testing.T) {
	world := Instances[0]
	for answer, want := range map[string]string{
		`{"instance": "Worldwide", "latest": "2026112300"}`:                                 "2026112300",
		`{"latest":"2024022901","instance":"WORLDWIDE","versions":["2024022901"],"x":null}`: "2024022901",
	} {
		if got, err := world.DecodeVersion([]byte(answer)); err != nil || got != want {
			t.Errorf("%s: %q, %v", answer, got, err)
		}
	}
	for answer, text := range map[string]string{
		``:                           "latest",
		`<html>`:                     "latest",
		`[]`:                         "latest",
		`[{"instance":"Worldwide"}]`: "latest",
		`{"instance":"China","latest":"2026112300"}`:                           "China",
		`{"instance":"\u001b[31m","latest":"2026112300"}`:                      `\x1b`,
		`{"instance":"Worldwide"}`:                                             "not a version",
		`{"instance":"Worldwide","latest":"20261123"}`:                         "not a version",
		`{"instance":"Worldwide","latest":"2026112x00"}`:                       "not a version",
		`{"instance":"Worldwide","latest":"20261123x0"}`:                       "not a version",
		`{"instance":"Worldwide","latest":"2026133100"}`:                       "not a version",
		`{"instance":"Worldwide","latest":2026112300}`:                         "latest",
		`{"instance":"Worldwide","latest":"2026112300"} {}`:                    "latest",
		`{"instance":"Worldwide","latest":"` + strings.Repeat("2", 999) + `"}`: "not a version",
	} {
		got, err := world.DecodeVersion([]byte(answer))
		if err == nil || got != "" || !strings.Contains(err.Error(), text) || len(err.Error()) > 200 {
			t.Errorf("%.60s: %q, %v, want %q", answer, got, err, text)
		}
	}
}
