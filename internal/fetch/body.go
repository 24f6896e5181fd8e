package fetch

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"

	"sallyport/internal/utf8text"
)

// readLimited reads r to its end. size is the expected size, or -1; more than
// limit bytes are an error, and no more than that is ever read.
func readLimited(r io.Reader, size, limit int64) ([]byte, error) {
	if size > limit {
		return nil, tooLarge(limit)
	}
	// Room for one Read more than expected, so that the buffer need not grow
	// only to learn that the end is reached.
	buf := bytes.NewBuffer(make([]byte, 0, max(size, 0)+bytes.MinRead))
	_, err := buf.ReadFrom(io.LimitReader(r, limit+1))
	if int64(buf.Len()) > limit {
		return nil, tooLarge(limit)
	}
	return buf.Bytes(), err
}

func tooLarge(limit int64) error {
	return lasting(fmt.Errorf("%w of %s", ErrTooLarge, inBytes(limit)))
}

// unpack unpacks a gzip file, whatever its name, and converts the text to UTF-8 without
// a byte order mark. limit holds for the unpacked file, too.
func unpack(data []byte, limit int64) ([]byte, error) {
	if bytes.HasPrefix(data, []byte{0x1f, 0x8b}) {
		var err error
		if data, err = gunzip(bytes.NewReader(data), limit); err != nil {
			return nil, err
		}
	}
	text, err := utf8text.Bytes(data)
	switch {
	case err != nil:
		return nil, err
	case len(text) == 0:
		return nil, ErrEmpty
	case len(text) > len(data) && int64(len(text)) > limit: // some UTF-16 text is longer in UTF-8
		return nil, tooLarge(limit)
	}
	return text, nil
}

// gunzip unpacks r. A packed file that ends early gives io.ErrUnexpectedEOF.
func gunzip(r io.Reader, limit int64) ([]byte, error) {
	z, err := gzip.NewReader(r)
	if err == nil {
		var data []byte
		if data, err = readLimited(z, -1, limit); err == nil {
			return data, nil
		}
	}
	return nil, fmt.Errorf("unpacking gzip: %w", err)
}

// decodeBody reads the body of an answer within the limit, undoing its
// Content-Encoding and then any packing of the file itself.
func decodeBody(resp *http.Response, body io.Reader, limit int64) ([]byte, error) {
	if resp.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	var data []byte
	var err error
	switch coding := strings.ToLower(strings.TrimSpace(resp.Header.Get("Content-Encoding"))); coding {
	case "", "identity":
		data, err = readLimited(body, resp.ContentLength, limit)
	case "gzip", "x-gzip":
		if resp.ContentLength == 0 {
			return nil, ErrEmpty
		}
		packed := &io.LimitedReader{R: body, N: limit + 1}
		if data, err = gunzip(packed, limit); packed.N == 0 {
			err = tooLarge(limit)
		}
	default:
		err = lasting(fmt.Errorf("it came packed with %q, which was not asked for", foreign(coding)))
	}
	if err != nil {
		return nil, err
	}
	return unpack(data, limit)
}

// looksLikeHTML recognises a web page by how it begins (WHATWG MIME sniffing).
func looksLikeHTML(data []byte) bool {
	return strings.HasPrefix(http.DetectContentType(data), "text/html")
}

// inBytes writes a size for people.
func inBytes(n int64) string {
	switch {
	case n >= 10<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 10<<10:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}
