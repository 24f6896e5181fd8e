package iptables

import (
	"crypto/sha256"
	"encoding/base32"
)

// Names of chains have at most 28 characters and names of sets 31, and a target's
// name alone may have 40. So every name that does not fit is cut, and a dash and
// seven characters of its SHA-256 in base 32 follow. Names in policies hold neither
// dash nor dot: a name that was cut is never one that was not, and nothing of the
// target edge_x begins like something of the target edge.
const (
	maxChain  = 28 // XT_EXTENSION_MAXNAMELEN 29, with the final zero
	maxSet    = 31 // IPSET_MAXNAMELEN 32, with the final zero
	maxPrefix = 19 // which leaves a dot and eight characters for a chain
)

// names are what the objects of one target are called.
type names struct {
	main   string // the chain that the admin's chain jumps to
	prefix string // begins the name of every other chain and every set
}

func namesOf(target string) names {
	full := "sallyport_" + target
	return names{main: short(full, maxChain), prefix: short(full, maxPrefix) + "."}
}

// body is the chain of the rules, behind the gates of the main chain.
func (n names) body() string { return n.prefix + "rules" }

// set is the set of a family; set names in the policy are unique within it. The load
// script knows the sets of a family by their ends: the copy of NAME_v4 is NAME.v4.
func (n names) set(name, suffix string) string {
	return n.prefix + short(name, maxSet-len(n.prefix)-len("_")-len(suffix)) + "_" + suffix
}

// fresh is the set of a family that is filled before it is swapped in.
func (n names) fresh(suffix string) string { return n.prefix + "-" + suffix }

// ours reports whether a chain or set is this target's.
func (n names) ours(name string) bool {
	return name == n.main || len(name) > len(n.prefix) && name[:len(n.prefix)] == n.prefix
}

// chain names the chain that key describes, and is unique among used, which it
// adds to. Two keys of a thousand share a digest once in two million policies; then
// the second gets another.
func (n names) chain(key []byte, used map[string]bool) string {
	for {
		name := n.prefix + digest(key, 8)
		if !used[name] {
			used[name] = true
			return name
		}
		key = append(key, '+')
	}
}

func short(name string, limit int) string {
	const tail = 7
	if len(name) <= limit {
		return name
	}
	return name[:limit-tail-1] + "-" + digest([]byte(name), tail)
}

var letters = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

func digest(s []byte, n int) string {
	sum := sha256.Sum256(s)
	var text [8]byte
	letters.Encode(text[:], sum[:5])
	return string(text[:n])
}
