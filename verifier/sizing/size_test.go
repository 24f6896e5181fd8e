package sizing

import (
	"errors"
	"math"
	"testing"
	"time"
)

func input(change func(*Input)) Input {
	in := Defaults()
	in.Users = 1000
	change(&in)
	return in
}

// TestByHand compares with sums done by hand.
func TestByHand(t *testing.T) {
	r, err := Size(input(func(in *Input) { in.Headroom = 0.5 }))
	if err != nil {
		t.Fatal(err)
	}
	// 200 legs: 80 and 40 of audio at 40, 50 and 10 of video at 500 and 1,200, 20 of
	// sharing at 500: 3,200 + 1,600 + 25,000 + 12,000 + 10,000.
	if r.Legs != 200 || r.Bandwidth != (Rate{77_700, 77_700}) {
		t.Errorf("%d legs, %+v", r.Legs, r.Bandwidth)
	}
	legs := map[Kind]int{PeerAudio: 80, GroupAudio: 40, Group360: 50, Group720: 10, PeerSharing: 20}
	if len(r.Calls) != len(legs) {
		t.Errorf("%+v", r.Calls)
	}
	for _, c := range r.Calls {
		if c.Legs != legs[c.Kind] || c.Outside != c.Legs {
			t.Errorf("%+v", c)
		}
	}
	for _, m := range r.Media {
		// Audio is in all 200 legs: 8,000. Video is the rest of 60, sharing of 20.
		want := map[string]int{"audio": 8000, "video": 50*460 + 10*1160, "sharing": 20 * 460}[m.Kind]
		if m.Rate != (Rate{want, want}) {
			t.Errorf("%+v, want %d", m, want)
		}
	}
	// 6,000 TCP connections, 1,200 flows, and 1,200 / 600 s * 120 s of ended calls.
	want := State{TCP: 6000, UDP: 1200, Lingering: 240, Sessions: 7440, Conntrack: 7440, Suggested: 16384, PerSecond: 2, JoinSecond: 20}
	if r.State != want {
		t.Errorf("%+v, want %+v", r.State, want)
	}
}

// TestMediaAddUp: the media are all of the calls, whatever is asked.
func TestMediaAddUp(t *testing.T) {
	for _, sdk := range []SDK{JavaScript, Native} {
		for users := 1; users < 3000; users = users*3 + 1 {
			var mix []Share
			for _, f := range Figures() {
				mix = append(mix, Share{f.Kind, 1 / float64(len(Figures()))})
			}
			r, err := Size(input(func(in *Input) { in.Users, in.Mix, in.SDK, in.Direct = users, mix, sdk, 0.3 }))
			if err != nil {
				t.Fatal(err)
			}
			var calls, media Rate
			legs := 0
			for _, c := range r.Calls {
				calls, legs = calls.plus(c.Rate), legs+c.Legs
				if c.Outside > c.Legs || c.Outside < 0 {
					t.Errorf("%+v", c)
				}
			}
			for _, m := range r.Media {
				media = media.plus(m.Rate)
			}
			if calls != media || calls != r.Bandwidth || legs != r.Legs {
				t.Errorf("%d users: calls %+v, media %+v, all %+v, %d of %d legs", users, calls, media, r.Bandwidth, legs, r.Legs)
			}
		}
	}
}

func TestNative(t *testing.T) {
	r, err := Size(input(func(in *Input) {
		in.SDK, in.Concurrency, in.Mix = Native, 1, []Share{{Group360, 0.5}, {Group720, 0.5}}
	}))
	if err != nil || r.Bandwidth != (Rate{500*500 + 500*1000, 500*1000 + 500*2000}) {
		t.Errorf("%v %+v", err, r)
	}
}

// TestDirect: calls of two may stay inside, groups never do.
func TestDirect(t *testing.T) {
	r, err := Size(input(func(in *Input) {
		in.Direct, in.Mix = 1, []Share{{PeerAudio, 0.5}, {GroupAudio, 0.5}}
	}))
	if err != nil || r.Bandwidth != (Rate{4000, 4000}) {
		t.Errorf("%v %+v", err, r)
	}
}

