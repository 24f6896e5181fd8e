// Package sizing does the planning sums for calls: bandwidth by kind of media, public
// addresses of a NAT, and the state that firewalls keep, from the number of users, how
// many of them are in calls at the peak, and what kinds of calls those are.
//
// It is arithmetic on documented figures (Figures) and on assumptions that the result
// lists (Result.Assumptions). docs/size.md explains each formula. Everything is pure.
package sizing

import (
	"fmt"
	"math"
	"time"
)

// Input is what is planned for. Defaults has values for all but Users.
type Input struct {
	Users       int
	Devices     float64 // for each user
	Concurrency float64 // part of users in a call at the peak, 0 to 1
	SDK         SDK
	Mix         []Share // parts of the calls; together 1
	Direct      float64 // part of the legs of calls of two whose media stay inside, 0 to 1
	Headroom    float64 // part of the bandwidth to add, 0 or more

	// NAT, for TCP and UDP separately: see NAT.
	Reserved           int // ports of a public address that NAT cannot use
	TCPPorts, UDPPorts int // at the peak: for each device, and for each device in a call
	Margin             int // ports to add for each device; 4 at least

	// State that firewalls keep.
	CallLength time.Duration // of an average call
	UDPTimeout time.Duration // how long a flow is kept after its last packet
	JoinWithin time.Duration // in which all calls of the peak may begin
}

// Defaults are the figures of the documentation where there are some, and else
// assumptions.
func Defaults() Input {
	return Input{
		Devices: 1, Concurrency: 0.2, SDK: JavaScript,
		Mix:      []Share{{PeerAudio, 0.4}, {GroupAudio, 0.2}, {Group360, 0.25}, {Group720, 0.05}, {PeerSharing, 0.1}},
		Reserved: 4000, TCPPorts: 6, UDPPorts: 6, Margin: 4,
		CallLength: 10 * time.Minute, UDPTimeout: 120 * time.Second, JoinWithin: time.Minute,
	}
}

// InputError is a value that makes no sense. Field is the name in Input.
type InputError struct{ Field, Problem string }

func (e *InputError) Error() string { return e.Field + ": " + e.Problem }

// natPorts is how many ports of a public address the documented formula begins with.
const natPorts = 64_000

// bounds of what is planned, far beyond any site: sums stay exact.
const (
	maxUsers = 100_000_000
	maxPorts = 1_000
)

func (in *Input) check() error {
	bad := func(field, format string, args ...any) error {
		return &InputError{field, fmt.Sprintf(format, args...)}
	}
	part := func(v float64) bool { return v >= 0 && v <= 1 } // false for NaN
	switch {
	case in.Users < 1 || in.Users > maxUsers:
		return bad("Users", "choose 1 to %d", maxUsers)
	case !(in.Devices > 0 && in.Devices <= 100):
		return bad("Devices", "choose more than 0 and at most 100 for each user")
	case !(in.Concurrency > 0 && in.Concurrency <= 1):
		return bad("Concurrency", "choose more than 0 and at most 100 %%")
	case in.SDK != JavaScript && in.SDK != Native:
		return bad("SDK", "choose %s or %s", JavaScript, Native)
	case !part(in.Direct):
		return bad("Direct", "choose 0 to 100 %%")
	case !(in.Headroom >= 0 && in.Headroom <= 10):
		return bad("Headroom", "choose 0 to 1000 %%")
	case in.Reserved < 0 || in.Reserved >= natPorts:
		return bad("Reserved", "choose 0 to %d ports", natPorts-1)
	case in.TCPPorts < 0 || in.TCPPorts > maxPorts:
		return bad("TCPPorts", "choose 0 to %d", maxPorts)
	case in.UDPPorts < 1 || in.UDPPorts > maxPorts:
		return bad("UDPPorts", "choose 1 to %d", maxPorts)
	case in.Margin < 4 || in.Margin > maxPorts:
		return bad("Margin", "the documentation asks for 4 at least; choose 4 to %d", maxPorts)
	case in.natFits(in.TCPPorts) < 1:
		return bad("Reserved", "%d ports are left of an address, too few for one device of %d and %d", natPorts-in.Reserved, in.TCPPorts, in.Margin)
	case in.natFits(in.UDPPorts) < 1:
		return bad("Reserved", "%d ports are left of an address, too few for one device of %d and %d", natPorts-in.Reserved, in.UDPPorts, in.Margin)
	case in.CallLength < time.Second || in.CallLength > 24*time.Hour:
		return bad("CallLength", "choose 1 s to 24 h")
	case in.UDPTimeout < 0 || in.UDPTimeout > 24*time.Hour:
		return bad("UDPTimeout", "choose 0 to 24 h")
	case in.JoinWithin < time.Second || in.JoinWithin > 24*time.Hour:
		return bad("JoinWithin", "choose 1 s to 24 h")
	}
	return checkMix(in.Mix)
}

func checkMix(mix []Share) error {
	sum, seen := 0.0, map[Kind]bool{}
	for _, s := range mix {
		switch {
		case !s.Kind.known():
			return &InputError{"Mix", fmt.Sprintf("no kind of call is called %q: choose from %s", s.Kind, kindList())}
		case seen[s.Kind]:
			return &InputError{"Mix", fmt.Sprintf("%s is given twice", s.Kind)}
		case !(s.Part >= 0 && s.Part <= 1):
			return &InputError{"Mix", fmt.Sprintf("%s: choose 0 to 100 %%", s.Kind)}
		}
		seen[s.Kind] = true
		sum += s.Part
	}
	if math.Abs(sum-1) > 1e-6 {
		return &InputError{"Mix", fmt.Sprintf("the shares add up to %.4g %%, and have to add up to 100 %%", 100*sum)}
	}
	return nil
}

// natFits is how many devices with so many ports fit behind one public address.
//
// source: Microsoft Learn, NAT support with Microsoft 365 (docs/acs.md, source 8):
// devices = (64,000 - restricted ports) / (peak port consumption + peak factor), with a
// factor of 4 at least. Its example: (64,000 - 4,000) / (6 + 4) = 6,000.
func (in *Input) natFits(ports int) int { return (natPorts - in.Reserved) / (ports + in.Margin) }
