// Package m365 reads the endpoints of Microsoft 365: the addresses and host
// names of Teams, Exchange, SharePoint and what they share, in numbered sets
// that each come with their own ports.
//
// [Decode] turns the answer of the web service into a catalog. It is strict,
// because what it lets through ends up in firewalls: an answer with one wrong
// prefix or port is refused as a whole, with every mistake named by line and
// set. The package does no I/O: [EndpointsURL] and [VersionURL] say what to ask
// for, and [DecodeVersion] reads the answer that tells whether anything is new.
//
// The tags of the catalog are
//
//	11                       each set by its number, with its ports and names
//	Teams                    all sets of a service area
//	Optimize                 all sets of a category
//	required                 all sets that the service calls required
//	Teams.Optimize.required  these words together, in this order
//
// The web service calls the area of Teams "Skype", as it was when it began; its tags
// are called Teams. The field Service of a numbered tag is the narrowest tag that holds
// it. Tags that unite sets name them as their parts; [catalog.Catalog.Ports] says which
// ports they have.
//
// Source: "Office 365 IP address and URL web service",
// https://learn.microsoft.com/microsoft-365/enterprise/microsoft-365-ip-web-service
package m365

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

// Poll is how often the web service wants to be asked at most, and how long it
// wants to be left alone after an answer of 429.
const Poll = time.Hour

// Instance is one of the separate clouds that the web service speaks for.
type Instance struct {
	Name  string // in policies: "worldwide"
	Word  string // in addresses and answers: "Worldwide"
	Title string // for people
}

// Instances lists the instances, the usual one first; do not change it.
var Instances = []Instance{
	{"worldwide", "Worldwide", "Microsoft 365 worldwide, GCC included"},
	{"usgovdod", "USGOVDoD", "Microsoft 365 US Government DoD"},
	{"usgovgcchigh", "USGOVGCCHigh", "Microsoft 365 US Government GCC High"},
	{"china", "China", "Microsoft 365 operated by 21Vianet"},
}

// FindInstance returns the instance with that name in policies. The error lists
// the names there are.
func FindInstance(name string) (Instance, error) {
	var names []string
	for _, i := range Instances {
		if i.Name == name {
			return i, nil
		}
		names = append(names, i.Name)
	}
	return Instance{}, fmt.Errorf("no Microsoft 365 instance %q: choose one of %s", name, strings.Join(names, ", "))
}

const service = "https://endpoints.office.com"

// EndpointsURL is where the endpoints of the instance are. requestID is what
// [NewRequestID] makes.
func (i Instance) EndpointsURL(requestID string) string {
	return service + "/endpoints/" + i.Word + "?clientrequestid=" + requestID
}

// VersionURL is where the number of the current version is.
func (i Instance) VersionURL(requestID string) string {
	return service + "/version/" + i.Word + "?clientrequestid=" + requestID
}

// NewRequestID returns a new random UUID (RFC 9562, version 4). The web service
// wants one with every request; a random one tells it nothing of the machine.
func NewRequestID() string {
	var b [16]byte
	rand.Read(b[:]) // documented never to fail
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// DecodeVersion reads the answer of [Instance.VersionURL] and returns the
// number of the current version: a date and two digits, "2026112300".
func (i Instance) DecodeVersion(data []byte) (string, error) {
	var answer struct {
		Instance string `json:"instance"`
		Latest   string `json:"latest"`
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return "", errors.New(`the answer is not {"instance": ..., "latest": ...}`)
	}
	if !strings.EqualFold(answer.Instance, i.Word) {
		return "", fmt.Errorf("the answer is about instance %s, not %s", quoted(answer.Instance, 40), i.Word)
	}
	day := answer.Latest[:min(8, len(answer.Latest))]
	if _, err := time.Parse("20060102", day); err != nil || len(answer.Latest) != 10 || !digits(answer.Latest) {
		return "", fmt.Errorf("%s is not a version: a date and two digits", quoted(answer.Latest, 40))
	}
	return answer.Latest, nil
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
