package azure

import (
	"fmt"

	"sallyport/ipranges/jsonfeed"
)

// What to do about a refused file, for the end of an error.
const (
	fixFile = "download the file again, and keep to an earlier one if that does not help"
	fixKind = "pass the JSON file that the download page of Azure IP Ranges and Service Tags gives"
	fixWide = "raise the matter with Microsoft and keep to an earlier file, or lower the limit if it is meant"
)

var form = jsonfeed.Form{Feed: "Azure", Unit: "tag", Array: "an array", FixFile: fixFile, FixKind: fixKind}

// tooMany stops a file that has more of something than the limits allow.
type tooMany struct {
	what  string
	limit int
}

func (e tooMany) Error() string {
	return fmt.Sprintf("the file has more than %d %s", e.limit, e.what)
}

// text reads a string into s: printable and at most maxName bytes long.
func (d *decoder) text(what string, s *string) error {
	raw, err := d.Value()
	if err != nil {
		return err
	}
	b, ok := jsonfeed.Unquote(raw)
	if !ok {
		d.Wrong(raw, fmt.Sprintf("%s must be a string, not %s", what, d.Kind(raw)), fixFile)
		return nil
	}
	if word, ok := d.words[string(b)]; ok {
		*s = word // it was checked when it came first
		return nil
	}
	switch {
	case len(b) > maxName:
		d.Wrong(raw, fmt.Sprintf("%s has %d bytes, more than %d", what, len(b), maxName), fixFile)
	case !printable(b):
		d.Wrong(raw, fmt.Sprintf("%s %s holds a character that cannot be printed", what, quoted(string(b), 60)), fixFile)
	default:
		*s = d.word(b)
	}
	return nil
}

// number reads a whole number without a sign into s.
func (d *decoder) number(s *string) error {
	raw, err := d.Value()
	if err != nil {
		return err
	}
	for _, c := range raw {
		if c < '0' || c > '9' || len(raw) > 18 {
			d.Wrong(raw, "changeNumber must be a whole number, not "+clean(string(raw), 30), fixFile)
			return nil
		}
	}
	*s = d.word(raw)
	return nil
}

// word returns b as a string, the same one for equal bytes.
func (d *decoder) word(b []byte) string {
	s, ok := d.words[string(b)]
	if !ok {
		s = string(b)
		d.words[s] = s
	}
	return s
}
