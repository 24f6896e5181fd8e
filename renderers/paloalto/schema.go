package paloalto

// The part of PAN-OS's configuration that this package writes and reads, as the
// table that both syntaxes go by: a word that is not here is an error. Element
// names are those of Palo Alto Networks' own library (pan-os-python 1.13,
// panos/objects.py and panos/policies.py); a set command is the path of an
// element in words.

// kind is what an element holds.
type kind uint8

const (
	branch  kind = iota // other elements
	entries             // named entries, each of them a branch
	members             // a list of values
	text                // one value
	flag                // nothing: it is there or not
)

// element is one row of the table.
type element struct {
	kind  kind
	kids  map[string]*element // of a branch
	entry *element            // of entries: what each of them holds
}

func branchOf(kids map[string]*element) *element { return &element{kind: branch, kids: kids} }
func entriesOf(kids map[string]*element) *element {
	return &element{kind: entries, entry: branchOf(kids)}
}

var (
	memberList = &element{kind: members}
	value      = &element{kind: text}
	present    = &element{kind: flag}
)

var (
	portElement = branchOf(map[string]*element{"port": value})

	recurringElement = branchOf(map[string]*element{
		"five-minute": present,
		"hourly":      present,
		"daily":       branchOf(map[string]*element{"at": value}),
		"weekly":      branchOf(map[string]*element{"day-of-week": value, "at": value}),
		"monthly":     branchOf(map[string]*element{"day-of-month": value, "at": value}),
	})

	listElement = branchOf(map[string]*element{
		"description": value, "url": value, "certificate-profile": value, "recurring": recurringElement,
	})

	rulebaseElement = branchOf(map[string]*element{"security": branchOf(map[string]*element{"rules": entriesOf(map[string]*element{
		"from": memberList, "to": memberList, "source": memberList, "destination": memberList,
		"application": memberList, "service": memberList, "category": memberList,
		"action": value, "log-end": value, "log-setting": value, "description": value, "tag": memberList,
		"profile-setting": branchOf(map[string]*element{"group": memberList}),
	})})})
)

// scopeKids is what a virtual system, a device group and shared can hold.
var scopeKids = map[string]*element{
	"address":       entriesOf(map[string]*element{"ip-netmask": value, "ip-range": value, "fqdn": value}),
	"address-group": entriesOf(map[string]*element{"static": memberList, "tag": memberList}),
	"service": entriesOf(map[string]*element{
		"protocol": branchOf(map[string]*element{"tcp": portElement, "udp": portElement}),
		"tag":      memberList,
	}),
	"external-list": entriesOf(map[string]*element{"type": branchOf(map[string]*element{"ip": listElement, "url": listElement})}),
	"profiles": branchOf(map[string]*element{
		"custom-url-category": entriesOf(map[string]*element{"description": value, "type": value, "list": memberList}),
	}),
	"rulebase":      rulebaseElement,
	"pre-rulebase":  rulebaseElement,
	"post-rulebase": rulebaseElement,
}

var scopeElement = branchOf(scopeKids)

// configElement is the whole tree of an XML configuration.
var configElement = branchOf(map[string]*element{
	"shared": scopeElement,
	"devices": entriesOf(map[string]*element{
		"vsys":         entriesOf(scopeKids),
		"device-group": entriesOf(scopeKids),
	}),
})

// place is where objects or rules live: the words that a set command begins with,
// and the steps to the same scope in an XML configuration.
type place struct {
	words []string
	path  []string
}

// device is the one entry of devices on every firewall and Panorama.
const device = "localhost.localdomain"

func (r *renderer) objectPlace() place {
	if r.opt.Shared {
		return place{[]string{"shared"}, []string{"shared"}}
	}
	return r.rulePlace()
}

func (r *renderer) rulePlace() place {
	switch {
	case r.opt.DeviceGroup == "shared":
		return place{[]string{"shared"}, []string{"shared"}}
	case r.opt.DeviceGroup != "":
		return place{[]string{"device-group", r.opt.DeviceGroup}, []string{"devices", device, "device-group", r.opt.DeviceGroup}}
	case r.opt.VSYS != "":
		return place{[]string{"vsys", r.opt.VSYS}, []string{"devices", device, "vsys", r.opt.VSYS}}
	}
	return place{nil, []string{"devices", device, "vsys", "vsys1"}}
}

// rulebase is the name of the rule base that our rules go to.
func (r *renderer) rulebase() string {
	switch {
	case r.opt.DeviceGroup == "":
		return "rulebase"
	case r.opt.Rulebase == "post":
		return "post-rulebase"
	}
	return "pre-rulebase"
}
