package feeds

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"sallyport/internal/fetch"
	"sallyport/ipranges"
)

// A file that a decoder refuses may be a good file of something else. Then the message
// says what it is and what to do with it, instead of listing its mistakes as a file of
// the expected kind.

// published is a file that is known by its outermost members.
type published struct {
	what  string   // the file, for people
	kind  string   // the kind of feed that takes it; "": none does
	array bool     // an array of objects with these members, instead of an object
	keys  []string // all of them must be there
	fix   string   // what to do with it, if kind is ""
}

// asList says what to do with a file that jq can turn into a list.
func asList(jq string) string {
	return fmt.Sprintf(`make a list of it with jq -r '%s' FILE > list.txt, and pass that to a feed of kind "text"`, jq)
}

// apiFix is what to do instead of asking Azure's API. It counts its changes on its own and
// lags the file: it was seen at 68 when the file was at 135 (February 2021), and at 73 when
// it was at 149 (May 2021).
//
// https://github.com/MicrosoftDocs/azure-docs/issues/70856,
// https://github.com/MicrosoftDocs/azure-docs/issues/75899
const apiFix = "pass the file of the download page (docs/feeds.md lists the pages), or leave --feed out and it is fetched"

// files are those that people have at hand (2026-11). The first that fits is taken.
var files = []published{
	{what: "what Azure's API answers (az network list-service-tags, Get-AzNetworkServiceTag), which lags the published file and counts its changes on its own", keys: []string{"values", "cloud", "type"}, fix: apiFix},
	{what: "what Azure's API answers (Get-AzNetworkServiceTag), which lags the published file and counts its changes on its own", keys: []string{"Values", "Cloud"}, fix: apiFix},
	{what: "what Azure's API answers, the values alone, which lag the published file", array: true, keys: []string{"Name", "Properties"}, fix: apiFix},
	{what: "what Azure's API answers, the values alone, which lag the published file", array: true, keys: []string{"name", "properties", "id"}, fix: apiFix},
	{what: "Azure's Service Tags", kind: "azure", keys: []string{"values", "cloud"}},
	{what: "the endpoints of Microsoft 365", kind: "m365", array: true, keys: []string{"id", "serviceArea"}},
	{what: "AWS' ip-ranges.json", keys: []string{"syncToken", "createDate", "prefixes", "ipv6_prefixes"}, fix: asList(".prefixes[].ip_prefix, .ipv6_prefixes[].ipv6_prefix")},
	{what: "a list of Google's (cloud.json, goog.json)", keys: []string{"syncToken", "creationTime", "prefixes"}, fix: asList(".prefixes[] | .ipv4Prefix // .ipv6Prefix")},
	{what: "Oracle's public_ip_ranges.json", keys: []string{"last_updated_timestamp", "regions"}, fix: asList(".regions[].cidrs[].cidr")},
	{what: "GitHub's list of addresses (api.github.com/meta)", keys: []string{"hooks", "web", "git"}, fix: asList(".web[]") + ", with the member that you mean"},
	{what: "Fastly's list of addresses", keys: []string{"addresses", "ipv6_addresses"}, fix: asList(".addresses[], .ipv6_addresses[]")},
	{what: "Atlassian's ip-ranges.json", keys: []string{"creationDate", "syncToken", "items"}, fix: asList(".items[].cidr")},
}

// misplaced returns the error for a file that is refused as one kind and recognised as
// something else, or nil.
func misplaced(raw []byte, kind string) error {
	array, keys, ok := outline(raw)
	if !ok {
		if kind == "text" || !startsAsList(raw) {
			return nil
		}
		return fetch.WithHint(fmt.Errorf("it is a list of addresses, and not %s", wanted[kind]), `pass it to a feed of kind "text"`)
	}
	for _, p := range files {
		if p.array != array || !containsAll(keys, p.keys) {
			continue
		}
		switch p.kind {
		case kind:
			return nil // a damaged one
		case "":
			return fetch.WithHint(fmt.Errorf("it is %s, and not %s", p.what, wanted[kind]), p.fix)
		}
		return fetch.WithHint(fmt.Errorf("it is %s, and not %s", p.what, wanted[kind]), fmt.Sprintf("pass it to a feed of kind %q", p.kind))
	}
	return nil
}

// wanted is what a kind of feed takes, for people.
var wanted = map[string]string{
	"azure": "the Service Tags that Azure publishes as a file", "m365": "the endpoints of Microsoft 365", "text": "a list of addresses",
}

func containsAll(keys map[string]bool, want []string) bool {
	for _, k := range want {
		if !keys[k] {
			return false
		}
	}
	return true
}

// maxOutline is how many members are looked at.
const maxOutline = 64

// outline reads the names of the members of a file's object, or of the first object of its
// array, as far as they are well formed.
func outline(raw []byte) (array bool, keys map[string]bool, ok bool) {
	dec := jsontext.NewDecoder(bytes.NewBuffer(raw))
	if dec.PeekKind() == '[' {
		array = true
		if _, err := dec.ReadToken(); err != nil {
			return array, nil, false
		}
	}
	if dec.PeekKind() != '{' {
		return array, nil, false
	}
	keys = map[string]bool{}
	_, err := dec.ReadToken()
	for err == nil && dec.PeekKind() == '"' && len(keys) < maxOutline {
		var key jsontext.Token
		if key, err = dec.ReadToken(); err == nil {
			keys[strings.Clone(key.String())] = true
			err = dec.SkipValue()
		}
	}
	return array, keys, true
}

// startsAsList reports whether the first line that is not empty is a line of a list.
func startsAsList(raw []byte) bool {
	for range maxOutline {
		line, rest, more := bytes.Cut(raw, []byte("\n"))
		if len(line) > 1000 {
			return false
		}
		if _, entry, err := ipranges.ParseLine(string(line), ipranges.ReadOptions{}); err != nil || entry {
			return entry
		}
		if !more {
			return false
		}
		raw = rest
	}
	return false
}
