package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// feedServer serves the files of a script's folder on loopback, and misbehaves on
// request. It is the scripts' proxy as well, and answers for these hosts, with
// certificates that the environment it gives makes Go on Linux trust:
//
//	feeds.example            the same as its own address
//	www.microsoft.com        page.html of the folder, for every path
//	download.microsoft.com   the file of the folder with the last element's name
//
// A path is HOW/FILE:
//
//	/ok/FILE          with an ETag, and 304 for whoever has it already
//	/gone/...         404
//	/once/FILE        500 at first, then the file
//	/short/FILE       the half of what was announced
//	/page/...         a sign-in page instead of a file
//	/empty/...        nothing
//	/slow/FILE        a pause of 1.3 s in the middle of the file
//	/stall/FILE       the half, and then nothing until the client goes
//	/plain/FILE       a redirect to http
type feedServer struct {
	dir    string
	server *httptest.Server
	cert   tls.Certificate
	pem    []byte

	mu      sync.Mutex
	served  []string // as take returns them
	current []string // paths that were asked for, answered or not
	strays  []string // hosts that are not this server's
	failed  map[string]bool
}

var hosts = []string{"feeds.example", "www.microsoft.com", "download.microsoft.com"}

func startFeedServer(dir string) (*feedServer, error) {
	s := &feedServer{dir: dir, failed: map[string]bool{}}
	if err := s.makeCertificate(); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "ca.pem"), s.pem, 0o644); err != nil {
		return nil, err
	}
	s.server = httptest.NewServer(http.HandlerFunc(s.front))
	return s, nil
}

func (s *feedServer) close() {
	s.server.CloseClientConnections()
	s.server.Close()
}

// environment makes a program use the server, and nothing else.
func (s *feedServer) environment() map[string]string {
	return map[string]string{
		"SERVER":      s.server.URL,
		"HTTP_PROXY":  s.server.URL,
		"HTTPS_PROXY": s.server.URL,
		// The system's own certificates are none that we want to meet.
		"SSL_CERT_FILE": filepath.Join(s.dir, "ca.pem"),
		"SSL_CERT_DIR":  filepath.Join(s.dir, "no-certificates"),
	}
}

func (s *feedServer) makeCertificate() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: hosts,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(48 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	s.cert = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	s.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return nil
}

// front is what clients meet: requests to the server itself, and a proxy's.
func (s *feedServer) front(w http.ResponseWriter, r *http.Request) {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	switch {
	case r.Method == http.MethodConnect && slices.Contains(hosts, host):
		s.tunnel(w)
	case r.URL.Host == "" && r.Method != http.MethodConnect && net.ParseIP(host).IsLoopback():
		s.answer(w, r)
	default:
		s.mu.Lock()
		s.strays = append(s.strays, r.Host)
		s.mu.Unlock()
		http.Error(w, "there is no way out", http.StatusForbidden)
	}
}

// tunnel plays the other end of a tunnel.
func (s *feedServer) tunnel(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	fmt.Fprint(conn, "HTTP/1.1 200 OK\r\n\r\n")
	inner := &http.Server{Handler: http.HandlerFunc(s.answer), ErrorLog: log.New(io.Discard, "", 0)}
	inner.Serve(&oneConn{conn: tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{s.cert}})})
}

// answer serves one request, and notes it.
func (s *feedServer) answer(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.current = append(s.current, r.URL.Path)
	s.mu.Unlock()
	noted := &noter{w, func(status int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.served = append(s.served, fmt.Sprintf("%s %s %d", r.Method, r.URL.Path, status))
	}}
	how, name := path.Split(strings.TrimPrefix(r.URL.Path, "/"))
	how = strings.TrimSuffix(how, "/")
	switch {
	case r.Host == "www.microsoft.com":
		how, name = "ok", "page.html"
		noted.Header().Set("Content-Type", "text/html; charset=utf-8")
	case r.Host == "download.microsoft.com":
		how = "ok"
	}
	s.serve(noted, r, how, name)
}

func (s *feedServer) serve(w http.ResponseWriter, r *http.Request, how, name string) {
	data, err := os.ReadFile(filepath.Join(s.dir, name))
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json")
	}
	switch {
	case how == "page":
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<!doctype html><title>Sign in</title>")
	case how == "empty":
		w.WriteHeader(http.StatusOK)
	case how == "gone" || err != nil:
		http.NotFound(w, r)
	case how == "once" && s.first(r.URL.Path):
		http.Error(w, "not now", http.StatusInternalServerError)
	case how == "plain":
		http.Redirect(w, r, s.server.URL+"/ok/"+name, http.StatusFound)
	case how == "short" || how == "slow" || how == "stall":
		s.halting(w, r, how, data)
	default:
		w.Header().Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256(data)))
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	}
}

// halting sends half of the data, and stops for ever or for a while.
func (s *feedServer) halting(w http.ResponseWriter, r *http.Request, how string, data []byte) {
	w.Header().Set("Content-Length", fmt.Sprint(len(data)))
	w.Write(data[:len(data)/2])
	http.NewResponseController(w).Flush()
	switch how {
	case "stall":
		<-r.Context().Done()
	case "slow":
		select {
		case <-time.After(1300 * time.Millisecond):
			w.Write(data[len(data)/2:])
		case <-r.Context().Done():
		}
	}
}

func (s *feedServer) first(path string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.failed[path]
	s.failed[path] = true
	return !before
}

// take returns what was answered since the last take.
func (s *feedServer) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.served
	s.served = nil
	return list
}

func (s *feedServer) asked(path string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.current, path)
}

// stray is the hosts that were asked for through the proxy and are none of ours.
func (s *feedServer) stray() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.strays
}

// noter notes the status of an answer before the client can see any of it.
type noter struct {
	http.ResponseWriter
	note func(status int)
}

func (n *noter) WriteHeader(status int) {
	if n.note != nil {
		n.note(status)
		n.note = nil
	}
	n.ResponseWriter.WriteHeader(status)
}

func (n *noter) Write(p []byte) (int, error) {
	if n.note != nil {
		n.WriteHeader(http.StatusOK)
	}
	return n.ResponseWriter.Write(p)
}

func (n *noter) Unwrap() http.ResponseWriter { return n.ResponseWriter }

// oneConn is a listener that accepts one connection, which it has already.
type oneConn struct{ conn net.Conn }

func (l *oneConn) Accept() (net.Conn, error) {
	if l.conn == nil {
		return nil, net.ErrClosed
	}
	conn := l.conn
	l.conn = nil
	return conn, nil
}

func (l *oneConn) Close() error   { return nil }
func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{} }
