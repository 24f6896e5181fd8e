package jsonfeed_test

import (
	"fmt"

	"sallyport/ipranges/jsonfeed"
)

// A list of prefixes, each of which is looked at, whatever is wrong with the others.
func Example() {
	file := `["33.0.0.0/8",
"33.0.0.1/16",
5]`
	r := jsonfeed.NewReader([]byte(file), jsonfeed.Form{
		Feed: "example", Unit: "list", Array: "an array", FixFile: "correct the file", FixKind: "pass a list of prefixes",
	})
	err := r.File("array", func() error {
		return r.Array("", func() error {
			raw, err := r.Value()
			if err != nil {
				return err
			}
			text, ok := jsonfeed.Unquote(raw)
			if !ok {
				r.Another(raw, "a prefix", "a string")
			} else if _, err := jsonfeed.Prefix(text, 8, 24); err != nil {
				r.Wrong(raw, err.Error(), "correct the file")
			}
			return nil
		})
	})
	fmt.Println(err)
	// Output:
	// the example feed is refused for 2 mistakes:
	//   line 2 (byte 15, /1): 33.0.0.1/16 has host bits set; without them it is 33.0.0.0/16
	//   line 3 (byte 30, /2): a prefix must be a string, not a number
	// correct the file; pass a list of prefixes
}
