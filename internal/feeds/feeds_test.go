package feeds

import (
	"context"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/internal/fetch"
	"sallyport/internal/testkit/realfeed"
	"sallyport/ipranges"
	"sallyport/ipranges/azure"
	"sallyport/ipranges/catalog"
)

const (
	small = "../../ipranges/azure/testdata/small.json"
)

func opener(t *testing.T) *Opener {
	t.Helper()
	cache, err := fetch.OpenCache(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &Opener{Fetcher: &fetch.Fetcher{Cache: cache, Insecure: true, Retries: -1, MaxAge: -1}}
}

// again is o with other settings; fetchers must not change after their first use.
func again(o *Opener, change func(*fetch.Fetcher)) *Opener {
	f := &fetch.Fetcher{Cache: o.Fetcher.Cache, Insecure: true, Retries: -1, MaxAge: -1}
	change(f)
	return &Opener{Fetcher: f, AcceptChange: o.AcceptChange, Accept: o.Accept}
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestFile(t *testing.T) {
	f, err := opener(t).Open(context.Background(), catalog.FeedSpec{Name: "azure", Kind: "azure", File: small})
	if err != nil {
		t.Fatal(err)
	}
	i := f.Catalog.Info()
	if i.Kind != "azure" || i.Change != "7" || i.SHA256 == "" || !strings.HasSuffix(i.Source, "small.json") {
		t.Errorf("%+v", i)
	}
	if s, ok := f.Catalog.Set("AzureCloud"); !ok || s.IsEmpty() {
		t.Error("no AzureCloud")
	}
}

func TestMistakes(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.json")
	text := strings.Replace(read(t, small), "\"addressPrefixes\": [", "\"addressPrefixes\": [\"10.0.0.0/8\",", 1)
	if err := os.WriteFile(bad, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		spec catalog.FeedSpec
		want string
	}{
		"an unknown kind":         {catalog.FeedSpec{Name: "x", Kind: "gopher"}, "gopher"},
		"an unknown cloud":        {catalog.FeedSpec{Name: "x", Kind: "azure", Cloud: "moon"}, "moon"},
		"a file of another cloud": {catalog.FeedSpec{Name: "x", Kind: "azure", Cloud: "usgov", File: small}, "cloud"},
		"a private prefix":        {catalog.FeedSpec{Name: "x", Kind: "azure", File: bad}, "10.0.0.0/8"},
		"no file":                 {catalog.FeedSpec{Name: "x", Kind: "azure", File: bad + "x"}, "no such file"},
	} {
		_, err := opener(t).Open(context.Background(), tt.spec)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestCachedIndex: the second time, the feed comes from the index, with the same
// sets and the same provenance, and nothing is sent.
func TestCachedIndex(t *testing.T) {
	served := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		served++
		w.Header().Set("Content-Type", "application/json")
		w.Write([]byte(read(t, small)))
	}))
	defer server.Close()
	o := opener(t)
	spec := catalog.FeedSpec{Name: "azure", Kind: "azure", URL: server.URL}
	first, err := o.Open(context.Background(), spec)
	if err != nil {
		t.Fatal(err)
	}
	second, err := again(o, func(f *fetch.Fetcher) { f.Offline = true }).Open(context.Background(), spec)
	if err != nil {
		t.Fatal(err)
	}
	if served != 1 || !second.Result.FromCache {
		t.Errorf("served %d times, from cache %v", served, second.Result.FromCache)
	}
	a, b := first.Catalog.Info(), second.Catalog.Info()
	if a.Change != b.Change || a.SHA256 != b.SHA256 || a.Source != b.Source || !a.Fetched.Equal(b.Fetched) {
		t.Errorf("provenance %+v became %+v", a, b)
	}
	for tag := range first.Catalog.Tags() {
		x, _ := first.Catalog.Set(tag.Name)
		y, ok := second.Catalog.Set(tag.Name)
		if !ok || !x.Equal(y) {
			t.Errorf("%s differs", tag.Name)
		}
	}
}

// TestIndexMadeAnew: an index in the cache that cannot be read is no dead end.
func TestIndexMadeAnew(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write([]byte(read(t, small)))
	}))
	defer server.Close()
	o := opener(t)
	spec := catalog.FeedSpec{Name: "azure", Kind: "azure", Cloud: "public", URL: server.URL}
	src, err := decoders()[spec.Kind].source(spec)
	if err != nil {
		t.Fatal(err)
	}
	src.Check = func([]byte) (fetch.Checked, error) { return fetch.Checked{Compiled: []byte("no index")}, nil }
	if _, err := o.Fetcher.Fetch(context.Background(), src); err != nil {
		t.Fatal(err)
	}
	for i, wantNotes := range []int{2, 1} { // one says that it is offline
		f, err := again(o, func(f *fetch.Fetcher) { f.Offline = true }).Open(context.Background(), spec)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := f.Catalog.Set("AzureCloud"); !ok || len(f.Result.Notes) != wantNotes {
			t.Errorf("run %d: %v", i, f.Result.Notes)
		}
	}
}

