package fetch

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

const maxRedirects = 5

// request is one file or page to get.
type request struct {
	url    *url.URL
	accept string
	etag   string // ETag and date of the copy at hand; "" for none
	date   string
	page   bool          // HTML is expected
	whole  bool          // an answer that does not say where it ends is a mistake
	pause  time.Duration // how long the origin wants to be left alone after a 429
}

// answer is a good answer to a request.
type answer struct {
	notModified        bool
	body               []byte // unpacked
	contentType        string
	etag, lastModified string
	final              *url.URL // where it came from, after redirects
}

// get asks for req, as often as the settings allow.
func (f *Fetcher) get(ctx context.Context, req request, m *meter) (*answer, error) {
	r, err := retryablehttp.NewRequestWithContext(ctx, http.MethodGet, req.url.String(), nil)
	if err != nil {
		return nil, errors.New("the address can't be asked for")
	}
	r.Header.Set("User-Agent", f.userAgent())
	r.Header.Set("Accept", req.accept+", */*;q=0.1")
	// Asked for by name, gzip is not undone by net/http, which has no limit.
	r.Header.Set("Accept-Encoding", "gzip")
	if req.etag != "" {
		r.Header.Set("If-None-Match", req.etag)
	}
	if req.date != "" {
		r.Header.Set("If-Modified-Since", req.date)
	}
	var a *answer
	r.SetResponseHandler(func(resp *http.Response) (err error) {
		defer resp.Body.Close()
		a, err = f.readAnswer(resp, req, m)
		return err
	})
	if _, err := f.retrier(req, m).Do(r); err != nil {
		return nil, err
	}
	return a, nil
}

// retrier tries again after failures that may pass: a broken connection, an answer that
// is cut short or empty, and temporary statuses.
func (f *Fetcher) retrier(req request, m *meter) *retryablehttp.Client {
	return &retryablehttp.Client{
		HTTPClient:   f.client(),
		RetryMax:     max(0, setting(f.Retries, DefaultRetries)),
		RetryWaitMin: setting(f.BackoffMin, DefaultBackoffMin),
		RetryWaitMax: setting(f.BackoffMax, DefaultBackoffMax),
		CheckRetry: func(ctx context.Context, resp *http.Response, err error) (bool, error) {
			if ctx.Err() != nil {
				return false, lasting(context.Cause(ctx))
			}
			if err != nil {
				return mayPass(err), nil
			}
			s := f.statusError(resp)
			if s.Code == http.StatusTooManyRequests && req.pause > f.maxWait() {
				return false, nil
			}
			return s.temporary() && s.RetryAfter <= f.maxWait(), nil
		},
		Backoff: func(shortest, longest time.Duration, try int, resp *http.Response) time.Duration {
			wait := f.backoff(shortest, longest, try, resp)
			m.say(fmt.Sprintf("%s did not answer well, trying again in %s", req.url.Host, inWords(wait)), -1)
			return wait
		},
		RequestLogHook: func(retryablehttp.Logger, *http.Request, int) {
			m.say("waiting for "+req.url.Host, -1)
		},
		ErrorHandler: func(resp *http.Response, err error, tries int) (*http.Response, error) {
			if err == nil {
				err = f.statusError(resp)
			}
			if resp != nil {
				resp.Body.Close()
			}
			return nil, f.describe(err, tries)
		},
	}
}

// backoff doubles the wait with each try and takes up to half of it off at
// random, so that many machines do not come back at the same instant. A wait
// that the server asks for is kept exactly.
func (f *Fetcher) backoff(shortest, longest time.Duration, try int, resp *http.Response) time.Duration {
	if resp != nil {
		if wait := f.statusError(resp).RetryAfter; wait > 0 {
			return wait
		}
	}
	wait := longest
	if try < 30 && shortest<<try < longest {
		wait = shortest << try
	}
	return wait - rand.N(wait/2+1)
}

func (f *Fetcher) maxWait() time.Duration { return setting(f.MaxWait, DefaultMaxWait) }

func (f *Fetcher) statusError(resp *http.Response) *StatusError {
	e := &StatusError{Code: resp.StatusCode, Status: foreign(resp.Status)}
	if after := resp.Header.Get("Retry-After"); after != "" && e.temporary() {
		e.RetryAfter = retryAfter(after, f.now())
	}
	return e
}

