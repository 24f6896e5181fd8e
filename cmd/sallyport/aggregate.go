package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"sallyport/internal/readfile"
	"sallyport/internal/utf8text"
	"sallyport/ipranges"
	"sallyport/ipranges/text"
)

// aggregateFlags are the flags of aggregate.
type aggregateFlags struct {
	exclude []string
	lenient bool
	ranges  bool
	v4, v6  bool
}

func newAggregate(a *app) *cobra.Command {
	var f aggregateFlags
	cmd := &cobra.Command{
		Use:   "aggregate [FILE...]",
		Short: "Turn prefixes into the fewest that cover the same addresses",
		Long: `aggregate reads prefixes, ranges (first-last) and addresses, one a line, and
prints the fewest prefixes that hold exactly the same addresses. It reads
standard input when no file is named or a file is called -.

It reads the forms of published lists as well: netmasks (192.0.2.0 255.255.255.0),
comments after # ; or //, fields with commas between, what ipset save prints, JSON
arrays and JSON lines. Words after an entry are ignored; what could be part of the
entry, and cannot be understood, is a mistake.`,
		Example: `  sallyport aggregate prefixes.txt
  sallyport ranges show AzureCloud | sallyport aggregate --exclude mine.txt`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return a.aggregate(cmd.Context(), &f, args) },
	}
	fl := cmd.Flags()
	fl.StringArrayVarP(&f.exclude, "exclude", "x", nil, "leave out the addresses in `FILE`; may be repeated")
	files(cmd, "", "exclude")
	fl.BoolVar(&f.lenient, "lenient", false, "mask host bits (10.0.0.1/8 is 10.0.0.0/8) instead of refusing them")
	fl.BoolVar(&f.ranges, "ranges", false, "print ranges instead of prefixes")
	fl.BoolVarP(&f.v4, "ipv4", "4", false, "only IPv4")
	fl.BoolVarP(&f.v6, "ipv6", "6", false, "only IPv6")
	return cmd
}

func (a *app) aggregate(ctx context.Context, f *aggregateFlags, files []string) error {
	if len(files) == 0 {
		files = []string{"-"}
	}
	set, err := a.readSets(ctx, files, f.lenient)
	if err != nil {
		return err
	}
	if len(f.exclude) > 0 {
		out, err := a.readSets(ctx, f.exclude, f.lenient)
		if err != nil {
			return err
		}
		set = set.Minus(out)
	}
	return a.printSet(onlyFamilies(set, f.v4, f.v6), f.ranges)
}

// maxRanges bounds what several files come to; each is bounded by itself. Tests lower it.
var maxRanges = ipranges.MaxLines

// readSets returns the union of the sets in the files.
func (a *app) readSets(ctx context.Context, files []string, lenient bool) (ipranges.Set, error) {
	var union ipranges.Set
	for _, name := range files {
		set, stats, err := a.readSet(ctx, name, ipranges.ReadOptions{Lenient: lenient})
		if err != nil {
			return union, err
		}
		if stats.Masked > 0 {
			fmt.Fprintf(a.err, "note: %s: host bits of %s were masked\n", name, plural(stats.Masked, "prefix"))
		}
		if stats.Unended {
			text := called(name) + " ends within a line, without a line end: if the list was cut short, so may be its last entry"
			fmt.Fprintln(a.err, "note:", hang(text, 6, 2, a.width))
		}
		if union = union.Union(set); union.NumRanges(ipranges.IPv4)+union.NumRanges(ipranges.IPv6) > maxRanges {
			return union, fmt.Errorf("the lists up to %s have more than %d ranges: aggregate them in parts", called(name), maxRanges)
		}
	}
	return union, nil
}

func (a *app) readSet(ctx context.Context, name string, opt ipranges.ReadOptions) (ipranges.Set, ipranges.ReadStats, error) {
	open := func() (io.ReadCloser, error) { return readfile.Open(name) }
	if name == "-" {
		open = func() (io.ReadCloser, error) { return io.NopCloser(a.in), nil }
		opt.Size = sizeOf(a.in)
	}
	set, stats, err := readInterruptibly(ctx, open, opt)
	var line *ipranges.LineError
	var list *text.Error
	var path *fs.PathError
	switch {
	case errors.As(err, &line), errors.As(err, &list):
		return set, stats, fmt.Errorf("%s: %w", called(name), err)
	case errors.As(err, &path):
		return set, stats, fmt.Errorf("reading prefixes: %w: name a file that you can read", err)
	case err != nil:
		return set, stats, fmt.Errorf("reading %s: %w: name a file that you can read", called(name), err)
	}
	return set, stats, nil
}

// called is the name of a file in messages.
func called(name string) string {
	if name == "-" {
		return "standard input"
	}
	return name
}

// readInterruptibly returns when ctx is done. The goroutine that reads then goes on, because
// there is no portable way to interrupt reading from a pipe or a terminal.
func readInterruptibly(ctx context.Context, open func() (io.ReadCloser, error), opt ipranges.ReadOptions) (ipranges.Set, ipranges.ReadStats, error) {
	type answer struct {
		set   ipranges.Set
		stats ipranges.ReadStats
		err   error
	}
	done := make(chan answer, 1)
	go func() {
		in, err := open()
		if err != nil {
			done <- answer{err: err}
			return
		}
		defer in.Close()
		opt.Size = max(opt.Size, sizeOf(in))
		set, stats, err := text.Read(utf8text.NewReader(in), opt)
		done <- answer{set, stats, err}
	}()
	select {
	case a := <-done:
		return a.set, a.stats, a.err
	case <-ctx.Done():
		return ipranges.Set{}, ipranges.ReadStats{}, context.Cause(ctx)
	}
}

// sizeOf is how many bytes a regular file has, and 0 for everything else.
func sizeOf(in io.Reader) int64 {
	if file, ok := in.(*os.File); ok {
		if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
			return info.Size()
		}
	}
	return 0
}

// onlyFamilies returns the part of s in one family if exactly one is asked for.
func onlyFamilies(s ipranges.Set, v4, v6 bool) ipranges.Set {
	switch {
	case v4 && !v6:
		return s.Only(ipranges.IPv4)
	case v6 && !v4:
		return s.Only(ipranges.IPv6)
	}
	return s
}

// printSet writes one element per line.
func (a *app) printSet(s ipranges.Set, asRanges bool) error {
	write := s.WritePrefixes
	if asRanges {
		write = s.WriteRanges
	}
	err := write(io.Writer(a.out))
	if a.out.tracked.err != nil {
		return nil // finish reports it once
	}
	return err
}
