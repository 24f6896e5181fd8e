package sizing_test

import (
	"fmt"

	"sallyport/verifier/sizing"
)

// A site of 500 people, of whom 100 are in calls at the peak.
func ExampleSize() {
	in := sizing.Defaults()
	in.Users = 500
	in.Mix = []sizing.Share{{Kind: sizing.PeerAudio, Part: 0.5}, {Kind: sizing.Group360, Part: 0.5}}
	r, err := sizing.Size(in)
	if err != nil {
		panic(err)
	}
	fmt.Println(r.Bandwidth.Up, "kbit/s,", r.Addresses, "public address,", r.State.Sessions, "sessions")
	// Output: 27000 kbit/s, 1 public address, 3720 sessions
}
