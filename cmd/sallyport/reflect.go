package main

import (
	"context"
	"fmt"
	"math/big"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/verifier/reflector"
)

// reflectFlags are the flags of reflect.
type reflectFlags struct {
	listen   []string
	keyFile  string
	newKey   string
	rate     float64
	total    float64
	maxDelay time.Duration
	json     bool
}

// mostDelay is the maximum of --max-delay, because delayed answers are kept in memory.
const mostDelay = time.Hour

func newReflect(a *app) *cobra.Command {
	var f reflectFlags
	cmd := &cobra.Command{
		Use:   "reflect --listen ADDR --key-file FILE",
		Short: "Send measuring packets back to those who hold the key",
		Long: `reflect is the other end of a media measurement. It runs until Ctrl-C or SIGTERM
and then prints what it did.

It answers only packets that are authenticated with the key, with one packet
each that is never longer, at a limited rate, and each packet once. To everybody
else it is silent. Make a key with --new-key, and copy it to the clients.`,
		Example: `  sallyport reflect --new-key reflect.key
  sallyport reflect --listen :3478 --key-file reflect.key`,
		Args: takes(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.newKey != "" {
				return a.newKey(f.newKey)
			}
			if err := f.check(cmd); err != nil {
				return err
			}
			return a.reflect(cmd.Context(), &f)
		},
	}
	fl := cmd.Flags()
	fl.StringArrayVarP(&f.listen, "listen", "l", nil, "answer on `ADDR`, HOST:PORT, or :PORT for all addresses; may be repeated")
	fl.StringVarP(&f.keyFile, "key-file", "k", "", "the key is in `FILE`, which only its owner may read")
	fl.StringVar(&f.newKey, "new-key", "", "write a new key to `FILE`, and do nothing else")
	fl.Float64Var(&f.rate, "rate", 500, "answer at most `N` packets a second to one source: an IPv4 address, or an IPv6 /64")
	fl.Float64Var(&f.total, "total-rate", 5000, "answer at most `N` packets a second in all")
	fl.DurationVar(&f.maxDelay, "max-delay", 180*time.Second, "the longest `TIME` that a client may ask an answer to wait")
	fl.BoolVar(&f.json, "json", false, "print what was done as JSON")
	for _, other := range []string{"listen", "key-file", "json"} {
		exclusive(cmd, "new-key", other)
	}
	files(cmd, "", "key-file", "new-key")
	return cmd
}

func (f *reflectFlags) check(cmd *cobra.Command) error {
	switch {
	case len(f.listen) == 0:
		return wrong(cmd, "%s needs --listen, the address to answer on", cmd.CommandPath())
	case f.keyFile == "":
		return wrongUsage{cmd.CommandPath() + " needs --key-file", "make a key with sallyport reflect --new-key FILE"}
	case !(f.rate >= 1 && f.rate <= 1e6): // also refuses NaN
		return usage("--rate %g: choose 1 to 1000000 packets a second", f.rate)
	case !(f.total >= 1 && f.total <= 1e6):
		return usage("--total-rate %g: choose 1 to 1000000 packets a second", f.total)
	case f.maxDelay < time.Millisecond || f.maxDelay > mostDelay:
		return usage("--max-delay %s: choose 1ms to %s", f.maxDelay, mostDelay)
	}
	for _, l := range f.listen {
		if host, port, ok := cutPort(l); !ok {
			return usage("--listen %q: write it as HOST:PORT, such as :3478 or [2001:db8::1]:3478", l)
		} else if _, err := netip.ParseAddrPort(host + ":" + port); err != nil {
			return usage("--listen %q: %v: write an address, not a name, and a port from 0 to 65535", l, err)
		}
	}
	return nil
}

// cutPort splits HOST:PORT. An empty HOST is any address.
func cutPort(listen string) (host, port string, ok bool) {
	i := strings.LastIndexByte(listen, ':')
	if i < 0 {
		return "", "", false
	}
	host, port = listen[:i], listen[i+1:]
	if host == "" {
		host = "0.0.0.0"
	}
	return host, port, true
}

func (a *app) newKey(name string) error {
	if err := reflector.NewKeyFile(name); err != nil {
		return err
	}
	fmt.Fprintf(a.out, "wrote a new key to %s, readable by you only\n", name)
	fmt.Fprintln(a.out, hang("Copy it to the machines that measure, in a way that nobody else can read. Whoever has it can make the reflector answer.", 0, 0, a.width))
	return nil
}

// reflectJSON is what reflect --json prints when it ends. Later versions may add fields, and
// remove none.
type reflectJSON struct {
	Listen   []netip.AddrPort   `json:"listen"`
	Seconds  float64            `json:"seconds"`
	Counters reflector.Counters `json:"counters"`
}

func (a *app) reflect(ctx context.Context, f *reflectFlags) error {
	key, err := reflector.ReadKeyFile(f.keyFile)
	if err != nil {
		return err
	}
	var sockets []reflector.Socket
	doc := reflectJSON{}
	for _, l := range f.listen {
		list, err := reflector.Listen(l)
		if err != nil {
			for _, s := range sockets {
				s.Close()
			}
			return err
		}
		sockets = append(sockets, list...)
	}
	for _, s := range sockets {
		doc.Listen = append(doc.Listen, s.LocalAddr())
		fmt.Fprintf(a.err, "note: answering on %s, UDP\n", s.LocalAddr())
	}
	began := time.Now()
	server := reflector.NewServer(key, reflector.Options{PerSource: f.rate, Total: f.total, MaxDelay: f.maxDelay})
	failed := server.Serve(ctx, sockets...)
	doc.Seconds = time.Since(began).Round(time.Millisecond).Seconds()
	doc.Counters = server.Counters()
	if f.json {
		err = a.printJSON(doc)
	} else {
		err = a.printCounters(doc)
	}
	if failed != nil {
		return failed
	}
	return err
}

func (a *app) printCounters(doc reflectJSON) error {
	c := doc.Counters
	number := func(n uint64) string { return count(new(big.Int).SetUint64(n)) }
	rows := [][]string{
		{"received", number(c.Received), "in " + (time.Duration(doc.Seconds * float64(time.Second))).Round(time.Second).String()},
		{"answered", number(c.Answered), ""},
		{"answered later", number(c.Delayed), "a part of the answered, when a client asked for it"},
		{"sessions", number(c.Sessions), ""},
		{"not authenticated", number(c.Stranger), "from strangers, or with another key"},
		{"malformed", number(c.Malformed), "with the key, but no request of this version"},
		{"repeated", number(c.Repeated), "seen before, and not answered"},
		{"over the rate", number(c.RateLimit), "not answered: see --rate and --total-rate"},
		{"refused", number(c.Refused + c.Unrefused), "too old, of no session, or more than there is room for"},
		{"not sent", number(c.SendErrors), "the system did not take the answer"},
		{"dropped", number(c.Dropped), "by the system, unread: this machine is too slow"},
	}
	return a.table([]string{"PACKETS", "", ""}, rows)
}
