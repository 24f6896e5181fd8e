package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sallyport/internal/measure"
	"sallyport/internal/readfile"
	"sallyport/verifier"
	"sallyport/verifier/media"
	"sallyport/verifier/probe"
	"sallyport/verifier/reflector"
)

// verifyFlags are the flags of verify.
type verifyFlags struct {
	policyFlags
	targets   []string
	probes    []string
	kinds     []string
	resolvers []string
	vantage   string
	vpn       []string
	long      bool
	timers    []string
	scale     float64

	reflector string
	keyFile   string
	rate      float64
	duration  time.Duration
	dscp      string
	bandwidth bool

	json    bool
	verbose bool
	save    string
	junit   string
	prom    string
	html    string
	compare string
	watch   time.Duration
	history string
}

func newVerify(a *app) *cobra.Command {
	var f verifyFlags
	cmd := &cobra.Command{
		Use:   "verify [PLAN]",
		Short: "Ask the hosts that matter whether calls get through, and say where they stop",
		Long: `verify asks the hosts that the policy's probe blocks name, on the ports of their
rules, and says of each whether it is reachable; if not, who rejects it, or after
which hop it vanishes. It looks at names, at NAT, and at the way that the policy's
VPN lists should take, and with --reflector at latency, loss and jitter.

Nothing is sent to a host that the policy, the built-in list (docs/verify.md) or
the command line does not name. PLAN is a file of generate --bundle, for a machine
without policy and feeds.

Exit codes: 0 all passed, 1 something failed, 3 something is inconclusive.`,
		Example: `  sallyport verify
  sallyport verify --policy policy.hcl --html report.html
  sallyport verify plan.json --reflector 192.0.2.7:3478 --key-file reflect.key
  sallyport verify plan.json --save today.json --compare yesterday.json`,
		Args: takes(0, 1, "PLAN"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.verify(cmd, &f, args) },
	}
	f.add(cmd, a)
	f.addWhat(cmd)
	f.addReports(cmd)
	f.completeOwn(cmd, a)
	cmd.ValidArgsFunction = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return []string{"json"}, cobra.ShellCompDirectiveFilterFileExt
	}
	return cmd
}

func (f *verifyFlags) addWhat(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringArrayVarP(&f.targets, "target", "t", nil, "look at the way of this target's list only, `NAME`; may be repeated")
	fl.StringArrayVar(&f.probes, "probe", nil, "only the probe `NAME`; may be repeated")
	fl.StringSliceVar(&f.kinds, "kinds", nil, "only these `KINDS`: "+strings.Join(kindWords(), ", "))
	fl.StringArrayVar(&f.resolvers, "resolver", nil, "ask this name server, too, `ADDR` or ADDR:PORT; may be repeated")
	fl.StringVar(&f.vantage, "vantage", "", "`WHERE` this machine stands: client, or edge of your network; it decides the limits of media")
	fl.StringArrayVar(&f.vpn, "vpn-interface", nil, "the interface `NAME` is a tunnel, beside those that are recognised")
	fl.BoolVar(&f.long, "long", false, "take minutes: how long NAT keeps its mappings, too")
	fl.StringVar(&f.reflector, "reflector", "", "measure media to your own reflector, `HOST:PORT` (sallyport reflect)")
	fl.StringVar(&f.keyFile, "key-file", "", "the reflector's key is in `FILE`")
	fl.Float64Var(&f.rate, "rate", 50, "media: `N` packets a second")
	fl.DurationVar(&f.duration, "duration", 15*time.Second, "media: for a `TIME`")
	fl.BoolVar(&f.bandwidth, "bandwidth", true, "media: try how much passes, too, with 400 kB each way")
	fl.StringVar(&f.dscp, "dscp", "", "media: mark packets, 0 to 63 or `NAME`: EF, AF41, AF21, CS0")
	fl.StringArrayVar(&f.timers, "timer", nil, "change a timer, `NAME=TIME`: "+strings.Join(timerNames, ", ")+"; may be repeated")
	fl.Float64Var(&f.scale, "time-scale", 1, "multiply every timer by `F`, for laboratories")
}

func (f *verifyFlags) addReports(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.BoolVar(&f.json, "json", false, "print the report as JSON")
	exclusive(cmd, "quiet", "json")
	fl.BoolVarP(&f.verbose, "verbose", "v", false, "show the evidence of what passed, too")
	fl.StringVar(&f.save, "save", "", "write the report as JSON to `FILE`, for --compare")
	fl.StringVar(&f.html, "html", "", "write the report as one page to `FILE`")
	fl.StringVar(&f.junit, "junit", "", "write the report as JUnit XML to `FILE`")
	fl.StringVar(&f.prom, "prom", "", "write metrics for node_exporter's textfile collector to `FILE`")
	fl.StringVar(&f.compare, "compare", "", "say what changed since the report in `FILE`")
	fl.DurationVar(&f.watch, "watch", 0, "repeat every `TIME` until Ctrl-C")
	fl.StringVar(&f.history, "history", "", "keep the trend of runs in `FILE`")
}