// TestNAT has the documentation's example, and the edges of an address.
func TestNAT(t *testing.T) {
	for _, c := range []struct {
		users, reserved, ports, margin int
		per, addresses                 int
	}{
		{6000, 4000, 6, 4, 6000, 1}, // the documentation's example
		{6001, 4000, 6, 4, 6000, 2},
		{1, 4000, 6, 4, 6000, 1},
		{100, 0, 8, 4, 5333, 1},
		{20_000, 0, 0, 4, 16_000, 0}, // who uses no port needs no address
		{3, 63_990, 6, 4, 1, 3},
	} {
		r, err := Size(input(func(in *Input) {
			in.Users, in.Reserved, in.TCPPorts, in.Margin = c.users, c.reserved, c.ports, c.margin
		}))
		if err != nil || r.TCP.PerAddress != c.per || r.TCP.Addresses != c.addresses {
			t.Errorf("%+v: %v %+v", c, err, r)
		}
	}
	// UDP is for those in calls, and may be what decides.
	r, err := Size(input(func(in *Input) { in.Users, in.Concurrency, in.UDPPorts = 6000, 1, 26 }))
	if err != nil || r.TCP.Addresses != 1 || r.UDP.PerAddress != 2000 || r.UDP.Addresses != 3 || r.Addresses != 3 {
		t.Errorf("%v %+v", err, r)
	}
}

func TestSpread(t *testing.T) {
	third := 1.0 / 3
	for _, c := range []struct {
		n    int
		mix  []Share
		want []int
	}{
		{10, []Share{{"a", third}, {"b", third}, {"c", third}}, []int{4, 3, 3}},
		{1, []Share{{"a", 0.4}, {"b", 0.6}}, []int{0, 1}},
		{30, []Share{{"a", 0.1}, {"b", 0.9}}, []int{3, 27}},
		{0, []Share{{"a", 1}}, []int{0}},
		{7, []Share{{"a", 0}, {"b", 1}}, []int{0, 7}},
	} {
		got := spread(c.n, c.mix)
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%d by %v: %v, want %v", c.n, c.mix, got, c.want)
				break
			}
		}
	}
}

func TestMistakes(t *testing.T) {
	for field, changes := range map[string][]func(*Input){
		"Users":       {func(in *Input) { in.Users = 0 }, func(in *Input) { in.Users = -5 }, func(in *Input) { in.Users = 1e9 }},
		"Devices":     {func(in *Input) { in.Devices = 0 }, func(in *Input) { in.Devices = math.NaN() }, func(in *Input) { in.Devices = math.Inf(1) }},
		"Concurrency": {func(in *Input) { in.Concurrency = 0 }, func(in *Input) { in.Concurrency = 1.01 }, func(in *Input) { in.Concurrency = math.NaN() }},
		"SDK":         {func(in *Input) { in.SDK = "cobol" }},
		"Direct":      {func(in *Input) { in.Direct = -0.1 }},
		"Headroom":    {func(in *Input) { in.Headroom = -0.1 }},
		"Reserved":    {func(in *Input) { in.Reserved = 64_000 }, func(in *Input) { in.Reserved = 63_995 }},
		"TCPPorts":    {func(in *Input) { in.TCPPorts = -1 }},
		"UDPPorts":    {func(in *Input) { in.UDPPorts = 0 }},
		"Margin":      {func(in *Input) { in.Margin = 3 }},
		"CallLength":  {func(in *Input) { in.CallLength = 0 }},
		"UDPTimeout":  {func(in *Input) { in.UDPTimeout = -time.Second }},
		"JoinWithin":  {func(in *Input) { in.JoinWithin = 0 }},
		"Mix": {
			func(in *Input) { in.Mix = nil },
			func(in *Input) { in.Mix = []Share{{"video", 1}} },
			func(in *Input) { in.Mix = []Share{{PeerAudio, 0.9}} },
			func(in *Input) { in.Mix = []Share{{PeerAudio, 1.5}, {GroupAudio, -0.5}} },
			func(in *Input) { in.Mix = []Share{{PeerAudio, 0.5}, {PeerAudio, 0.5}} },
			func(in *Input) { in.Mix = []Share{{PeerAudio, math.NaN()}} },
		},
	} {
		for i, change := range changes {
			var wrong *InputError
			if r, err := Size(input(change)); !errors.As(err, &wrong) || wrong.Field != field {
				t.Errorf("%s, mistake %d: %v %+v", field, i, err, r)
			}
		}
	}
}

// TestAssumptions: what is given is said to be, and what is documented has a source.
func TestAssumptions(t *testing.T) {
	r, err := Size(input(func(in *Input) { in.CallLength = time.Hour }))
	if err != nil {
		t.Fatal(err)
	}
	given := 0
	for _, a := range r.Assumptions {
		if (a.Basis == Documented) != (a.Source != "") {
			t.Errorf("%+v", a)
		}
		if a.Basis == Given {
			given++
			if a.Name != "length of a call" || a.Value != "60 min" {
				t.Errorf("%+v", a)
			}
		}
		if a.Name == "" || a.Value == "" || a.Basis == "" {
			t.Errorf("%+v", a)
		}
	}
	if given != 1 {
		t.Errorf("%d are given", given)
	}
}
