package main

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"sallyport/verifier/sizing"
)

// sizeFlags are the flags of size. Percentages are strings, so that 20 and 20% both work.
type sizeFlags struct {
	in               sizing.Input
	sdk              string
	inCall, mix      string
	direct, headroom string
	json             bool
}

// sizeOptions are the flags by the fields of a plan that they set.
var sizeOptions = map[string]string{
	"Users": "users", "Devices": "devices", "Concurrency": "in-call", "SDK": "sdk", "Mix": "mix", "Direct": "direct",
	"Headroom": "headroom", "Reserved": "reserved-ports", "TCPPorts": "tcp-ports", "UDPPorts": "udp-ports",
	"Margin": "port-margin", "CallLength": "call-length", "UDPTimeout": "udp-timeout", "JoinWithin": "join-within",
}

func newSize(a *app) *cobra.Command {
	f := sizeFlags{in: sizing.Defaults()}
	cmd := &cobra.Command{
		Use:   "size --users N",
		Short: "Plan bandwidth, NAT addresses and firewall state for calls",
		Long: `size does the planning sums for a site: bandwidth up and down by kind of media,
public addresses for NAT, and the sessions that firewalls keep, from the number
of users, how many of them are in calls at the peak, and what calls those are.

A call of two is peer-audio, peer-sharing (audio and the screen), peer-360p,
peer-720p or peer-1080p; a group is group-audio, group-360p or group-720p. The
figures of each are Microsoft's. What is not documented is an assumption, and
listed as one; docs/size.md explains each formula.`,
		Example: `  sallyport size --users 1200
  sallyport size --users 1200 --in-call 30% --sdk native
  sallyport size --users 80 --in-call 90% --mix peer-audio=95%,group-audio=5%`,
		Args: takes(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("users") {
				return wrong(cmd, "%s needs --users, the number of people at the site", cmd.CommandPath())
			}
			if err := f.parse(); err != nil {
				return err
			}
			r, err := sizing.Size(f.in)
			var mistake *sizing.InputError
			if errors.As(err, &mistake) {
				name := sizeOptions[mistake.Field]
				return usage("--%s %s: %s", name, cmd.Flag(name).Value, mistake.Problem)
			}
			if err != nil {
				return err
			}
			if f.json {
				return a.printJSON(r)
			}
			return a.printSize(r, f.in.Headroom)
		},
	}
	fl := cmd.Flags()
	fl.IntVarP(&f.in.Users, "users", "u", 0, "`N` people at the site (required)")
	fl.Float64Var(&f.in.Devices, "devices", f.in.Devices, "`N` devices for each user, for NAT")
	fl.StringVar(&f.inCall, "in-call", "20%", "`PERCENT` of the users that are in a call at the peak")
	fl.StringVar(&f.sdk, "sdk", string(f.in.SDK), "`NAME` of what clients are made with, javascript or native")
	fl.StringVar(&f.mix, "mix", mixText(f.in.Mix), "the kinds of calls, `KIND=PERCENT,...`; if absent, the mix that is printed")
	fl.Lookup("mix").DefValue = "" // too long for the help; the result shows it
	fl.StringVar(&f.direct, "direct", "0%", "`PERCENT` of the calls of two whose media stay inside the site")
	fl.StringVar(&f.headroom, "headroom", "0%", "`PERCENT` to add to the bandwidth of all")
	fl.IntVar(&f.in.TCPPorts, "tcp-ports", f.in.TCPPorts, "`N` TCP ports that a device holds at its peak")
	fl.IntVar(&f.in.UDPPorts, "udp-ports", f.in.UDPPorts, "`N` UDP ports that a device in a call holds at its peak")
	fl.IntVar(&f.in.Margin, "port-margin", f.in.Margin, "`N` ports to add for each device, 4 at least")
	fl.IntVar(&f.in.Reserved, "reserved-ports", f.in.Reserved, "`N` ports of a public address that NAT cannot use")
	fl.DurationVar(&f.in.CallLength, "call-length", f.in.CallLength, "the `TIME` that a call takes, on average")
	fl.DurationVar(&f.in.UDPTimeout, "udp-timeout", f.in.UDPTimeout, "the `TIME` that the firewall keeps a UDP flow that has ended")
	fl.DurationVar(&f.in.JoinWithin, "join-within", f.in.JoinWithin, "`TIME` within which all calls of the peak may begin")
	fl.BoolVar(&f.json, "json", false, "print the result as JSON")
	complete(cmd, "sdk", words(func() []string { return []string{string(sizing.JavaScript), string(sizing.Native)} }))
	complete(cmd, "mix", pairs(callKinds))
	return cmd
}

// parse parses the flags that are strings.
func (f *sizeFlags) parse() (err error) {
	f.in.SDK = sizing.SDK(f.sdk)
	for _, p := range []struct {
		name, text string
		to         *float64
	}{{"in-call", f.inCall, &f.in.Concurrency}, {"direct", f.direct, &f.in.Direct}, {"headroom", f.headroom, &f.in.Headroom}} {
		if *p.to, err = parsePercent(p.text); err != nil {
			return usage("--%s %s: %v", p.name, p.text, err)
		}
	}
	f.in.Mix = nil
	for one := range strings.SplitSeq(f.mix, ",") {
		kind, text, ok := strings.Cut(strings.TrimSpace(one), "=")
		if !ok {
			return usage("--mix %s: %q is no KIND=PERCENT, such as peer-audio=40%%", f.mix, one)
		}
		part, err := parsePercent(text)
		if err != nil {
			return usage("--mix %s: %s: %v", f.mix, strings.TrimSpace(one), err)
		}
		f.in.Mix = append(f.in.Mix, sizing.Share{Kind: sizing.Kind(kind), Part: part})
	}
	return nil
}

