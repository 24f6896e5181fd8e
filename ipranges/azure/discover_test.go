package azure

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"sallyport/internal/testkit/cost"
)

const (
	detailsPage = "https://www.microsoft.com/en-us/download/details.aspx?id=56519"
	confirmPage = "https://www.microsoft.com/en-us/download/confirmation.aspx?id=56519"
	folder      = "https://download.microsoft.com/download/7/1/d/71d86715-5596-4529-9b13-da13a5de5b63/"
	july        = folder + "ServiceTags_Public_20260720.json"
)

var errNoPage = errors.New("404 Not Found")

// pages returns a get that knows these pages and no others, and notes what was
// asked for.
func pages(known map[string]string, asked *[]string) func(context.Context, string) ([]byte, error) {
	return func(ctx context.Context, url string) ([]byte, error) {
		*asked = append(*asked, url)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		page, ok := known[url]
		if !ok {
			return nil, errNoPage
		}
		return []byte(page), nil
	}
}

// TestDiscoverLayouts has the page's layouts of the last years, in short, and
// some that it may take next.
func TestDiscoverLayouts(t *testing.T) {
	jsonPath := strings.ReplaceAll(july, "/", `\/`)
	for name, page := range map[string]string{
		"plain link":      `<html><body><a href="` + july + `">Download</a></body></html>`,
		"single quotes":   `<a href='` + july + `'>`,
		"no quotes":       `<a href=` + july + ` class=x>`,
		"failover link":   `<p>If your download does not start, <a class="mscom-link failoverLink" href="` + july + `" data-bi-id="downloadretry">click here</a></p>`,
		"name as well":    `<h1>ServiceTags_Public_20260720.json</h1><a href="` + july + `">ServiceTags_Public_20260720.json</a>`,
		"data attribute":  `<button data-bi-dlnm="x" data-url="` + july + `?culture=en-us&amp;country=us">Download</button>`,
		"script":          `<script>window.__DLCDetails__={"dlcDetailsView":{"downloadFile":[{"isPrimary":"False","name":"ServiceTags_Public_20260720.json","url":"` + july + `","size":"4401044"}]}}</script>`,
		"script, escaped": `<script>var d = {"url":"` + jsonPath + `"};</script>`,
		"script, unicode": `<script>{"url":"` + strings.ReplaceAll(july, "/", `\u002f`) + `"}</script>`,
		"script, UNICODE": `<script>{"url":"` + strings.ReplaceAll(strings.ReplaceAll(july, "/", `\u002F`), ":", `\u003A`) + `"}</script>`,
		"JSON attribute":  `<div data-m="{&quot;url&quot;:&quot;` + jsonPath + `&quot;}">`,
		"entities":        `<a href="` + strings.NewReplacer("/", "&#x2F;", ":", "&#58;", "_", "&#95;").Replace(july) + `">`,
		"in a query":      `<a href="https://www.microsoft.com/redirect?to=` + july + `&x=1">`,
		"meta refresh":    `<meta http-equiv="refresh" content="0;url=` + july + `">`,
		"upper-case host": `<a href="HTTPS://Download.Microsoft.COM` + strings.TrimPrefix(july, fileHost) + `">`,
		"newest of many": `<a href="` + folder + `ServiceTags_Public_20260713.json"><a href="` + july + `">` +
			`<a href="` + folder + `ServiceTags_Public_20251229.json">`,
		"same date twice":  `<a href="` + july + `"><a href="` + fileHost + `/download/other/ServiceTags_Public_20260720.json">`,
		"other clouds":     `<a href="` + folder + `ServiceTags_China_20260727.json"><a href="` + july + `"><a href="` + folder + `ServiceTags_AzureGovernment_20260803.json">`,
		"relative as well": `<a href="/download/x/ServiceTags_Public_20260803.json"><a href="` + july + `">`,
		"no date":          `<a href="` + folder + `ServiceTags_Public_99999999.json"><a href="` + july + `">`,
		"longer name":      `<a href="` + folder + `ServiceTags_Public_20260803.json.exe"><a href="` + july + `">`,
		"other ending":     `<a href="` + folder + `ServiceTags_Public_20260803.xml"><a href="` + july + `">`,
		"end of the page":  july,
		"not even HTML":    "\x00\xff see " + july + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			var asked []string
			got, err := Discover(t.Context(), "public", pages(map[string]string{detailsPage: page}, &asked))
			if err != nil || got != july {
				t.Errorf("got %q, %v, want %s", got, err, july)
			}
			if len(asked) != 1 {
				t.Errorf("asked for %q, want one page", asked)
			}
		})
	}
}

