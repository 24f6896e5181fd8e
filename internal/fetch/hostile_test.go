package fetch

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestUntrustedCertificate(t *testing.T) {
	o := newOrigin(t, serve(doc(1)))
	f, _ := o.fetcher(t)
	f.Transport = nil
	e := mustFail(t, f, docSource(o.URL), nil)
	var cert *tls.CertificateVerificationError
	if !errors.As(e, &cert) {
		t.Errorf("got %v, want a certificate error", e)
	}
	wantTries(t, o, 0)
}

func TestRedirects(t *testing.T) {
	target := newOrigin(t, serve(doc(398)))
	plain := httptest.NewServer(serve(doc(398)))
	t.Cleanup(plain.Close)
	// /N redirects N times before it answers.
	hops := func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(strings.Trim(r.URL.Path, "/"))
		if n == 0 {
			serve(doc(398))(w, r)
			return
		}
		http.Redirect(w, r, fmt.Sprintf("/%d", n-1), http.StatusFound)
	}
	o := newOrigin(t, hops)

	t.Run("five", func(t *testing.T) {
		f, _ := o.fetcher(t)
		r := mustFetch(t, f, docSource(o.URL+"/5"), 398)
		if len(r.Notes) != 0 {
			t.Errorf("a redirect on the same host is nobody's news: %v", r.Notes)
		}
	})
	t.Run("six", func(t *testing.T) {
		f, _ := o.fetcher(t)
		o.tries.Store(0)
		mustFail(t, f, docSource(o.URL+"/6"), nil)
		wantTries(t, o, 6)
	})
	t.Run("other host", func(t *testing.T) {
		from := newOrigin(t, http.RedirectHandler(target.URL+"/file", http.StatusMovedPermanently).ServeHTTP)
		f, _ := from.fetcher(t)
		r := mustFetch(t, f, docSource(from.URL), 398)
		if len(r.Notes) != 1 || r.Notes[0].Warning || !strings.Contains(r.Notes[0].Text, target.Listener.Addr().String()) {
			t.Errorf("the other host is not reported: %v", r.Notes)
		}
	})
	t.Run("secrets stay", func(t *testing.T) {
		var sent string
		target := newOrigin(t, func(w http.ResponseWriter, r *http.Request) {
			sent = fmt.Sprint(r.URL, r.Header)
			serve(doc(398))(w, r)
		})
		from := newOrigin(t, http.RedirectHandler(target.URL+"/file", http.StatusFound).ServeHTTP)
		f, _ := from.fetcher(t)
		mustFetch(t, f, docSource(strings.Replace(from.URL, "https://", "https://me:pass-word@", 1)+"/list?token=hidden"), 398)
		for _, secret := range []string{"hidden", "pass-word", "Authorization", "Referer"} {
			if strings.Contains(sent, secret) {
				t.Errorf("the other host is sent %s: %s", secret, sent)
			}
		}
	})
	for name, to := range map[string]string{
		"to http": plain.URL, "to a file": "file:///etc/passwd", "to ftp": "ftp://127.0.0.1/x", "to a script": "javascript:alert(1)",
	} {
		t.Run(name, func(t *testing.T) {
			from := newOrigin(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", to)
				w.WriteHeader(http.StatusFound)
			})
			f, _ := from.fetcher(t)
			f.Insecure = true // allows http, but not the way down to it
			mustFail(t, f, docSource(from.URL), ErrNotHTTPS)
			wantTries(t, from, 1)
		})
	}
}

func TestHTTPOnlyWhenTold(t *testing.T) {
	asked := false
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = true
		serve(doc(398))(w, r)
	}))
	t.Cleanup(plain.Close)
	e := mustFail(t, &Fetcher{}, docSource(plain.URL), ErrNotHTTPS)
	if asked || !strings.Contains(e.Hint, "--insecure") {
		t.Errorf("asked %v, hint %q", asked, e.Hint)
	}
	mustFetch(t, &Fetcher{Insecure: true}, docSource(plain.URL), 398)

	for _, bad := range []string{"ftp://host/x", "file:///etc/passwd", "https://", "host/path", "https://ho st/", "::", "https://h/\x1b[2J"} {
		mustFail(t, &Fetcher{Insecure: true}, docSource(bad), nil)
	}
}

