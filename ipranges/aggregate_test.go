package ipranges

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"go4.org/netipx"

	"sallyport/internal/testkit/need"
	"sallyport/internal/testkit/realfeed"
)

func TestReadSet(t *testing.T) {
	const text = "\ufeff# exported today\r\n" +
		"10.0.0.0/9\r\n" +
		"10.128.0.0/9 the other half\n" +
		"\n" +
		"  \t192.0.2.1\t# one address\n" +
		"192.0.2.2-192.0.2.9#no blank\n" +
		"2603:1030::/45 #\n" +
		"64:ff9b::1.2.3.4\n" +
		"   \t \r\n" +
		"198.51.100.7/32" // no line end
	want := MustParse("10.0.0.0/8", "192.0.2.1-192.0.2.9", "2603:1030::/45", "64:ff9b::102:304", "198.51.100.7")
	set, stats, err := ReadSet(strings.NewReader(text), ReadOptions{})
	if err != nil || !set.Equal(want) {
		t.Errorf("got %v, %v; want %v", set, err, want)
	}
	if stats != (ReadStats{Lines: 10, Entries: 7, Unended: true}) {
		t.Errorf("stats %+v", stats)
	}
}

func TestReadSetLenient(t *testing.T) {
	const text = "10.1.2.3/8\n2603:1030::1/45\n64:ff9b::1.2.3.4/96\n192.0.2.0/24\n"
	if _, _, err := ReadSet(strings.NewReader(text), ReadOptions{}); err == nil || !strings.Contains(err.Error(), "10.0.0.0/8") {
		t.Errorf("strict reading says %v, want the masked form", err)
	}
	set, stats, err := ReadSet(strings.NewReader(text), ReadOptions{Lenient: true})
	want := MustParse("10.0.0.0/8", "2603:1030::/45", "64:ff9b::/96", "192.0.2.0/24")
	if err != nil || !set.Equal(want) || stats.Masked != 3 || stats.Entries != 4 {
		t.Errorf("got %v, %+v, %v; want %v", set, stats, err, want)
	}
}

func TestReadSetMistakes(t *testing.T) {
	for _, c := range []struct {
		name, text string
		line       int
	}{
		{"first line", "nonsense\n10.0.0.0/8\n", 1},
		{"after comments", "#\n\n  \n10.0.0.0/8\n10.0.0.0/33\nnonsense\n", 5},
		{"last line without end", "10.0.0.0/8\n10.0.0.", 2},
		{"mapped", "10.0.0.0/8\n::ffff:10.0.0.0/104\n", 2},
		{"comma", "10.0.0.0/8,\n", 1},
		{"blanks around the dash", "10.0.0.1 - 10.0.0.2\n10.0.0.1 -\n-\n", 2},
		{"binary", "\x00\x01\x02\xff\xfe\n", 1},
		{"late", strings.Repeat("10.0.0.0/8\n", 50000) + "bad\n" + strings.Repeat("10.0.0.0/8\nworse\n", 50000), 50001},
		{"long line", "10.0.0.0/8\n" + strings.Repeat("x", 300<<10), 2},
		{"long line late", strings.Repeat("10.0.0.0/8\n", 50000) + strings.Repeat(" ", 300<<10), 50001},
		{"before the long line", "10.0.0.0/8\nbad\n" + strings.Repeat("x", 300<<10), 2},
	} {
		set, _, err := ReadSet(strings.NewReader(c.text), ReadOptions{})
		var at *LineError
		if !errors.As(err, &at) || at.Line != c.line || !set.IsEmpty() || len(err.Error()) > 200 {
			t.Errorf("%s: %v and %d ranges, want a mistake on line %d and no set", c.name, err, set.NumRanges(IPv4), c.line)
		}
	}
}

func TestReadSetReaderFails(t *testing.T) {
	broken := errors.New("broken")
	for _, lines := range []int{0, 1, 40000} {
		r := io.MultiReader(strings.NewReader(strings.Repeat("10.0.0.0/8\n", lines)), iotest.ErrReader(broken))
		if set, _, err := ReadSet(r, ReadOptions{}); !errors.Is(err, broken) || !set.IsEmpty() {
			t.Errorf("after %d lines: %v, %v; want the reader's error and no set", lines, set, err)
		}
	}
}

// endless repeats its text for ever.
type endless struct {
	text string
	at   int
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.text[e.at:])
	for n < len(p) {
		m := copy(p[n:], e.text)
		n += m
	}
	e.at = (e.at + n) % len(e.text)
	return n, nil
}