func TestDiscoverClouds(t *testing.T) {
	all := ""
	for _, c := range Clouds {
		all += fmt.Sprintf(`<a href="%s%s20260720.json">`, folder, c.FilePrefix)
	}
	for _, c := range Clouds {
		var asked []string
		got, err := Discover(t.Context(), c.Name, pages(map[string]string{c.Page(): all}, &asked))
		if want := folder + c.FilePrefix + "20260720.json"; err != nil || got != want {
			t.Errorf("%s: %q, %v, want %s", c.Name, got, err, want)
		}
	}
	if _, err := Discover(t.Context(), "moon", func(context.Context, string) ([]byte, error) {
		t.Error("a page was read for a cloud that does not exist")
		return nil, errNoPage
	}); err == nil || !strings.Contains(err.Error(), "china") {
		t.Errorf("an unknown cloud gives %v, want the names there are", err)
	}
}

// TestDiscoverFallback has a download page without the link, as in May 2023,
// when the confirmation page had it.
func TestDiscoverFallback(t *testing.T) {
	var asked []string
	got, err := Discover(t.Context(), "public", pages(map[string]string{
		detailsPage: "<html>Download</html>", confirmPage: `<a href="` + july + `">`,
	}, &asked))
	if err != nil || got != july || len(asked) != 2 {
		t.Errorf("got %q, %v after %q, want %s", got, err, asked, july)
	}
}

// TestDiscoverRefuses has pages from which no link may be taken, not even the
// good one that some of them hold too.
func TestDiscoverRefuses(t *testing.T) {
	good := `<a href="` + july + `">`
	file := "/download/7/1/d/ServiceTags_Public_20260803.json"
	for name, tt := range map[string]struct{ page, says string }{
		"another host":      {`<a href="https://evil.example` + file + `">` + good, "evil.example"},
		"after the good":    {good + `<a href="https://evil.example` + file + `">`, "evil.example"},
		"older":             {good + `<a href="https://evil.example/ServiceTags_Public_20200101.json">`, "evil.example"},
		"longer host":       {`<a href="https://download.microsoft.com.evil.example` + file + `">`, "evil.example"},
		"user name":         {`<a href="https://download.microsoft.com@evil.example` + file + `">`, "evil.example"},
		"user and password": {`<a href="https://download.microsoft.com:x@evil.example` + file + `">`, "evil.example"},
		"port":              {`<a href="https://download.microsoft.com:8443` + file + `">`, "8443"},
		"http":              {`<a href="http://download.microsoft.com` + file + `">`, "http://"},
		"parent folder":     {`<a href="https://download.microsoft.com/download/../x/ServiceTags_Public_20260803.json">`, ".."},
		"percent escapes":   {`<a href="https://download.microsoft.com/download/%2e%2e/ServiceTags_Public_20260803.json">`, "%2e"},
		"another folder":    {`<a href="https://download.microsoft.com/upload/ServiceTags_Public_20260803.json">`, "upload"},
		"no folder":         {`<a href="https://download.microsoft.com/download/ServiceTags_Public_20260803.json">`, "download"},
		"query in front":    {`<a href="https://download.microsoft.com/download/x?y=/ServiceTags_Public_20260803.json">`, "x?y"},
		"terminal escapes":  {"<a href=\"https://evil\x1b\u202e.example" + file + "\">", `\x1b`},
		"long":              {`<a href="https://evil.example/` + strings.Repeat("x", 10_000) + file + `">`, "evil.example"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, known := range []map[string]string{
				{detailsPage: tt.page, confirmPage: good},
				{detailsPage: "", confirmPage: tt.page},
			} {
				var asked []string
				got, err := Discover(t.Context(), "public", pages(known, &asked))
				if err == nil || got != "" {
					t.Fatalf("got %q, %v, want an error", got, err)
				}
				mustHelp(t, err, asked[len(asked)-1], "only "+fileHost, tt.says)
			}
		})
	}
}