// TestGuard: a file that lost most of its addresses does not replace the good
// copy, unless told so.
func TestGuard(t *testing.T) {
	body := read(t, small)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write([]byte(body))
	}))
	defer server.Close()
	o := opener(t)
	spec := catalog.FeedSpec{Name: "azure", Kind: "azure", URL: server.URL}
	if _, err := o.Open(context.Background(), spec); err != nil {
		t.Fatal(err)
	}
	body = `{"changeNumber": 8, "cloud": "Public", "values": [{"name": "AzureCloud", "properties":
		{"changeNumber": 1, "region": "", "systemService": "", "addressPrefixes": ["20.202.0.0/16"]}}]}`
	f, err := again(o, func(*fetch.Fetcher) {}).Open(context.Background(), spec)
	if err != nil {
		t.Fatalf("the good copy does not stand in: %v", err)
	}
	if f.Catalog.Info().Change != "7" || f.Result.Problem == nil || !strings.Contains(f.Result.Problem.Error(), "accept-feed-change") {
		t.Errorf("change %s is used, and the problem is %v", f.Catalog.Info().Change, f.Result.Problem)
	}
	_, sum, ok := strings.Cut(f.Result.Problem.Error(), "--accept-feed-change=")
	if !ok || len(sum) < acceptLength || CheckAccept(sum[:acceptLength]) != nil {
		t.Fatalf("the problem names no checksum: %v", f.Result.Problem)
	}
	sum = sum[:acceptLength]
	for _, other := range []string{"", sum[:acceptLeast-1], strings.Repeat("0", 64)} {
		o.Accept = []string{other}
		f, err = again(o, func(*fetch.Fetcher) {}).Open(context.Background(), spec)
		if err != nil || f.Catalog.Info().Change != "7" {
			t.Errorf("accepted by %q: %v, %v", other, f, err)
		}
	}
	good := body
	body = strings.Replace(body, "20.202.0.0/16", "20.203.0.0/16", 1) // another file
	o.Accept = []string{strings.Repeat("f", 64), sum}
	if f, err = again(o, func(*fetch.Fetcher) {}).Open(context.Background(), spec); err != nil || f.Catalog.Info().Change != "7" {
		t.Errorf("another file is accepted: %v, %v", f, err)
	}
	body = good
	if f, err = again(o, func(*fetch.Fetcher) {}).Open(context.Background(), spec); err != nil || f.Catalog.Info().Change != "8" {
		t.Errorf("accepted by its checksum: %v, %v", f, err)
	}
}