// TestReadSetEndless: what never ends is refused.
func TestReadSetEndless(t *testing.T) {
	need.Time(t, "reads gigabytes")
	for text, want := range map[string]string{
		"\n":                                     "after 20000000 lines",
		"#" + strings.Repeat(".", 32_000) + "\n": "larger than 2 GiB",
		"\x00":                                   "64 KiB",
	} {
		set, _, err := ReadSet(&endless{text: text}, ReadOptions{})
		if err == nil || !strings.Contains(err.Error(), want) || !set.IsEmpty() {
			t.Errorf("%.10q without end: %v, want %q", text, err, want)
		}
	}
}

// TestReadSetBlocks: where blocks end, and how the reader serves them, makes
// no difference.
func TestReadSetBlocks(t *testing.T) {
	rnd := rand.New(rand.NewPCG(4, 4))
	var text []byte
	var all []netipx.IPRange
	for i, r := range slices.Concat(randomRanges(rnd, IPv4, 300), randomRanges(rnd, IPv6, 300)) {
		text = append(AppendRange(text, r), []string{"\n", "\r\n", " # comment\n", "\n\n"}[i%4]...)
		all = append(all, r)
	}
	want := mustSet(t, all)
	for _, size := range []int{220, 333, 1024, 100000} {
		for name, r := range map[string]io.Reader{
			"whole":        bytes.NewReader(text),
			"byte by byte": iotest.OneByteReader(bytes.NewReader(text)),
			"early end":    iotest.DataErrReader(bytes.NewReader(text)),
		} {
			set, stats, err := readSet(r, ReadOptions{}, size)
			if err != nil || !set.Equal(want) || stats.Entries != len(all) || stats.Lines != bytes.Count(text, []byte("\n")) {
				t.Errorf("blocks of %d, %s: %+v, %v; equal: %v", size, name, stats, err, set.Equal(want))
			}
		}
	}
}

// TestReadSetDescendingBlocks: each block by itself is in order, and so are
// the last two, but all together are not.
func TestReadSetDescendingBlocks(t *testing.T) {
	const text = "9.0.0.1\n9.0.0.2\n9::1\n9::3\n#.............................................\n" +
		"8.0.0.1\n8.0.0.2\n8::1\n8::3\n#.............................................\n" +
		"7.0.0.1\n7.0.0.2\n7::1\n7::3\n#.............................................\n" +
		"7.0.0.4\n7.0.0.5\n7::5\n7::7\n#.............................................\n"
	want := MustParse("7.0.0.4-7.0.0.5", "7::5", "7::7", "7.0.0.1-7.0.0.2", "8.0.0.1-8.0.0.2", "9.0.0.1-9.0.0.2", "7::1", "7::3", "8::1", "8::3", "9::1", "9::3")
	set, _, err := readSet(strings.NewReader(text), ReadOptions{}, 80) // a third and the start of the next
	if err != nil || !set.Equal(want) {
		t.Errorf("got %v, %v", set, err)
	}
	checkInvariant(t, set)
}

// readSlowly is ReadSet line by line, without the scanner.
func readSlowly(text string, opt ReadOptions) (set Set, badLine int) {
	var b Builder
	for i, line := range strings.Split(strings.TrimPrefix(text, "\ufeff"), "\n") {
		l := splitLine(line)
		e, ok, err := l.entry(opt)
		if err == nil && ok {
			err = b.AddRange(e.r)
		}
		if err != nil {
			return Set{}, i + 1
		}
	}
	return b.Set(), 0
}

// FuzzReadSet compares with the slow reader, for blocks of two sizes.
func FuzzReadSet(f *testing.F) {
	for _, s := range []string{
		"10.0.0.0/8\n", "10.0.0.1/8 # x\n", "1.2.3.4-1.2.3.9\r\n::1\n", "\ufeff::/0", "1.2.3.4\v1\n\n#\n-\n",
		"fe80::1%eth0\n", "::ffff:1.2.3.4/96\n", "255.255.255.255/32\n0.0.0.0/32\n", "1.2.3.4/\n", "1:2:3:4:5:6:7:8/128#",
		"10.0.0.0 255.0.0.0\n10.0.0.0/8,NL\n", "10.0.0.0 - 10.0.0.9 ; x\n10.0.0.0 10.0.0.255 24 y",
		"10.0.0.0- 10.0.0.9\n10.0.0.9-10.0.0.0\n", "::-::9 #\n1:: \t-\t1::9\n::-10.0.0.0", "10.0.0.0/8-10.0.0.1\n10.0.0.0-10.0.0.1/32\n",
	} {
		f.Add(s, true, true)
		f.Add(s, false, false)
	}
	f.Fuzz(func(t *testing.T, text string, lenient, noWords bool) {
		opt := ReadOptions{Lenient: lenient, NoWords: noWords}
		want, badLine := readSlowly(text, opt)
		// The second is followed by room, so that the scanner sees every line.
		for _, text := range []string{text, text + "\n" + strings.Repeat("#", 2*scanRoom)} {
			for _, size := range []int{300, 1 << 14} {
				set, _, err := readSet(strings.NewReader(text), opt, size)
				var at *LineError
				if errors.As(err, &at) && errors.Is(err, errLongLine) {
					continue
				}
				if badLine != 0 && (at == nil || at.Line != badLine) || badLine == 0 && (err != nil || !set.Equal(want)) {
					t.Fatalf("blocks of %d: %v, %v; want %v or a mistake on line %d", size, set, err, want, badLine)
				}
				checkInvariant(t, set)
			}
		}
	})
}

