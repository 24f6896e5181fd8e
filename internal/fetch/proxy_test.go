package fetch

import (
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// proxiedRole fetches an address with the default transport. It has a process
// of its own because net/http reads the proxy variables only once.
func proxiedRole() {
	r, err := (&Fetcher{Insecure: true, Retries: -1}).Fetch(context.Background(), docSource(os.Getenv("FETCH_TEST_URL")))
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
	fmt.Println("got", r.Change)
}

func TestProxyVariables(t *testing.T) {
	origin := newOrigin(t, serve(doc(398)))
	ca := filepath.Join(t.TempDir(), "ca.pem")
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: origin.Certificate().Raw})
	if err := os.WriteFile(ca, cert, 0o600); err != nil {
		t.Fatal(err)
	}
	var asked atomic.Value
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r.Method + " " + r.RequestURI)
		if r.Method == http.MethodConnect {
			tunnel(t, w, origin.Listener.Addr().String())
			return
		}
		serve(doc(397))(w, r)
	}))
	t.Cleanup(proxy.Close)

	// The certificate of httptest is good for example.com, which is never
	// asked: the proxy leads to our own server.
	for _, c := range []struct {
		name, variable, url, want, asked string
	}{
		{"https", "HTTPS_PROXY", "https://example.com/feed.json", "got change 398", "CONNECT example.com:443"},
		{"https, small letters", "https_proxy", "https://example.com/feed.json", "got change 398", "CONNECT example.com:443"},
		{"http", "HTTP_PROXY", "http://example.com/feed.json", "got change 397", "GET http://example.com/feed.json"},
	} {
		t.Run(c.name, func(t *testing.T) {
			asked.Store("")
			cmd := exec.Command(os.Args[0])
			cmd.Env = []string{"FETCH_TEST_ROLE=proxied", "FETCH_TEST_URL=" + c.url, c.variable + "=" + proxy.URL, "SSL_CERT_FILE=" + ca, "SSL_CERT_DIR=" + t.TempDir()}
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.Contains(string(out), c.want) {
				t.Errorf("got %q, %v, want %q", out, err, c.want)
			}
			if asked.Load() != c.asked {
				t.Errorf("the proxy was asked %q, want %q", asked.Load(), c.asked)
			}
		})
	}
}

// tunnel connects the client of a CONNECT request with address.
func tunnel(t *testing.T, w http.ResponseWriter, address string) {
	server, err := net.Dial("tcp", address)
	if err != nil {
		t.Error(err)
		return
	}
	defer server.Close()
	client, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	defer client.Close()
	io.WriteString(client, "HTTP/1.1 200 OK\r\n\r\n")
	go func() {
		io.Copy(server, buffered) // which may hold the client's first bytes
		server.Close()
	}()
	io.Copy(client, server)
}
