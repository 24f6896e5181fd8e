package m365_test

import (
	"fmt"

	"sallyport/ipranges/m365"
)

func Example() {
	c, err := m365.Decode([]byte(`[
	  {"id": 11, "serviceArea": "Skype", "category": "Optimize", "required": true,
	   "ips": ["33.112.0.0/14"], "udpPorts": "3478-3481"},
	  {"id": 12, "serviceArea": "Skype", "category": "Allow", "required": true,
	   "ips": ["33.112.0.0/14", "33.238.119.141/32"], "urls": ["*.teams.example.com"], "tcpPorts": "80,443"}
	]`), m365.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	teams, _ := c.Set("Teams")
	fmt.Println(teams)
	ports, _ := c.Ports("Teams.Optimize")
	fmt.Println(ports)
	_, differ := c.Ports("Teams")
	fmt.Println("sets with ports of their own:", differ)
	fmt.Println(c.Names("12"))
	// Output:
	// 33.112.0.0/14 33.238.119.141
	// [udp/3478-3481]
	// sets with ports of their own: [11 12]
	// [*.teams.example.com]
}