func TestWrite(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 5))
	for _, n := range []int{0, 1, 100, 30000} {
		ranges := slices.Concat(randomRanges(rnd, IPv4, n), randomRanges(rnd, IPv6, n))
		for range n { // far apart, so that they stay as many
			a := word6{rnd.Uint64()>>3 | 1<<61, rnd.Uint64()}
			ranges = append(ranges, netipx.IPRangeFrom(a.addr(), word6{a.hi, a.lo | 5}.addr()))
		}
		set := mustSet(t, ranges)
		var wantPrefixes, wantRanges, gotPrefixes, gotRanges bytes.Buffer
		for _, f := range []Family{IPv4, IPv6} {
			for p := range set.Prefixes(f) {
				wantPrefixes.WriteString(p.String() + "\n")
			}
			wantRanges.Write(set.AppendRanges(nil, f, "", "\n"))
		}
		if err := errors.Join(set.WritePrefixes(&gotPrefixes), set.WriteRanges(&gotRanges)); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(gotPrefixes.Bytes(), wantPrefixes.Bytes()) || !bytes.Equal(gotRanges.Bytes(), wantRanges.Bytes()) {
			t.Errorf("%d ranges are not written in order or whole", set.NumRanges(IPv4)+set.NumRanges(IPv6))
		}
		if back, _, err := ReadSet(&gotRanges, ReadOptions{}); err != nil || !back.Equal(set) {
			t.Errorf("%d ranges do not read back: %v", len(ranges), err)
		}
	}
}

// TestWriteOrder: a piece that takes long is still written in its place.
func TestWriteOrder(t *testing.T) {
	set, err := FromPrefixes(randomPrefixes(IPv4, 5*pieceLen, 30, 32)...)
	if err != nil {
		t.Fatal(err)
	}
	first := set.v4[0]
	slow := func(s Set, dst []byte, f Family, before, after string) []byte {
		if f == IPv4 && s.v4[0] == first {
			time.Sleep(20 * time.Millisecond)
		}
		return s.AppendRanges(dst, f, before, after)
	}
	var got bytes.Buffer
	if err := set.write(&got, slow); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), set.AppendRanges(nil, IPv4, "", "\n")) {
		t.Error("pieces are written out of order")
	}
}

// failAfter is a writer on a disk that gets full.
type failAfter struct{ left int }

func (w *failAfter) Write(p []byte) (int, error) {
	if w.left -= len(p); w.left < 0 {
		return 0, io.ErrShortWrite
	}
	return len(p), nil
}

func TestWriteFails(t *testing.T) {
	set, err := FromPrefixes(randomPrefixes(IPv4, 50000, 28, 32)...)
	if err != nil {
		t.Fatal(err)
	}
	for _, left := range []int{0, 100000, 500000} {
		if err := set.WritePrefixes(&failAfter{left}); !errors.Is(err, io.ErrShortWrite) {
			t.Errorf("room for %d bytes: %v, want the writer's error", left, err)
		}
	}
}

// TestIprange compares with the iprange program on random prefixes and on a
// real feed, IPv4 only, as it is.
func TestIprange(t *testing.T) {
	program := need.Program(t, "iprange")
	compare := func(t *testing.T, prefixes []netip.Prefix) {
		cmd := exec.Command(program, "-")
		cmd.Stdin = bytes.NewReader(prefixText(prefixes))
		want, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		set, _, err := ReadSet(bytes.NewReader(prefixText(prefixes)), ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		if err := set.WritePrefixes(&got); err != nil {
			t.Fatal(err)
		}
		// iprange writes a single address without its length.
		if !bytes.Equal(bytes.ReplaceAll(got.Bytes(), []byte("/32\n"), []byte("\n")), want) {
			t.Errorf("the covers differ: %d and %d bytes", got.Len(), len(want))
		}
	}
	t.Run("random", func(t *testing.T) { compare(t, randomPrefixes(IPv4, 100000, 12, 32)) })
	t.Run("feed", func(t *testing.T) {
		realfeed.Path(t, publicFeed)
		all := readTags(t, publicFeed)["AzureCloud"]
		compare(t, slices.DeleteFunc(slices.Clone(all), func(p netip.Prefix) bool { return p.Addr().Is6() }))
	})
}
