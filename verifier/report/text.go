package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"
)

// A Role is what a piece of text is for, so that a style can tell them apart.
type Role int

// The roles.
const (
	Heading Role = iota
	Good
	Bad
	Doubt // neither good nor bad: inconclusive, not probed, a warning
	Faint // labels and what matters less
)

// TextOptions are how text for people is written. The zero value is good for a file.
type TextOptions struct {
	Width int // columns; 0: 80
	// Style puts a text into a colour; nil leaves it as it is. What it returns is
	// taken to be as wide as the text.
	Style func(role Role, text string) string
	// Verbose adds the evidence of every check, not only of those that did not pass.
	Verbose bool
}

const (
	usualWidth = 80
	leastWidth = 40 // below it, lines are longer than the terminal
)

// columns counts the columns of a text. It is fixed, because the package's default
// depends on the locale of the environment.
var columns = &runewidth.Condition{StrictEmojiNeutral: true}

// maxShown bounds one text: evidence is a line, not a file.
const maxShown = 2000

// clean makes a text from a report safe to show: on one line, and with "?" for each
// control or invisible character, such as those that change the direction of writing.
func clean(s string) string {
	plain := len(s) <= maxShown
	for i := 0; plain && i < len(s); i++ {
		plain = s[i] >= ' ' && s[i] < utf8.RuneSelf-1
	}
	if plain {
		return s
	}
	var b strings.Builder
	n := 0
	for _, c := range s {
		if n++; n > maxShown {
			b.WriteString("...")
			break
		}
		switch {
		case c == '\n', c == '\t', c == '\r':
			c = ' '
		case !unicode.IsPrint(c), c == utf8.RuneError:
			c = '?'
		}
		b.WriteRune(c)
	}
	return b.String()
}

// printer collects text for people.
type printer struct {
	b       bytes.Buffer
	width   int
	style   func(Role, string) string
	verbose bool
}

func newPrinter(opt TextOptions) *printer {
	p := &printer{width: max(opt.Width, leastWidth), style: opt.Style, verbose: opt.Verbose}
	if opt.Width <= 0 {
		p.width = usualWidth
	}
	if p.style == nil {
		p.style = func(_ Role, s string) string { return s }
	}
	return p
}

func (p *printer) writeTo(w io.Writer) error {
	_, err := w.Write(p.b.Bytes())
	return err
}

func (p *printer) line(format string, args ...any) {
	p.b.WriteString(strings.TrimRight(fmt.Sprintf(format, args...), " ") + "\n")
}

// hang writes a text that begins at column start, where the line already is, and goes
// on at the same column.
func (p *printer) hang(role Role, text string, start int) {
	for i, l := range wrap(text, p.width-start) {
		if i > 0 {
			p.b.WriteString(strings.Repeat(" ", start))
		}
		p.b.WriteString(p.paint(role, l) + "\n")
	}
}

// plain is the role of text without a style.
const plain Role = -1

func (p *printer) paint(role Role, s string) string {
	if role == plain || s == "" {
		return s
	}
	return p.style(role, s)
}

// tied keeps a number and its unit on one line; cleaned texts hold no NUL.
var (
	tied   = strings.NewReplacer(" %", "\x00%", " ms", "\x00ms", " s,", "\x00s,")
	untied = strings.NewReplacer("\x00", " ")
)

// wrap breaks a text into lines of at most so many columns. A longer word stays whole,
// so that it can be copied.
func wrap(text string, width int) []string {
	var lines []string
	line, used := "", 0
	for word := range strings.FieldsSeq(tied.Replace(text)) {
		word = untied.Replace(word)
		n := columns.StringWidth(word)
		if line != "" && used+1+n > width {
			lines = append(lines, line)
			line, used = "", 0
		}
		if line != "" {
			line, used = line+" ", used+1
		}
		line, used = line+word, used+n
	}
	return append(lines, line)
}

// pad fills a text up to a number of columns.
func pad(s string, to int) string {
	return s + strings.Repeat(" ", max(0, to-columns.StringWidth(s)))
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

func addresses(n int) string {
	if n == 1 {
		return "1 address"
	}
	return fmt.Sprintf("%d addresses", n)
}

// list is "a", "a and b", "a, b and c".
func list(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}