func TestCheckAccept(t *testing.T) {
	for text, ok := range map[string]bool{"": false, "12345678": true, "1234567": false, "ABCDEF01": false, "xyzxyzxy": false, strings.Repeat("a", 64): true, strings.Repeat("a", 65): false} {
		if err := CheckAccept(text); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestGuardLetsAWeekPass(t *testing.T) {
	var index []byte
	for _, name := range []string{"azure/ServiceTags_Public_change396.json", "azure/ServiceTags_Public_change398.json"} {
		c, err := azure.Decode(realfeed.Read(t, name), azure.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := guard(index, c); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		index = c.AppendIndex(nil)
	}
}

func TestPercent(t *testing.T) {
	for _, tt := range []struct{ a, b, want int64 }{{100, 100, 100}, {125, 100, 125}, {126, 100, 126}, {50, 100, 50}, {4, 3, 134}, {0, 0, 100}, {5, 0, maxPercent}, {1 << 40, 1, maxPercent}, {0, 5, 0}} {
		if got := percent(big.NewInt(tt.a), big.NewInt(tt.b)); got != tt.want {
			t.Errorf("%d is %d %% of %d, not %d", tt.a, got, tt.b, tt.want)
		}
	}
}

// TestDiscovery reads a page and then the file that it links, through a transport
// that stands for Microsoft's hosts and sends nothing.
func TestDiscovery(t *testing.T) {
	link := "https://download.microsoft.com/download/7/1/D/71D86715/ServiceTags_Public_20261116.json"
	pages := map[string]string{"www.microsoft.com": `<a href="` + link + `">download</a>`, "download.microsoft.com": read(t, small)}
	o := opener(t)
	o.Fetcher.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
		w := httptest.NewRecorder()
		body, ok := pages[r.URL.Host]
		if !ok {
			return nil, errors.New("nobody is there")
		}
		w.Header().Set("Content-Type", map[bool]string{true: "application/json", false: "text/html"}[strings.HasSuffix(r.URL.Path, ".json")])
		w.WriteString(body)
		return w.Result(), nil
	})
	f, err := o.Open(context.Background(), catalog.FeedSpec{Name: "azure", Kind: "azure"})
	if err != nil {
		t.Fatal(err)
	}
	if f.Catalog.Info().Source != link {
		t.Errorf("source %s", f.Catalog.Info().Source)
	}
	pages["www.microsoft.com"] = "<p>we have moved</p>"
	later := again(o, func(x *fetch.Fetcher) {
		x.Transport, x.Now = o.Fetcher.Transport, func() time.Time { return time.Now().Add(40 * 24 * time.Hour) }
	})
	_, err = later.Open(context.Background(), catalog.FeedSpec{Name: "azure", Kind: "azure"})
	var failed *fetch.Error
	if !errors.As(err, &failed) || !strings.Contains(err.Error(), "ServiceTags_Public_") || !strings.Contains(failed.Hint+err.Error(), "--feed azure=") {
		t.Errorf("a page without the link: %v", err)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestGuardSeesOneTag: the union of all tags hides a tag that takes in another's
// addresses, or opens every port.
func TestGuardSeesOneTag(t *testing.T) {
	entries := func(one ipranges.Set, ports ...catalog.Port) []catalog.Entry {
		return []catalog.Entry{
			{Tag: catalog.Tag{Name: "one"}, Set: one, Details: &catalog.Details{Ports: ports}},
			{Tag: catalog.Tag{Name: "two"}, Set: ipranges.MustParse("20.0.0.0/8")},
		}
	}
	small := ipranges.MustParse("20.1.2.0/24")
	port := catalog.Port{Proto: "udp", Lo: 3478, Hi: 3481}
	before := newCatalog(t, entries(small, port)).AppendIndex(nil)
	for name, tt := range map[string]struct {
		now []catalog.Entry
		ok  bool
	}{
		"the same":              {entries(small, port), true},
		"some more":             {entries(ipranges.MustParse("20.1.0.0/16"), port), true},
		"another tag's":         {entries(ipranges.MustParse("20.0.0.0/9"), port), false},
		"a few ports more":      {entries(small, port, catalog.Port{Proto: "tcp", Lo: 443, Hi: 443}), true},
		"every port":            {entries(small, catalog.Port{Proto: "udp", Lo: 1, Hi: 65535}), false},
		"every port of another": {entries(small, port, catalog.Port{Proto: "tcp", Lo: 1, Hi: 65535}), false},
	} {
		if err := guard(before, newCatalog(t, tt.now)); (err == nil) != tt.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func newCatalog(t *testing.T, entries []catalog.Entry) *catalog.Catalog {
	t.Helper()
	c, err := catalog.New(catalog.Info{Kind: "test"}, entries)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
