package sizing

import (
	"slices"
	"strings"
)

// SDK is what the clients are made with; the documentation has figures for each.
type SDK string

const (
	JavaScript SDK = "javascript"
	Native     SDK = "native" // Windows, Android and iOS
)

// Kind is a kind of call, as one participant's leg of it.
type Kind string

const (
	PeerAudio   Kind = "peer-audio"
	PeerSharing Kind = "peer-sharing" // audio and screen sharing
	Peer360     Kind = "peer-360p"
	Peer720     Kind = "peer-720p"
	Peer1080    Kind = "peer-1080p"
	GroupAudio  Kind = "group-audio"
	Group360    Kind = "group-360p"
	Group720    Kind = "group-720p"
)

// Share is the part of all call legs that are of a kind.
type Share struct {
	Kind Kind
	Part float64 // of 1
}

// Rate is bandwidth in kbit/s.
type Rate struct {
	Up   int `json:"up"`
	Down int `json:"down"`
}

// Figure is the documented bandwidth of one leg.
type Figure struct {
	Kind  Kind
	Title string
	Rates map[SDK]Rate
	// Beside is what the leg carries beside audio: "video", "sharing", or "".
	Beside string
	peer   bool // of a call of two, which may go straight from one to the other
}

// Source of the figures, read on 2026-11-23 from stored copies of the page. Where it gives
// two numbers for native group calls, they are taken as up and down. It has none for
// audio in groups: the leg of each participant carries one stream each way, as with two.
const Source = "Microsoft Learn, Azure Communication Services, Network recommendations, https://learn.microsoft.com/azure/communication-services/concepts/voice-video-calling/network-requirements"

// Figures are the documented bandwidths of all kinds, in the order in which they are
// shown.
func Figures() []Figure {
	both := func(javascript, native int) map[SDK]Rate {
		return map[SDK]Rate{JavaScript: {javascript, javascript}, Native: {native, native}}
	}
	return []Figure{
		{PeerAudio, "audio, two people", both(40, 30), "", true},
		{PeerSharing, "audio and screen sharing, two people", both(500, 130), "sharing", true},
		{Peer360, "video 360p, two people", both(500, 500), "video", true},
		{Peer720, "video 720p, two people", both(1200, 1200), "video", true},
		{Peer1080, "video 1080p, two people", both(1500, 1500), "video", true},
		{GroupAudio, "audio, group", both(40, 30), "", false},
		{Group360, "video 360p, group", map[SDK]Rate{JavaScript: {500, 500}, Native: {500, 1000}}, "video", false},
		{Group720, "video 720p or HD, group", map[SDK]Rate{JavaScript: {1200, 1200}, Native: {1000, 2000}}, "video", false},
	}
}

func (k Kind) known() bool {
	return slices.ContainsFunc(Figures(), func(f Figure) bool { return f.Kind == k })
}

func kindList() string {
	var names []string
	for _, f := range Figures() {
		names = append(names, string(f.Kind))
	}
	return strings.Join(names, ", ")
}
