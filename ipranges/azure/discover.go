package azure

import (
	"context"
	"fmt"
	"html"
	"strings"
	"time"
)

// fileHost and filePath start every URL that Discover returns.
const (
	fileHost = "https://download.microsoft.com"
	filePath = "/download/"
)

// Discover returns the URL of the newest file of a cloud, which is named as in
// [Clouds]. It reads the cloud's download page through get, which must return
// the page's bytes, and takes the link with the latest date from anywhere in
// it: the layout of the page has changed often (a plain link, an attribute, a
// script with JSON), the file's name has not. When the page has no link, the
// older confirmation page is read too.
//
// The link must be on https://download.microsoft.com. A page that links the
// file on another host is refused, whatever else it holds.
func Discover(ctx context.Context, cloud string, get func(ctx context.Context, url string) ([]byte, error)) (fileURL string, err error) {
	c, err := FindCloud(cloud)
	if err != nil {
		return "", err
	}
	page, err := get(ctx, c.Page())
	if err != nil {
		return "", fmt.Errorf("reading the download page %s: %w; %s", c.Page(), err, c.byHand())
	}
	found, err := findLink(page, c)
	if err != nil {
		return "", fmt.Errorf("the download page %s %w; %s", c.Page(), err, c.byHand())
	}
	if found != "" {
		return found, nil
	}
	// Without this page the answer is the same as when it has no link.
	if page, err = get(ctx, c.confirmation()); err == nil {
		if found, err = findLink(page, c); err != nil {
			return "", fmt.Errorf("the page %s %w; %s", c.confirmation(), err, c.byHand())
		}
	}
	if found == "" {
		return "", fmt.Errorf("the download page %s has no link to %s%s...%sYYYYMMDD.json (nor has %s): Microsoft may have changed its layout; %s",
			c.Page(), fileHost, filePath, c.FilePrefix, c.confirmation(), c.byHand())
	}
	return found, nil
}

// byHand says how to do without Discover.
func (c Cloud) byHand() string {
	return fmt.Sprintf("open %s in a browser, download the file, and pass it with --feed azure=FILE", c.Page())
}

// findLink returns the newest link to a file of c in the page, or "" when
// there is none. A link on a wrong host is an error that continues a sentence.
func findLink(page []byte, c Cloud) (string, error) {
	text := unescape(string(page))
	newest, link := "", ""
	urls := starts{text: text, url: -1}
	for from := 0; ; {
		i := strings.Index(text[from:], c.FilePrefix)
		if i < 0 {
			return link, nil
		}
		name := from + i
		from = name + len(c.FilePrefix)
		date, ok := dateAt(text, from)
		if !ok {
			continue
		}
		start, ok := urls.of(name)
		if !ok {
			continue // the file's name alone, or a relative link
		}
		url := text[start : from+len(date)+len(".json")]
		if !trusted(url[:name-start]) {
			return "", fmt.Errorf("links the file as %s, and only %s%s is trusted", clean(url, 120), fileHost, filePath)
		}
		if date > newest {
			newest, link = date, fileHost+url[len(fileHost):]
		}
	}
}

// dateAt returns the eight digits of a date at s[i:] that ".json" and the end
// of a URL or of its path follow.
func dateAt(s string, i int) (string, bool) {
	const digits = len("20060102")
	if len(s) < i+digits || !strings.HasPrefix(s[i+digits:], ".json") {
		return "", false
	}
	date, rest := s[i:i+digits], s[i+digits+len(".json"):]
	if _, err := time.Parse("20060102", date); err != nil {
		return "", false
	}
	return date, rest == "" || strings.IndexByte("\"'`<> \t\r\n?#&);,]}\\|", rest[0]) >= 0
}

// starts finds where URLs start. It has to be called in the order of the text, and
// looks at each byte once: a hostile page may hold the file's name a million times.
type starts struct {
	text string
	seen int // bytes that were looked at
	from int // the last thing before seen that ends a URL, ends here
	url  int // the last URL since then starts here; -1: there is none
}

// of returns the start of the absolute URL that contains text[name:]: the last scheme
// before it, if nothing between them ends a URL. It is the last one because a URL may
// have another in its query.
func (s *starts) of(name int) (int, bool) {
	if i := strings.LastIndexAny(s.text[s.seen:name], "\"'`<> \t\r\n()[]{}\\|,;"); i >= 0 {
		s.from, s.url = s.seen+i+1, -1
	}
	since := max(s.from, s.seen)
	if i := strings.LastIndex(s.text[since:name], "://"); i >= 0 {
		notLetter := func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') }
		s.url = s.from + 1 + strings.LastIndexFunc(s.text[s.from:since+i], notLetter)
	}
	s.seen = name
	return s.url, s.url >= 0
}

// trusted reports whether the URL up to the file's name is one that may be
// fetched: the right host and nothing after it but a plain folder. That leaves
// no room for user names, ports, escapes and parent folders.
func trusted(url string) bool {
	if len(url) < len(fileHost) || !strings.EqualFold(url[:len(fileHost)], fileHost) {
		return false
	}
	folder, ok := strings.CutPrefix(url[len(fileHost):], filePath)
	for _, r := range folder {
		ok = ok && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/-_.", r))
	}
	return ok && strings.HasSuffix(folder, "/") && !strings.Contains(folder, "..")
}

// unescape undoes HTML entities, then the escapes that JSON and JavaScript use
// in URLs.
func unescape(s string) string {
	s = html.UnescapeString(s)
	for _, e := range [...][2]string{
		{`\/`, "/"}, {`\u002f`, "/"}, {`\u002F`, "/"}, {`\x2f`, "/"}, {`\x2F`, "/"},
		{`\u003a`, ":"}, {`\u003A`, ":"}, {`\u002e`, "."}, {`\u002E`, "."}, {`\u002d`, "-"}, {`\u002D`, "-"},
		{`\u005f`, "_"}, {`\u005F`, "_"}, {`\u0026`, "&"}, {`\u0022`, `"`}, {`\"`, `"`},
	} {
		if strings.Contains(s, e[0]) {
			s = strings.ReplaceAll(s, e[0], e[1])
		}
	}
	return s
}