// TestDiscoverNothing has pages without any link. The error must say which
// page was read, what was looked for, and how to go on.
func TestDiscoverNothing(t *testing.T) {
	for name, page := range map[string]string{
		"empty":        "",
		"other page":   "<html><title>Microsoft Download Center</title><a href='https://www.microsoft.com/'>Buy a Surface</a></html>",
		"name alone":   `<b>ServiceTags_Public_20260720.json</b>`,
		"relative":     `<a href="/download/x/ServiceTags_Public_20260720.json">`,
		"no scheme":    `<a href="download.microsoft.com/download/x/ServiceTags_Public_20260720.json">`,
		"other cloud":  `<a href="` + folder + `ServiceTags_China_20260720.json">`,
		"broken up":    `<a href="` + folder + `" title="ServiceTags_Public_20260720.json">`,
		"prefix alone": "ServiceTags_Public_",
		"bad date":     folder + "ServiceTags_Public_20261399.json",
	} {
		t.Run(name, func(t *testing.T) {
			for _, known := range []map[string]string{{detailsPage: page}, {detailsPage: page, confirmPage: page}} {
				var asked []string
				got, err := Discover(t.Context(), "public", pages(known, &asked))
				if err == nil || got != "" {
					t.Fatalf("got %q, %v, want an error", got, err)
				}
				mustHelp(t, err, detailsPage, confirmPage, "ServiceTags_Public_")
			}
		})
	}
}

// TestDiscoverHostilePage: a page full of names, without an end between them, is read
// in one pass. (When it was not, 2 MB took two minutes.)
func TestDiscoverHostilePage(t *testing.T) {
	name := "ServiceTags_Public_20260720.json?"
	for _, page := range []func(n int) string{
		func(n int) string { return strings.Repeat(name, n) },
		func(n int) string { return strings.Repeat("a", 50*n) + strings.Repeat(name, n) },
		func(n int) string {
			return folder + strings.Repeat("a", 50*n) + "/" + strings.Repeat("ServiceTags_Public_", n)
		},
	} {
		cost.Linear(t, page(1), 2_500, func(n int) {
			if link, _ := findLink([]byte(page(n)), Clouds[0]); link != "" {
				t.Errorf("found %.100s", link)
			}
		})
	}
}

func TestDiscoverUnreachable(t *testing.T) {
	var asked []string
	_, err := Discover(t.Context(), "public", pages(nil, &asked))
	if !errors.Is(err, errNoPage) {
		t.Fatalf("error %v, want that of the page", err)
	}
	mustHelp(t, err, detailsPage)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err = Discover(ctx, "public", pages(map[string]string{detailsPage: july}, &asked)); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that the context was cancelled", err)
	}
}

// mustHelp holds an error against what all of Discover's promise: facts, the
// way to do without, and nothing that a terminal obeys.
func mustHelp(t *testing.T, err error, facts ...string) {
	t.Helper()
	for _, fact := range append(facts, "--feed azure=FILE", detailsPage) {
		if !strings.Contains(err.Error(), fact) {
			t.Errorf("the error lacks %q: %v", fact, err)
		}
	}
	if msg := err.Error(); len(msg) > 1000 || strings.IndexFunc(msg, func(r rune) bool { return r < ' ' || r > '~' }) >= 0 {
		t.Errorf("the error is too long or cannot be printed: %q", msg)
	}
}

// FuzzFindLink holds whatever comes out of any page against what may come out.
func FuzzFindLink(f *testing.F) {
	for _, s := range []string{
		july, `<a href="https://evil.example/ServiceTags_Public_20260720.json">`, strings.ReplaceAll(july, "/", `\u002f`), "&#x2F;", `\"\/`,
		"https://download.microsoft.com/download/\u0130/ServiceTags_Public_20260720.json", // lower case of another length
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, page string) {
		link, err := findLink([]byte(page), Clouds[0])
		if link == "" {
			return
		}
		name := link[strings.LastIndex(link, "/")+1:]
		if err != nil || !strings.HasPrefix(link, "https://download.microsoft.com/download/") || strings.ContainsAny(link, "@%?#\\ ") ||
			strings.Contains(link, "..") || !strings.HasPrefix(name, "ServiceTags_Public_") || len(name) != len("ServiceTags_Public_20260720.json") ||
			!strings.HasSuffix(name, ".json") || clean(link, len(link)) != link {
			t.Errorf("%q, %v", link, err)
		}
	})
}