// What a server sends must not steer the terminal that shows our error.
func TestHostileText(t *testing.T) {
	const evil = "\x1b]0;owned\x07\x1b[2J\u202e\x9b31m"
	for name, raw := range map[string]string{
		"status":        "HTTP/1.1 500 " + evil + "\r\nContent-Length: 0\r\n\r\n",
		"status code":   "HTTP/1.1 " + evil + "\r\n\r\n",
		"protocol":      evil + "\r\n\r\n",
		"type":          "HTTP/1.1 200 OK\r\nContent-Type: text/html;" + evil + "\r\nContent-Length: 6\r\n\r\n<html>",
		"coding":        "HTTP/1.1 200 OK\r\nContent-Encoding: " + evil + "\r\nContent-Length: 2\r\n\r\n{}",
		"location":      "HTTP/1.1 302 Found\r\nLocation: http://" + evil + "/\r\nContent-Length: 0\r\n\r\n",
		"other scheme":  "HTTP/1.1 302 Found\r\nLocation: data:" + evil + "\r\nContent-Length: 0\r\n\r\n",
		"length":        "HTTP/1.1 200 OK\r\nContent-Length: " + evil + "\r\n\r\n",
		"refused value": "HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n{\"change\": \"\x1b[2J12345",
	} {
		t.Run(name, func(t *testing.T) {
			o := newOrigin(t, func(w http.ResponseWriter, _ *http.Request) {
				conn, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				defer conn.Close()
				io.WriteString(conn, raw)
			})
			f, _ := o.fetcher(t)
			f.Retries = -1
			e := mustFail(t, f, docSource(o.URL), nil) // which looks for control characters
			if len(e.Error()) > 1000 {
				t.Errorf("the message has %d bytes", len(e.Error()))
			}
		})
	}
	o := newOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Etag"] = []string{`"` + strings.Repeat("x", 5000) + `"`}
		serve(doc(398))(w, r)
	})
	f, _ := o.fetcher(t)
	if r := mustFetch(t, f, docSource(o.URL), 398); r.ETag != "" {
		t.Errorf("an ETag of %d bytes was kept", len(r.ETag))
	}
}

// User, password and query may be secrets. They go to the server and nowhere else.
func TestSecretsStaySecret(t *testing.T) {
	secret := func(o *origin) string {
		return strings.Replace(o.URL, "https://", "https://me:SECRET@", 1) + "/file?sig=SECRET"
	}
	leaks := func(t *testing.T, where, text string) {
		t.Helper()
		if strings.Contains(text, "SECRET") {
			t.Errorf("%s shows the secret: %s", where, text)
		}
	}
	o := newOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		if _, pass, _ := r.BasicAuth(); pass != "SECRET" || r.FormValue("sig") != "SECRET" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		serve(doc(398))(w, r)
	})
	f, c := o.fetcher(t)
	r := mustFetch(t, f, docSource(secret(o)), 398)
	leaks(t, "the result", fmt.Sprint(r.From, r.Notes))
	err := filepath.WalkDir(f.Cache.Dir(), func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			data, _ := os.ReadFile(path)
			leaks(t, path, path+string(data))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, handle := range map[string]http.HandlerFunc{
		"status": status(500), "cut": cut("application/json", "", doc(1)), "refused": serve([]byte("{")),
		"redirect": http.RedirectHandler("ftp://me:SECRET@h/?SECRET", http.StatusFound).ServeHTTP,
		"hang-up":  func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		o.now(handle)
		c.pass(48 * time.Hour)
		r := mustFetch(t, f, docSource(secret(o)), 398)
		leaks(t, name, fmt.Sprint(r.Notes, r.Problem))
	}
	o.Close()
	other, _ := o.fetcher(t)
	leaks(t, "unreachable", mustFail(t, other, docSource(secret(o)), nil).Error())
	leaks(t, "not an address", mustFail(t, other, docSource("https://me:SECRET@h:x/?SECRET"), nil).Error())
}