func kindWords() []string {
	var list []string
	for _, k := range verifier.Kinds() {
		list = append(list, string(k))
	}
	return list
}

func (a *app) verify(cmd *cobra.Command, f *verifyFlags, args []string) error {
	if err := f.check(cmd, args); err != nil {
		return err
	}
	old, err := readOld(f.compare)
	if err != nil {
		return err
	}
	if err := f.checkFiles(); err != nil {
		return err
	}
	plan, err := a.verifyPlan(cmd, f, args)
	if err != nil {
		return err
	}
	opt, err := f.options(cmd.Context(), a)
	if err != nil {
		return err
	}
	if f.watch == 0 {
		return a.verifyOnce(cmd.Context(), f, plan, opt, old)
	}
	return a.watchVerify(cmd.Context(), f, plan, opt, old)
}

// check refuses combinations of flags that make no sense.
func (f *verifyFlags) check(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) > 0 && strings.HasSuffix(args[0], ".hcl"):
		return wrongUsage{fmt.Sprintf("PLAN is a file of sallyport generate --bundle, and %s is a policy", args[0]), "write --policy " + args[0]}
	case len(args) > 0 && (f.policy != "" || len(f.vars)+len(f.targets) > 0):
		return wrong(cmd, "PLAN takes the place of --policy, --var and --target")
	case (f.reflector == "") != (f.keyFile == ""):
		return wrong(cmd, "--reflector and --key-file go together")
	case f.watch != 0 && f.watch < 10*time.Second:
		return usage("--watch %s: repeat every 10s or less often", f.watch)
	case f.vantage != "" && f.vantage != string(verifier.Client) && f.vantage != string(verifier.Edge):
		return usage("--vantage %q: client or edge", f.vantage)
	case !(f.scale > 0 && f.scale <= 10):
		return usage("--time-scale %g: a number above 0, 10 at most", f.scale)
	case !(f.rate >= 1 && f.rate <= 5000):
		return usage("--rate %g: 1 to 5000 packets a second", f.rate)
	case f.duration < 100*time.Millisecond || f.duration > 10*time.Minute:
		return usage("--duration %s: 100ms to 10m", f.duration)
	}
	for _, k := range f.kinds {
		if !slices.Contains(kindWords(), k) {
			return usage("--kinds %s: there are %s", k, strings.Join(kindWords(), ", "))
		}
	}
	return nil
}

// verifyPlan returns the plan of the file or the policy, limited to what the flags name.
func (a *app) verifyPlan(cmd *cobra.Command, f *verifyFlags, args []string) (*verifier.Plan, error) {
	plan, err := a.wholePlan(cmd, f, args)
	if err != nil {
		return nil, err
	}
	if len(f.probes) > 0 {
		names := []string{}
		for _, p := range plan.Probes {
			names = append(names, p.Name)
		}
		for _, want := range f.probes {
			if !slices.Contains(names, want) {
				return nil, usage("--probe %s: there are %s", want, cmp.Or(strings.Join(names, ", "), "none"))
			}
		}
		plan.Probes = slices.DeleteFunc(plan.Probes, func(p verifier.Probe) bool { return !slices.Contains(f.probes, p.Name) })
	}
	for _, r := range f.resolvers {
		addr, err := serverAddress(r)
		if err != nil {
			return nil, usage("--resolver %s: write an address, such as 192.0.2.53 or [2001:db8::53]:53", r)
		}
		plan.Resolvers = append(plan.Resolvers, addr)
	}
	plan.VPN = append(plan.VPN, f.vpn...)
	if f.vantage != "" {
		plan.Vantage = verifier.Vantage(f.vantage)
	}
	if err := plan.Validate(); err != nil {
		return nil, err
	}
	if len(plan.Probes)+len(plan.Routes) == 0 && f.reflector == "" {
		return nil, wrongUsage{"the policy names no probe and no list of routes: there is nothing to verify", probeHint(plan)}
	}
	return plan, nil
}

// probeHint is an example of a probe block for the policy, with the first of its rules.
func probeHint(plan *verifier.Plan) string {
	name := "NAME"
	if len(plan.Rules) > 0 {
		name = plan.Rules[0].Name
	}
	return fmt.Sprintf("add a probe, with a host of yours; docs/verify.md says more:\nprobe \"relay\" {\n  host = \"relay.example.com\"\n  rule = rule.%s\n}", name)
}

