//go:build !unix

package fetch

const openAsIs = 0
