package m365

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"sallyport/ipranges/jsonfeed"
)

// What to do about a refused file, for the end of an error.
const (
	fixFile = "download the file again, and keep to an earlier one if that does not help"
	fixKind = "pass the JSON that https://endpoints.office.com/endpoints/... answers with"
	fixWide = "raise the matter with Microsoft and keep to an earlier file, or lower the limit if it is meant"
)

var form = jsonfeed.Form{Feed: "Microsoft 365", Unit: "set", Array: "a list", FixFile: fixFile, FixKind: fixKind}

// text reads a string and hands it to take, whose answer is what is wrong with
// it and what to do about that.
func (d *decoder) text(what string, take func(s string) (problem, fix string)) error {
	return d.scalar(what, "a string", `"`, func(raw jsontext.Value) (string, string) {
		b, _ := jsonfeed.Unquote(raw)
		return take(string(b))
	})
}

// number reads a number, like text. take gets its digits.
func (d *decoder) number(what string, take func(s string) (problem, fix string)) error {
	return d.scalar(what, "a number", "0", func(raw jsontext.Value) (string, string) { return take(string(raw)) })
}

// truth reads a boolean.
func (d *decoder) truth(what string, is *bool) error {
	return d.scalar(what, "true or false", "tf", func(raw jsontext.Value) (string, string) {
		*is = raw.Kind() == 't'
		return "", ""
	})
}

// scalar reads a value of one of the kinds of [jsontext.Kind]. Another is a mistake.
func (d *decoder) scalar(what, wanted, kinds string, take func(jsontext.Value) (problem, fix string)) error {
	raw, err := d.Value()
	if err != nil {
		return err
	}
	if strings.IndexByte(kinds, byte(raw.Kind())) < 0 {
		d.Another(raw, what, wanted)
	} else if problem, fix := take(raw); problem != "" {
		d.Wrong(raw, problem, fix)
	}
	return nil
}
