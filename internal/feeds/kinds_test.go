package feeds

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/internal/fetch"
	"sallyport/ipranges"
	"sallyport/ipranges/catalog"
	"sallyport/ipranges/kinds"
)

const endpoints = "../../ipranges/m365/testdata/small.json"

// service stands for Microsoft's web service, and sends nothing.
type service struct {
	latest   string
	body     string
	requests []string // paths
	ids      []string // the client request ids
}

func (s *service) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != "endpoints.office.com" || r.URL.Scheme != "https" {
		return nil, errors.New("nobody is there")
	}
	s.requests = append(s.requests, r.URL.Path)
	s.ids = append(s.ids, r.URL.Query().Get("clientrequestid"))
	w := httptest.NewRecorder()
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	switch {
	case strings.HasPrefix(r.URL.Path, "/version/"):
		fmt.Fprintf(w, `{"instance": %q, "latest": %q}`, strings.TrimPrefix(r.URL.Path, "/version/"), s.latest)
	case strings.HasPrefix(r.URL.Path, "/endpoints/"):
		w.WriteString(s.body)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
	return w.Result(), nil
}

// take is the paths that were asked for since the last time.
func (s *service) take() []string {
	list := s.requests
	s.requests = nil
	return list
}

// TestM365 follows the rules of the web service through days of runs.
func TestM365(t *testing.T) {
	s := &service{latest: "2026112300", body: read(t, endpoints)}
	dir := t.TempDir()
	clock := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	open := func(refresh bool, wantChange string, wantRequests ...string) *Feed {
		t.Helper()
		cache, err := fetch.OpenCache(dir)
		if err != nil {
			t.Fatal(err)
		}
		o := &Opener{Fetcher: &fetch.Fetcher{Cache: cache, Transport: s, Retries: -1, Refresh: refresh, Now: func() time.Time { return clock }}}
		f, err := o.Open(context.Background(), catalog.FeedSpec{Name: "m365", Kind: "m365"})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.take(); !slices.Equal(got, wantRequests) {
			t.Errorf("asked for %q, want %q", got, wantRequests)
		}
		if i := f.Catalog.Info(); i.Change != wantChange || i.Cloud != "worldwide" || i.Kind != "m365" || f.Result.Problem != nil {
			t.Errorf("%+v, problem %v", i, f.Result.Problem)
		}
		return f
	}
	const version, file = "/version/Worldwide", "/endpoints/Worldwide"
	f := open(false, "2026112300", version, file)
	open(false, "2026112300")
	open(true, "2026112300") // not asked twice in an hour
	clock = clock.Add(61 * time.Minute)
	open(true, "2026112300", version, file) // once more, in case that it was not yet the file of this version
	clock = clock.Add(61 * time.Minute)
	open(true, "2026112300", version)
	clock = clock.Add(25 * time.Hour)
	open(false, "2026112300", version)
	s.latest = "2026113000"
	clock = clock.Add(25 * time.Hour)
	open(false, "2026112300", version, file) // a late server: still the file of the version before
	s.body = strings.Replace(s.body, "33.112.0.0/14", "33.116.0.0/14", 1)
	clock = clock.Add(25 * time.Hour)
	g := open(false, "2026113000", version, file)
	open(false, "2026113000")

	before, _ := f.Catalog.Set("11")
	after, _ := g.Catalog.Set("11")
	if added, removed := ipranges.Diff(before, after); !added.Equal(ipranges.MustParse("33.116.0.0/14")) || !removed.Equal(ipranges.MustParse("33.112.0.0/14")) {
		t.Errorf("set 11 was %v and is %v", before, after)
	}
	if ports, _ := g.Catalog.Ports("11"); len(ports) != 1 || ports[0].Lo != 3478 || ports[0].Hi != 3481 {
		t.Errorf("the ports of set 11 are %v", ports)
	}
	if names := g.Catalog.Names("16"); len(names) != 3 {
		t.Errorf("the names of set 16 are %q", names)
	}
	noTrace(t, dir, s.ids, fmt.Sprintf("%+v %v", g.Catalog.Info(), g.Result.Notes))
}

var uuid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

// noTrace makes sure that request ids are random UUIDs of each run, and in no
// file of the cache nor in the text.
func noTrace(t *testing.T, dir string, ids []string, text string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		text += path + string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text, "endpoints.office.com") {
		t.Error("the cache does not say where its copy is from")
	}
	runs := map[string]bool{}
	for _, id := range ids {
		if !uuid.MatchString(id) || strings.Contains(text, id) || strings.Contains(text, id[:8]) {
			t.Errorf("the request id %s is no random UUID, or is kept", id)
		}
		runs[id] = true
	}
	if len(runs) < 4 {
		t.Errorf("%d ids for %d requests: they tell runs from one another", len(runs), len(ids))
	}
}

// TestTextCut: a list that may have been cut short is not taken.
func TestTextCut(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprint(conn, "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n33.0.0.0/24\n33.0.1")
	}))
	defer server.Close()
	if _, err := opener(t).Open(context.Background(), catalog.FeedSpec{Name: "own", Kind: "text", URL: server.URL}); err == nil || !strings.Contains(err.Error(), "where it ends") {
		t.Errorf("a list without an end: %v", err)
	}
}