// parsePercent reads 20% or 20 as 0.2. It refuses numbers up to 1 without the sign, because
// 0.3 may mean 30% or 0.3%.
func parsePercent(text string) (float64, error) {
	number, sign := strings.CutSuffix(strings.TrimSpace(text), "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	switch {
	case err != nil:
		return 0, errors.New("write a percentage, such as 20%")
	case !sign && v > 0 && v <= 1:
		return 0, fmt.Errorf("write %.6g%% for %[1]g in a hundred, or %.6g%% for a share of %[1]g", v, v*100)
	}
	return v / 100, nil
}

func mixText(mix []sizing.Share) string {
	var list []string
	for _, s := range mix {
		list = append(list, fmt.Sprintf("%s=%.4g%%", s.Kind, 100*s.Part))
	}
	return strings.Join(list, ",")
}

func (a *app) printSize(r *sizing.Result, headroom float64) error {
	n := func(v int) string { return count(big.NewInt(int64(v))) }
	legs := "in calls"
	if r.Legs == 1 {
		legs = "in a call"
	}
	fmt.Fprintf(a.out, "%s, %s of them %s at the peak (%s SDK)\n\n", people(r.Users), n(r.Legs), legs, r.SDK)

	var rows [][]string
	for _, c := range r.Calls {
		rows = append(rows, []string{string(c.Kind), fmt.Sprintf("%.4g %%", c.Percent), n(c.Legs), kbits(c.Rate.Up), kbits(c.Rate.Down)})
	}
	if err := a.table([]string{"CALLS", "SHARE", "PEOPLE", "UP", "DOWN"}, rows); err != nil {
		return err
	}
	rows = nil
	for _, m := range r.Media {
		rows = append(rows, []string{m.Kind, strconv.Itoa(m.DSCP), kbits(m.Rate.Up), kbits(m.Rate.Down)})
	}
	total := "together"
	if headroom > 0 {
		total = fmt.Sprintf("together, and %.4g %% more", 100*headroom)
	}
	rows = append(rows, []string{total, ".", kbits(r.Bandwidth.Up), kbits(r.Bandwidth.Down)})
	fmt.Fprintln(a.out)
	if err := a.table([]string{"MEDIA", "DSCP", "UP", "DOWN"}, rows); err != nil {
		return err
	}
	rows = nil
	for _, p := range []struct {
		name string
		sizing.NAT
	}{{"TCP", r.TCP}, {"UDP", r.UDP}} {
		rows = append(rows, []string{p.name, n(p.Devices), fmt.Sprintf("%d + %d", p.Ports, p.Margin), n(p.PerAddress), n(p.Addresses)})
	}
	fmt.Fprintln(a.out)
	if err := a.table([]string{"NAT", "DEVICES", "PORTS EACH", "DEVICES AN ADDRESS", "PUBLIC ADDRESSES"}, rows); err != nil {
		return err
	}
	s := r.State
	rows = [][]string{
		{"TCP connections", n(s.TCP)}, {"UDP flows of calls", n(s.UDP)}, {"UDP flows of calls that ended", n(s.Lingering)},
		{"firewall sessions, all three", n(s.Sessions)}, {"conntrack entries, the same", n(s.Conntrack)},
		{"nf_conntrack_max, at least", n(s.Suggested)}, {"new UDP flows a second", n(s.PerSecond)}, {"new UDP flows a second as all join", n(s.JoinSecond)},
	}
	fmt.Fprintln(a.out)
	if err := a.table([]string{"STATE", "ENTRIES"}, rows); err != nil {
		return err
	}
	return a.printAssumptions(r)
}

// printAssumptions prints the assumptions of the calculation. Their sources are in the JSON
// and in docs/size.md.
func (a *app) printAssumptions(r *sizing.Result) error {
	var rows [][]string
	for _, v := range r.Assumptions {
		rows = append(rows, []string{v.Name, v.Value, string(v.Basis)})
	}
	fmt.Fprintln(a.out)
	if err := a.table([]string{"THESE SUMS REST ON", "VALUE", "WHICH IS"}, rows); err != nil {
		return err
	}
	_, err := fmt.Fprintf(a.out, "\n%s\n", hang("What is assumed has no source: measure it on your own clients. docs/size.md explains each formula and names the documents.", 0, 0, a.width))
	return err
}

func people(n int) string {
	if n == 1 {
		return "1 user"
	}
	return count(big.NewInt(int64(n))) + " users"
}

// kbits writes a bandwidth for people.
func kbits(k int) string {
	switch {
	case k < 1000:
		return fmt.Sprintf("%d kbit/s", k)
	case k < 1_000_000:
		return fmt.Sprintf("%.1f Mbit/s", float64(k)/1000)
	}
	return fmt.Sprintf("%.2f Gbit/s", float64(k)/1e6)
}