func (a *app) wholePlan(cmd *cobra.Command, f *verifyFlags, args []string) (*verifier.Plan, error) {
	if len(args) > 0 {
		file, err := readfile.Open(args[0])
		if err != nil {
			return nil, fmt.Errorf("reading the plan: %w: name a file of sallyport generate --bundle", err)
		}
		defer file.Close()
		return verifier.ReadPlan(file)
	}
	req, err := f.request(a)
	if err != nil {
		return nil, err
	}
	res, err := render(cmd.Context(), req, f.targets...)
	if err := a.settle(res, err); err != nil {
		return nil, err
	}
	return res.VerifyPlan(), nil
}

// serverAddress parses ADDR or ADDR:PORT.
func serverAddress(s string) (netip.AddrPort, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.AddrPortFrom(a, 53), nil
	}
	return netip.ParseAddrPort(s)
}

// options returns the options of running the plan.
func (f *verifyFlags) options(ctx context.Context, a *app) (measure.Options, error) {
	timers, err := f.timing()
	if err != nil {
		return measure.Options{}, err
	}
	opt := measure.Options{Probe: probe.Options{Timers: timers, Long: f.long, Version: a.version, Proxy: proxySet()},
		Train: media.Options{Rate: f.rate, Duration: f.duration}, Sizes: true, Bandwidth: f.bandwidth}
	for _, k := range f.kinds {
		opt.Probe.Kinds = append(opt.Probe.Kinds, verifier.Kind(k))
	}
	if f.dscp != "" {
		if opt.DSCP, err = mark(f.dscp); err != nil {
			return opt, err
		}
	}
	if f.reflector == "" {
		return opt, nil
	}
	if opt.Key, err = reflector.ReadKeyFile(f.keyFile); err != nil {
		return opt, err
	}
	opt.Host, opt.Reflectors, err = reflectors(ctx, f.reflector)
	if errors.As(err, new(*net.DNSError)) { // the rest of the plan can still be verified
		opt.Lost, err = err, nil
	}
	return opt, err
}

// timerNames are the timers that --timer can change.
var timerNames = []string{"rto", "connect", "handshake", "query", "hop", "walks", "no_host_after"}

// proxySet is the HTTPS proxy of the environment, without its password.
func proxySet() string {
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"} {
		if v := os.Getenv(name); v != "" {
			if u, err := url.Parse(v); err == nil && u.Host != "" {
				return u.Host
			}
			return "in " + name
		}
	}
	return ""
}

// timing returns the timers with the changes of --timer and --time-scale.
func (f *verifyFlags) timing() (verifier.Timers, error) {
	t := verifier.DefaultTimers()
	fields := map[string]*time.Duration{"rto": &t.RTO, "connect": &t.Connect, "handshake": &t.Handshake, "query": &t.Query,
		"hop": &t.Hop, "walks": &t.Walks, "no_host_after": &t.NoHostAfter}
	for _, s := range f.timers {
		name, value, _ := strings.Cut(s, "=")
		field := fields[name]
		d, err := time.ParseDuration(value)
		if field == nil || err != nil || d <= 0 {
			return t, usage("--timer %s: write NAME=TIME, such as rto=500ms; there are %s", s, strings.Join(timerNames, ", "))
		}
		*field = d
	}
	return t.Scale(f.scale), nil
}

func mark(s string) (int, error) {
	if n, ok := media.Marks[strings.ToUpper(s)]; ok {
		return n, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > 63 {
		return 0, usage("--dscp %s: 0 to 63, or EF, AF41, AF21, CS0", s)
	}
	return n, nil
}

// reflectors returns the first address of each family for HOST:PORT.
func reflectors(ctx context.Context, s string) (host string, list []netip.AddrPort, err error) {
	host, text, err := net.SplitHostPort(s)
	port, perr := strconv.ParseUint(text, 10, 16)
	if err != nil || perr != nil || port == 0 || host == "" {
		return "", nil, usage("--reflector %s: write it as HOST:PORT", s)
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return host, nil, fmt.Errorf("finding the reflector: %w: name its address", err)
	}
	seen := map[bool]bool{}
	for _, a := range addrs {
		if a = a.Unmap(); !seen[a.Is4()] {
			seen[a.Is4()] = true
			list = append(list, netip.AddrPortFrom(a, uint16(port)))
		}
	}
	return host, list, nil
}

func readOld(name string) (*verifier.Report, error) {
	if name == "" {
		return nil, nil
	}
	file, err := readfile.Open(name)
	if err != nil {
		return nil, fmt.Errorf("reading the earlier report: %w: name a file of sallyport verify --save", err)
	}
	defer file.Close()
	return verifier.ReadReport(file)
}
