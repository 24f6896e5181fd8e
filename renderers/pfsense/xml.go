package pfsense

import (
	"bytes"
	"strings"

	"sallyport/renderers"
)

type node = renderers.XMLElement

// limits of a configuration: pfSense's own have less than ten levels, and a large one some
// ten thousand elements. It compares names without regard to case.
var limits = renderers.XMLLimits{Depth: 100, Elements: 500_000, FoldCase: true}

// edit replaces a stretch of a text.
type edit struct {
	start, end int
	text       string
}

// apply makes edits, which are in order and do not overlap.
func apply(data []byte, edits []edit) []byte {
	var b bytes.Buffer
	at := 0
	for _, e := range edits {
		b.Write(data[at:e.start])
		b.WriteString(e.text)
		at = e.end
	}
	b.Write(data[at:])
	return b.Bytes()
}

// blankBefore is where the blanks before offset begin.
func blankBefore(data []byte, offset int) int {
	for offset > 0 && strings.IndexByte(" \t\r\n", data[offset-1]) >= 0 {
		offset--
	}
	return offset
}
