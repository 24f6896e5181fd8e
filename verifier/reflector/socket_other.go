//go:build !unix

package reflector

// noFamily cannot tell a missing family from other errors here, so that an address that
// cannot be opened is always an error. Windows has both families.
func noFamily(error) bool { return false }
