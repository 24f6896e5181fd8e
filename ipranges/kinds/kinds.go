// Package kinds lists the kinds of feeds, with what the policy language and the opener of
// feeds both need to know about them.
package kinds

import (
	"time"

	"sallyport/ipranges/azure"
	"sallyport/ipranges/m365"
	"sallyport/ipranges/text"
)

// Kind is a kind of feed.
type Kind struct {
	Name string
	// Clouds are the publisher's parts of the world. The first is the default. A kind
	// without clouds has no published file, so that a file or an address is required.
	Clouds []string
	Whole  string        // the tag with all addresses, if the feed has just one; else empty
	MinAge time.Duration // the shortest interval of requests that the publisher allows
}

// All returns the kinds, sorted by name.
func All() []Kind {
	var clouds, instances []string
	for _, c := range azure.Clouds {
		clouds = append(clouds, c.Name)
	}
	for _, i := range m365.Instances {
		instances = append(instances, i.Name)
	}
	return []Kind{
		{Name: "azure", Clouds: clouds},
		{Name: "m365", Clouds: instances, MinAge: m365.Poll},
		{Name: "text", Whole: text.All},
	}
}

// Named returns the kind with the name.
func Named(name string) (Kind, bool) {
	for _, k := range All() {
		if k.Name == name {
			return k, true
		}
	}
	return Kind{}, false
}

// Names returns the names of the kinds, sorted.
func Names() []string {
	var names []string
	for _, k := range All() {
		names = append(names, k.Name)
	}
	return names
}
