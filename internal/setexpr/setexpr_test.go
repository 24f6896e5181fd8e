package setexpr

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sallyport/internal/feeds"
	"sallyport/internal/fetch"
	"sallyport/internal/pipeline"
	"sallyport/ipranges"
	"sallyport/ipranges/catalog"
)

const (
	azureFile = "../../ipranges/azure/testdata/small.json"
	m365File  = "../../ipranges/m365/testdata/small.json"
)

// evaluator reads small feeds, and counts how often it opens one.
func evaluator(t *testing.T, policy string, own Feeds) (e *Evaluator, opened *int) {
	t.Helper()
	cache, err := fetch.OpenCache(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	o := &feeds.Opener{Fetcher: &fetch.Fetcher{Cache: cache, Offline: true, Now: time.Now, Stdin: strings.NewReader("")}}
	file := filepath.Join(t.TempDir(), "policy.hcl")
	if err := os.WriteFile(file, []byte(policy), 0o644); err != nil {
		t.Fatal(err)
	}
	if own.Files == nil {
		own.Files = []string{"azure=" + azureFile, "m365=" + m365File}
	}
	opened = new(int)
	return &Evaluator{
		Feeds: own,
		Open: func(ctx context.Context, spec catalog.FeedSpec) (*catalog.Catalog, error) {
			*opened++
			f, err := o.Open(ctx, spec)
			if err != nil {
				return nil, err
			}
			return f.Catalog, nil
		},
		Policy: func(string) (pipeline.Request, error) {
			return pipeline.Request{Policy: file, Now: time.Now(), Opener: o}, nil
		},
		Settle: func(res *pipeline.Result, err error) error {
			if err == nil && res.Diagnostics.HasErrors() {
				err = errors.New(res.Diagnostics[0].Summary)
			}
			return err
		},
	}, opened
}

const twoSets = "set \"lan\" {\n  include = [\"192.0.2.0/24\"]\n}\nset \"both\" {\n  include = [set.lan, \"2001:db8::/32\"]\n}\n"

func tagOf(t *testing.T, e *Evaluator, kind string) string {
	t.Helper()
	c, err := e.catalog(context.Background(), kind, e.Feeds.of(kind))
	if err != nil {
		t.Fatal(err)
	}
	for tag := range c.Tags() {
		if s, _ := c.Set(tag.Name); !s.IsEmpty() {
			return tag.Name
		}
	}
	t.Fatal("no tag with addresses")
	return ""
}

func TestSets(t *testing.T) {
	e, opened := evaluator(t, twoSets, Feeds{})
	azure, m365 := tagOf(t, e, "azure"), tagOf(t, e, "m365")
	exprs := []string{azure, "azure:" + azure, "m365:" + m365, "192.0.2.0/24", "192.0.2.1-192.0.2.9", "2001:db8::1", "set.both", "set.lan"}
	sets, err := e.Sets(context.Background(), exprs)
	if err != nil {
		t.Fatal(err)
	}
	if *opened != 2 {
		t.Errorf("feeds were opened %d times", *opened)
	}
	if sets[0].IsEmpty() || !sets[0].Equal(sets[1]) || sets[2].IsEmpty() {
		t.Errorf("the tags are %v, %v and %v", sets[0], sets[1], sets[2])
	}
	for i, want := range []int{3: 1, 4: 1, 5: 0, 6: 1, 7: 1} {
		if got := sets[i].NumRanges(ipranges.IPv4); i > 2 && got != want {
			t.Errorf("%s has %d ranges of IPv4, want %d", exprs[i], got, want)
		}
	}
	if !sets[6].Has(ipranges.IPv6) || sets[7].Has(ipranges.IPv6) {
		t.Error("the sets of the policy are mixed up")
	}
}

func TestMistakes(t *testing.T) {
	for _, tt := range []struct {
		exprs []string
		want  string
		usage bool
	}{
		{[]string{""}, "a set has no name", true},
		{[]string{"aws:EC2"}, `no kind of feed is called "aws"`, true},
		{[]string{"10.0.0.1/8"}, "host bits", true},
		{[]string{"1.2.3"}, "1.2.3", true},
		{[]string{"192.0.2.0", "255.255.255.0"}, "write it in one word, 192.0.2.0/24", true},
		{[]string{"192.0.2.1", "-", "192.0.2.9"}, "write a range without blanks", true},
		{[]string{"azure:a,b"}, "write blanks between names", true},
		{[]string{"NoSuchTag"}, "no tag NoSuchTag in azure", false},
		{[]string{"set.nope"}, "the policy has no set nope: it has lan, both", false},
	} {
		e, _ := evaluator(t, twoSets, Feeds{})
		_, err := e.Sets(context.Background(), tt.exprs)
		var usage *pipeline.UsageError
		if err == nil || !strings.Contains(err.Error(), tt.want) || errors.As(err, &usage) != tt.usage {
			t.Errorf("%q: %v, want %q", tt.exprs, err, tt.want)
		}
	}
	e, _ := evaluator(t, "set \"lan\" {\n  include = [\"10.0.0.0/99\"]\n}\n", Feeds{})
	if _, err := e.Set(context.Background(), "set.lan"); err == nil {
		t.Error("a policy with a mistake has sets")
	}
}

func TestFeedsSpec(t *testing.T) {
	for _, tt := range []struct {
		feeds Feeds
		want  catalog.FeedSpec
		err   string
	}{
		{Feeds{}, catalog.FeedSpec{Name: "azure", Kind: "azure"}, ""},
		{Feeds{Kind: "azure", Cloud: "china"}, catalog.FeedSpec{Name: "azure", Kind: "azure", Cloud: "china"}, ""},
		{Feeds{Files: []string{"m365=x.json"}}, catalog.FeedSpec{Name: "m365", Kind: "m365", Cloud: feeds.AnyCloud, File: "x.json"}, ""},
		{Feeds{Files: []string{"https://example.com/?a=b"}}, catalog.FeedSpec{Name: "azure", Kind: "azure", URL: "https://example.com/?a=b"}, ""},
		{Feeds{Files: []string{"a", "b"}}, catalog.FeedSpec{}, "given 2 times"},
		{Feeds{Kind: "azure", Files: []string{"m365=a"}}, catalog.FeedSpec{}, "two kinds"},
		{Feeds{Files: []string{"aws=a"}}, catalog.FeedSpec{}, `no kind of feed is called "aws"`},
		{Feeds{Files: []string{"azure="}}, catalog.FeedSpec{}, "names no file"},
		{Feeds{Kind: "aws"}, catalog.FeedSpec{}, "choose one of azure"},
		{Feeds{Cloud: "moon"}, catalog.FeedSpec{}, "--cloud: "},
	} {
		got, err := tt.feeds.Spec()
		var usage *pipeline.UsageError
		switch {
		case tt.err == "" && (err != nil || got != tt.want):
			t.Errorf("%+v: %+v (%v), want %+v", tt.feeds, got, err, tt.want)
		case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err) || !errors.As(err, &usage)):
			t.Errorf("%+v: %v, want %q", tt.feeds, err, tt.err)
		}
	}
}