// retryAfter reads the header of that name: seconds or a date (RFC 9110, section
// 10.2.3). It returns 0 for anything else, and for a date in the past.
func retryAfter(s string, now time.Time) time.Duration {
	if n, err := strconv.ParseUint(s, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	if t, err := http.ParseTime(s); err == nil {
		return max(0, t.Sub(now))
	}
	return 0
}

// readAnswer turns a response into a good answer or an error.
func (f *Fetcher) readAnswer(resp *http.Response, req request, m *meter) (*answer, error) {
	a := &answer{
		contentType:  foreign(resp.Header.Get("Content-Type")),
		etag:         validator(resp.Header.Get("ETag")),
		lastModified: validator(resp.Header.Get("Last-Modified")),
		final:        resp.Request.URL,
	}
	if resp.StatusCode == http.StatusNotModified && (req.etag != "" || req.date != "") {
		a.notModified = true
		return a, nil
	}
	if resp.StatusCode != http.StatusOK {
		return nil, f.statusError(resp)
	}
	if !req.page && isHTMLType(resp.Header.Get("Content-Type")) {
		return nil, wrongType(a.contentType, req.accept)
	}
	m.say("downloading from "+req.url.Host, resp.ContentLength)
	if req.whole && openEnded(resp) {
		return nil, lasting(errors.New("the answer does not say where it ends, so that a part of it would pass for the whole: the server should send a Content-Length"))
	}
	body, err := decodeBody(resp, m.count(resp.Body), f.maxBytes())
	if err != nil {
		return nil, err
	}
	if !req.page && looksLikeHTML(body) {
		return nil, wrongType(a.contentType, req.accept)
	}
	a.body = body
	return a, nil
}

// openEnded reports whether an answer ends where the connection ends, so that a broken
// connection looks like the end (RFC 9112, section 6.3, item 8). TLS does not help: its
// end is often not announced, and Go's library accepts that. A body with a
// Content-Encoding shows its own end.
func openEnded(resp *http.Response) bool {
	coding := strings.ToLower(strings.TrimSpace(resp.Header.Get("Content-Encoding")))
	return resp.ContentLength < 0 && resp.ProtoMajor < 2 && len(resp.TransferEncoding) == 0 && (coding == "" || coding == "identity")
}

// validator returns an ETag or date that may be kept and sent back, or "".
func validator(s string) string {
	if len(s) > 512 || s != foreign(s) {
		return ""
	}
	return s
}

func isHTMLType(contentType string) bool {
	t, _, err := mime.ParseMediaType(contentType)
	return err == nil && (t == "text/html" || t == "application/xhtml+xml")
}

func wrongType(got, want string) error {
	return lasting(fmt.Errorf("it sent %w (type %q) where %s was expected: a sign-in page or a proxy may be in the way",
		ErrWebPage, got, want))
}

// mayPass reports whether a failure may be gone at the next try.
func mayPass(err error) bool {
	var status *StatusError
	var last lastingError
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &status):
		return false // those that may pass were sorted out before the body was read
	case errors.As(err, &dns):
		return !dns.IsNotFound
	case errors.As(err, &last), errors.As(err, &cert), errors.As(err, &record):
		return false
	}
	return true
}

// describe words a failure for people. The caller names the address; net/http would
// repeat it with its secrets.
func (f *Fetcher) describe(err error, tries int) error {
	if u := (*url.Error)(nil); errors.As(err, &u) {
		err = u.Err
	}
	var last lastingError
	var op *net.OpError
	var slow net.Error
	switch {
	case errors.As(err, &last), errors.Is(err, ErrTimeout), errors.As(err, &op) && op.Op == "dial":
	case errors.As(err, &slow) && slow.Timeout():
		err = fmt.Errorf("%w: not complete within %s", ErrTimeout, inWords(f.timeout()))
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		err = fmt.Errorf("the answer was cut short: %w", err)
	}
	if tries > 1 {
		err = fmt.Errorf("%w (tried %d times)", err, tries)
	}
	return err
}

// client returns the one client of f, made when first needed.
func (f *Fetcher) client() *http.Client {
	f.clientOnce.Do(func() {
		base := f.Transport
		if base == nil {
			base = &http.Transport{
				Proxy:               http.ProxyFromEnvironment,
				DialContext:         (&net.Dialer{Timeout: 15 * time.Second}).DialContext,
				TLSHandshakeTimeout: 15 * time.Second,
				IdleConnTimeout:     30 * time.Second,
				ForceAttemptHTTP2:   true,
			}
		}
		f.httpClient = &http.Client{
			Transport:     watchful{base: base, silence: f.timeout() / 4},
			Timeout:       f.timeout(),
			CheckRedirect: f.checkRedirect,
		}
	})
	return f.httpClient
}

func (f *Fetcher) userAgent() string {
	if f.UserAgent != "" {
		return f.UserAgent
	}
	return "sallyport"
}

// checkRedirect allows redirects, but not in circles and never from https to http.
func (f *Fetcher) checkRedirect(to *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return lasting(fmt.Errorf("it redirects more than %d times", maxRedirects))
	}
	// It would tell the next host the query of this address, which may hold a token.
	to.Header.Del("Referer")
	if via[len(via)-1].URL.Scheme == "https" && to.URL.Scheme != "https" {
		return lasting(fmt.Errorf("it redirects from https to %s: %w", shown(to.URL), ErrNotHTTPS))
	}
	if err := f.checkURL(to.URL); err != nil {
		return lasting(fmt.Errorf("it redirects to %w", err))
	}
	return nil
}

// parseURL reads an address that may be asked.
func (f *Fetcher) parseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		// The parser's own error would repeat the address, with its secrets.
		return nil, errors.New("the feed's address can't be understood: it should look like https://host/path")
	}
	if err := f.checkURL(u); err != nil {
		return nil, err
	}
	return u, nil
}

func (f *Fetcher) checkURL(u *url.URL) error {
	switch {
	case u.Host == "":
		return fmt.Errorf("%s: an address without a host", shown(u))
	case u.Scheme == "https", u.Scheme == "http" && f.Insecure:
		return nil
	case u.Scheme == "http":
		return hinted(fmt.Errorf("%s: %w", shown(u), ErrNotHTTPS), hintInsecure)
	}
	return fmt.Errorf("%s: %w", shown(u), ErrNotHTTPS)
}

// shown is an address as messages, headers and the cache name it: without user
// and password, and without the query, which may hold a token.
func shown(u *url.URL) string {
	s := url.URL{Scheme: u.Scheme, Opaque: u.Opaque, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
	text := s.String()
	if u.RawQuery != "" {
		text += "?..."
	}
	return foreign(text)
}

// urlHash tells addresses apart, secrets included, without keeping them.
func urlHash(u *url.URL) string {
	sum := sha256.Sum256([]byte(u.String()))
	return hex.EncodeToString(sum[:])
}
