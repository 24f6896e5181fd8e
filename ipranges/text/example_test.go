package text_test

import (
	"fmt"

	"sallyport/ipranges/text"
)

func Example() {
	c, err := text.Decode([]byte("# ours\n33.0.0.0/24\n33.0.1.0-33.0.1.255\n"), text.Limits{})
	if err != nil {
		fmt.Println(err)
		return
	}
	set, _ := c.Set(text.All)
	fmt.Println(set)
	_, err = text.Decode([]byte("33.0.0.0/24\n33.0.1.7/24\n"), text.Limits{})
	fmt.Println(err)
	// Output:
	// 33.0.0.0/23
	// the list is refused: line 2: 33.0.1.7/24 has host bits set: did you mean 33.0.1.0/24?; correct the line
}