func TestFeedsOf(t *testing.T) {
	f := Feeds{Cloud: "china", Files: []string{"one.json", "m365=two.json"}}
	want := map[string]Feeds{
		"azure": {Kind: "azure", Cloud: "china", Files: []string{"one.json"}},
		"m365":  {Kind: "m365", Files: []string{"m365=two.json"}},
		"text":  {Kind: "text"},
	}
	for kind, want := range want {
		if diff := cmp.Diff(want, f.of(kind)); diff != "" {
			t.Error(diff)
		}
	}
}

func TestComplete(t *testing.T) {
	e, _ := evaluator(t, twoSets, Feeds{})
	tag := tagOf(t, e, "m365")
	declared := []string{"lan", "both"}
	for typed, want := range map[string]string{"m365:" + strings.ToLower(tag): "m365:" + tag, "set.": "set.both", "se": "set.lan"} {
		if got := e.Complete(context.Background(), typed, declared); !slices.Contains(got, want) {
			t.Errorf("%s: %q lacks %s", typed, got, want)
		}
	}
	if got := e.Complete(context.Background(), "set.l", declared); !slices.Equal(got, []string{"set.lan"}) {
		t.Errorf("%q", got)
	}
	broken, _ := evaluator(t, twoSets, Feeds{Files: []string{"azure=none.json"}})
	if got := broken.CompleteName(context.Background(), "A", declared); len(got) > 0 {
		t.Errorf("a feed that is not there has %q", got)
	}
	one, _ := evaluator(t, twoSets, Feeds{Files: []string{"azure=" + azureFile}})
	azure := tagOf(t, one, "azure")
	if got := one.CompleteName(context.Background(), strings.ToUpper(azure), declared); !slices.Contains(got, azure) {
		t.Errorf("%q", got)
	}
	named, err := one.Name(context.Background(), azure)
	if err != nil || named.Catalog == nil || named.Tag.Name != azure {
		t.Errorf("%+v (%v)", named, err)
	}
}
