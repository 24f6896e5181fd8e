package jsonfeed

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"sallyport/internal/testkit/cost"
	"sallyport/ipranges/refusal"
)

var form = Form{Feed: "Test", Unit: "row", Array: "an array", FixFile: "fetch it again", FixKind: "pass another"}

// rows reads {"rows": [{"name": "a", "list": ["even", ...]}, ...]}, in which every
// string of a list has an even length and at most 99 rows may come.
func rows(data string) (got []string, refused *refusal.Error) {
	r := NewReader([]byte(data), form)
	err := r.File("object", func() error {
		return r.Object("", func(key []byte) error {
			if string(key) != "rows" {
				return r.Skip()
			}
			return r.Array("", func() error {
				if len(got) == 99 {
					return errors.New("the file has too many rows")
				}
				return r.Unit(func() (string, error) { return row(r, &got) })
			})
		})
	})
	errors.As(err, &refused)
	return got, refused
}

func row(r *Reader, got *[]string) (name string, err error) {
	start := r.Next()
	err = r.Object("a row", func(key []byte) error {
		switch string(key) {
		case "name":
			raw, err := r.Value()
			if err != nil {
				return err
			}
			b, ok := Unquote(raw)
			if name = string(b); !ok {
				r.Another(raw, "name", "a string")
			}
			return nil
		case "list":
			return r.Array("", func() error {
				raw, err := r.Value()
				if err == nil && len(raw)%2 != 0 {
					r.Wrong(raw, "it is odd", form.FixFile)
				}
				return err
			})
		}
		return r.Skip()
	})
	if err == nil && name == "" {
		r.Problem(start, "it has no name", form.FixFile)
	}
	*got = append(*got, name)
	return name, err
}

func TestRead(t *testing.T) {
	for name, file := range map[string]string{
		"plain":           `{"rows":[{"name":"a","list":["xx"]},{"name":"b"}]}`,
		"byte order mark": "\ufeff" + `{"rows":[{"name":"a"},{"name":"b"}]}` + " \r\n",
		"escapes":         `{"r\u006fws":[{"n\u0061me":"\u0061"},{"name":"b"}]}`,
		"other members":   `{"x":[{"rows":[1]}],"rows":[{"y":{},"name":"a"},{"name":"b","z":1e9}],"z":null}`,
	} {
		got, err := rows(file)
		if err != nil || !slices.Equal(got, []string{"a", "b"}) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// TestPlaces has the mistakes of a file as "line pointer unit: text".
func TestPlaces(t *testing.T) {
	for file, want := range map[string][]string{
		"":                          {"1  : the file is empty"},
		"\ufeff \n":                 {"1  : the file is empty"},
		" <html>":                   {"1  : this is a web page, not JSON"},
		"null":                      {"1  : the file must be an object, not null"},
		`{"rows":5}`:                {"1 /rows : /rows must be an array, not a number"},
		"{}\n{}":                    {"2  : more JSON follows the file's object"},
		"{}\nx":                     {"2  : malformed JSON: invalid character 'x' at start of value"},
		`{"a":1,` + "\n" + `"a":2}`: {"2 /a : malformed JSON: duplicate object member name"},
		"{\"rows\":[\n{\"list\":[\"x\",\n\"odd..\",\n\"odd\"],\"name\":\"R\"},\n{}]}": {
			"2 /rows/0/list/0 R: it is odd", "3 /rows/0/list/1 R: it is odd", "4 /rows/0/list/2 R: it is odd", "5 /rows/1 : it has no name",
		},
		"{\"rows\":[{\"name\":\"R\",\n\"list\":[\"x\",\n": {"2 /rows/0/list/0 R: it is odd", "3 /rows/0/list R: the file ends too early"},
		"{\"rows\":[\ntrue,\n{\"name\":[]}]}": {
			"2 /rows/0 : a row must be an object, not a boolean", "2 /rows/0 : it has no name",
			"3 /rows/1 : it has no name", "3 /rows/1/name : name must be a string, not an array",
		},
		`{"rows":[` + strings.Repeat(`{"name":"n"},`, 99) + "\n{}]}": {"1  : the file has too many rows"},
	} {
		_, err := rows(file)
		if err == nil {
			t.Errorf("%.40q is taken", file)
			continue
		}
		var got []string
		for i, p := range err.Problems {
			got = append(got, fmt.Sprintf("%d %s %s: %s", p.Line, p.Pointer, p.Part, p.Text))
			if i >= len(want) || !strings.HasPrefix(got[i], want[i]) || p.Fix == "" {
				t.Errorf("%.40q: %+v, want %q", file, p, want)
			}
		}
		if len(got) != len(want) {
			t.Errorf("%.40q: %q, want %q", file, got, want)
		}
	}
}

// TestHostileText: names and pointers come from the file.
func TestHostileText(t *testing.T) {
	for _, evil := range []string{`\u001b[31m`, "\u202e", strings.Repeat("x", 1000)} {
		for _, file := range []string{
			`{"rows":[{"name":"` + evil + `","list":["x"]}]}`,
			`{"rows":[{"name":"` + evil + `","list":["x",`,
			`{"` + evil + `":{"` + evil + `":}}`,
		} {
			_, err := rows(file)
			if err == nil {
				t.Fatalf("%q is taken", file)
			}
			for _, c := range err.Error() {
				if c != '\n' && (c < ' ' || c > '~') {
					t.Errorf("the error holds %q: %q", c, err)
				}
			}
			if len(err.Error()) > 2000 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
		}
	}
}

// TestManyMistakes: what is only counted costs no look at the whole file. (When it
// did, this took a minute.)
func TestManyMistakes(t *testing.T) {
	cost.Linear(t, "a file of mistakes", 6_000, func(n int) {
		_, err := rows(`{"rows":[{"name":"a","list":[` + strings.Repeat(" ", 400*n) + strings.Repeat(`"x",`, n))
		if err == nil || err.Noted() != n+1 || len(err.Problems) != refusal.Max || err.Problems[refusal.Max-1].Text != "the file ends too early" {
			t.Errorf("%v", err)
		}
	})
}

func TestPrefix(t *testing.T) {
	for text, want := range map[string]string{
		"33.0.0.0/8": "", "2d00::/24": "",
		"33.0.0.1/8": "33.0.0.0/8", "33.0.0.0": "not a prefix", "": "not a prefix", "::ffff:33.0.0.0/104": "IPv4-mapped", "\x1b[2J/8": "not a prefix",
		"32.0.0.0/7": "wider than /8", "2d00::/23": "wider than /24",
	} {
		p, err := Prefix([]byte(text), 8, 24)
		if want == "" {
			if err != nil || p.String() != text {
				t.Errorf("%s is %v, %v", text, p, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) || errors.Is(err, ErrWide) != strings.HasPrefix(want, "wider") || strings.ContainsRune(err.Error(), '\x1b') {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	p, _ := Prefix([]byte("10.1.0.0/16"), 8, 24)
	if s := Special(p); !strings.Contains(s, "RFC 1918") {
		t.Errorf("%v is special-use: %q", p, s)
	}
	p, _ = Prefix([]byte("33.1.0.0/16"), 8, 24)
	if s := Special(p); s != "" {
		t.Errorf("%v is public: %q", p, s)
	}
}
