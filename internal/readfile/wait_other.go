//go:build !unix

package readfile

const dontWait = 0