func TestM365Instances(t *testing.T) {
	for cloud, word := range map[string]string{"usgovdod": "USGOVDoD", "usgovgcchigh": "USGOVGCCHigh", "china": "China"} {
		s := &service{latest: "2026112300", body: read(t, endpoints)}
		o := opener(t)
		o.Fetcher.Transport = s
		f, err := o.Open(context.Background(), catalog.FeedSpec{Name: "x", Kind: "m365", Cloud: cloud})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.take(); !slices.Equal(got, []string{"/version/" + word, "/endpoints/" + word}) || f.Catalog.Info().Cloud != cloud {
			t.Errorf("%s: asked for %q, and is %+v", cloud, got, f.Catalog.Info())
		}
	}
}

// TestM365Trouble: without an answer about the version, the good copy stays.
func TestM365Trouble(t *testing.T) {
	s := &service{latest: "2026112300", body: read(t, endpoints)}
	o := opener(t)
	o.Fetcher.Transport = s
	spec := catalog.FeedSpec{Name: "m365", Kind: "m365"}
	if _, err := o.Open(context.Background(), spec); err != nil {
		t.Fatal(err)
	}
	later := func(rt http.RoundTripper) *Opener {
		return again(o, func(f *fetch.Fetcher) {
			f.Transport, f.Retries, f.Now = rt, 3, func() time.Time { return time.Now().Add(48 * time.Hour) }
		})
	}
	for _, tt := range []struct {
		name   string
		answer func(w http.ResponseWriter)
		tries  int
	}{
		{"another version", func(w http.ResponseWriter) { w.Write([]byte(`{"instance": "China", "latest": "2026112300"}`)) }, 1},
		{"a web page", func(w http.ResponseWriter) { w.Write([]byte(`<html>sign in</html>`)) }, 1},
		{"429", func(w http.ResponseWriter) { w.WriteHeader(http.StatusTooManyRequests) }, 1},
		{"within the hour after it", nil, 0},
	} {
		tries := 0
		f, err := later(roundTrip(func(*http.Request) (*http.Response, error) {
			tries++
			w := httptest.NewRecorder()
			tt.answer(w)
			return w.Result(), nil
		})).Open(context.Background(), spec)
		if err != nil || f.Result.Problem == nil || f.Catalog.Info().Change != "2026112300" {
			t.Errorf("%s: %v, %+v", tt.name, err, f)
		}
		if tries != tt.tries {
			t.Errorf("%s: asked %d times, want %d", tt.name, tries, tt.tries)
		}
	}
}

func TestText(t *testing.T) {
	const list = "# ours\n33.0.0.0/24\n33.0.1.0-33.0.1.255\n"
	name := filepath.Join(t.TempDir(), "own.txt")
	if err := os.WriteFile(name, []byte(list), 0o644); err != nil {
		t.Fatal(err)
	}
	served := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		served++
		if !strings.HasPrefix(r.Header.Get("Accept"), "text/plain") {
			t.Errorf("asked for %s", r.Header.Get("Accept"))
		}
		w.Header().Set("Content-Type", "text/plain")
		w.Write([]byte(list))
	}))
	defer server.Close()
	o := opener(t)
	for range 2 {
		for _, spec := range []catalog.FeedSpec{{Name: "own", Kind: "text", File: name}, {Name: "own", Kind: "text", URL: server.URL, MaxAge: time.Hour}} {
			f, err := o.Open(context.Background(), spec)
			if err != nil {
				t.Fatal(err)
			}
			set, ok := f.Catalog.Set("all")
			if i := f.Catalog.Info(); !ok || !set.Equal(ipranges.MustParse("33.0.0.0/23")) || i.Kind != "text" || i.Cloud != "" || i.Change != "" || len(i.SHA256) != 64 {
				t.Errorf("%v of %+v", set, i)
			}
		}
	}
	if served != 1 {
		t.Errorf("served %d times", served)
	}
	if _, err := o.Open(context.Background(), catalog.FeedSpec{Name: "own", Kind: "text"}); err == nil || !strings.Contains(err.Error(), "name a file") {
		t.Errorf("a list from nowhere: %v", err)
	}
}

// TestDecoders holds the decoders to the kinds of feeds: each has one, and those with clouds
// have a published file for each of them.
func TestDecoders(t *testing.T) {
	all := decoders()
	if got := slices.Sorted(maps.Keys(all)); !slices.Equal(got, kinds.Names()) {
		t.Errorf("there are decoders for %q, and the kinds %q", got, kinds.Names())
	}
	for _, k := range kinds.All() {
		if has := all[k.Name].remote != nil; has != (len(k.Clouds) > 0) {
			t.Errorf("%s: a published file is %v, with the clouds %q", k.Name, has, k.Clouds)
		}
		for _, c := range k.Clouds {
			if err := CheckCloud(k.Name, c); err != nil {
				t.Error(err)
			}
		}
	}
}
