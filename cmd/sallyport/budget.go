package main

import (
	"fmt"
	"slices"
	"strings"

	"sallyport"

	"github.com/spf13/cobra"

	"sallyport/internal/pipeline"
	"sallyport/internal/plot"
	"sallyport/internal/publish"
	"sallyport/ipranges"
	"sallyport/ipranges/cover"
	"sallyport/rules"
	"sallyport/rules/policy"
)

// budgetFlags are the flags of budget.
type budgetFlags struct {
	sets      setFlags
	target    string
	protect   []string
	must      []string
	at        []int
	svg       string
	allowRead []string
	json      bool
}

func newBudget(a *app) *cobra.Command {
	var f budgetFlags
	cmd := &cobra.Command{
		Use:   "budget [SET...]",
		Short: "Say what a list of routes costs at every length that a device may take",
		Long: `budget prints the price of a list of routes by its length: the fewest addresses
that it adds to the exact list, or leaves out of it, in percent of each family.
Every price is the lowest there is. An asterisk marks where a curve bends: shorter
lists cost much more, longer ones save little.

The list is one or more SETs together (a tag of the feed, KIND:TAG, a prefix, or
with --policy set.NAME), or what --target of a policy lists.`,
		Example: `  sallyport budget AzureCloud
  sallyport budget 20.202.0.0/16 m365:11 AzureCloud.westeurope --at 100,200
  sallyport budget --policy policy.hcl --target branch --svg curve.svg`,
		Args: takes(0, -1, "a SET"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if (f.target == "") == (len(args) == 0) {
				return wrong(cmd, "%s needs SETs, or --policy and --target", cmd.CommandPath())
			}
			return a.budget(cmd, &f, args)
		},
		ValidArgsFunction: f.sets.completeSets(a),
	}
	f.sets.add(cmd, a)
	fl := cmd.Flags()
	fl.Lookup("policy").Usage = "take set.NAME, or the target, from the policy `FILE`; without it, from policy.hcl of this folder"
	fl.StringArrayVar(&f.allowRead, "allow-read", nil, "let the policy name files in `DIR` too, besides those in its own folder; may be repeated")
	fl.StringVarP(&f.target, "target", "t", "", "the list of the target `NAME` of the policy, with its budget and its device's limits")
	fl.StringArrayVar(&f.protect, "protect", nil, "never add addresses of `SET`; may be repeated")
	fl.StringArrayVar(&f.must, "must", nil, "never leave out addresses of `SET`; may be repeated")
	fl.IntSliceVar(&f.at, "at", nil, "print these `LENGTHS` of lists, such as 100,200")
	fl.StringVar(&f.svg, "svg", "", "draw the curves into `FILE`")
	fl.BoolVar(&f.json, "json", false, "print JSON, with every length")
	fl.Lookup("feed").Usage = "read `FILE` (or KIND=FILE) instead of the published feed; once for each kind"
	folders(cmd, "allow-read")
	files(cmd, "svg", "svg")
	complete(cmd, "protect", f.sets.completeSets(a))
	complete(cmd, "must", f.sets.completeSets(a))
	complete(cmd, "target", words(func() []string { return f.sets.ofPolicy().declared(a, "target")() }))
	return cmd
}

// budgetOf is a list of routes with its limits.
type budgetOf struct {
	name string
	plan *rules.Plan
	caps rules.Caps

	target *policy.Target // of a policy; nil for sets of the command line
	res    *sallyport.Result
}

func (a *app) budget(cmd *cobra.Command, f *budgetFlags, names []string) error {
	for _, k := range f.at {
		if k < 1 {
			return wrong(cmd, "--at %d: a list has at least one route", k)
		}
	}
	if f.svg != "" {
		if err := (publish.Document{Name: f.svg, Mark: plot.Mark}).Check(); err != nil {
			return err
		}
	}
	of, err := a.budgetSubject(cmd, f, names)
	if err != nil {
		return err
	}
	curves, err := pricesOf(of, f)
	if err != nil {
		return a.budgetMistake(of, err)
	}
	if f.svg != "" {
		if err := writeSVG(f.svg, of.name, curves); err != nil {
			return err
		}
	}
	if f.json {
		return a.printJSON(jsonOfCurves(of, curves, f.at))
	}
	return a.printBudget(f, of, curves)
}

// budgetSubject returns the list that the command line names.
func (a *app) budgetSubject(cmd *cobra.Command, f *budgetFlags, names []string) (budgetOf, error) {
	if f.target != "" {
		if len(f.protect)+len(f.must) > 0 {
			return budgetOf{}, wrong(cmd, "--protect and --must are for SETs; those of a target are in its budget block")
		}
		return a.budgetTarget(cmd, f)
	}
	e := f.sets.evaluator(a)
	var sets [3]ipranges.Set
	for i, list := range [][]string{names, f.protect, f.must} {
		found, err := e.Sets(cmd.Context(), list)
		if err != nil {
			return budgetOf{}, err
		}
		sets[i] = ipranges.Union(found...)
	}
	if sets[0].IsEmpty() {
		return budgetOf{}, usage("%s has no address", strings.Join(names, ", "))
	}
	p := rules.RoutePlan("list", rules.BothFamilies, rules.Bypass, sets[0])
	p.Budget = &rules.Budget{Protect: rules.In("protect", sets[1]), Must: rules.In("must", sets[2])}
	return budgetOf{name: strings.Join(names, ", "), plan: p}, nil
}

func (a *app) budgetTarget(cmd *cobra.Command, f *budgetFlags) (budgetOf, error) {
	flags := f.sets.ofPolicy()
	flags.allowRead = f.allowRead
	req, err := flags.request(a)
	if err != nil {
		return budgetOf{}, err
	}
	res, err := pipeline.Compile(cmd.Context(), req)
	if err := a.settle(res, err); err != nil {
		return budgetOf{}, err
	}
	t := res.Program.Target(f.target)
	if t == nil {
		return budgetOf{}, usage("the policy has no target %s: there are %s", f.target, strings.Join(targetNames(res.Program), ", "))
	}
	if _, ok := t.Plan.Routes(); !ok {
		return budgetOf{}, usage("target %s carries rules, which are exact: only lists of routes have a price", f.target)
	}
	_, r, diags := pipeline.Build(t, req)
	if len(diags) > 0 {
		res.Diagnostics = append(res.Diagnostics, diags...)
		return budgetOf{}, a.settle(res, nil)
	}
	return budgetOf{name: f.target, plan: t.Plan, caps: r.Caps, target: t, res: res}, nil
}

// budgetMistake reports a mistake in must or protect: at its place in the policy, or as a
// mistake on the command line.
func (a *app) budgetMistake(of budgetOf, err error) error {
	if of.target == nil {
		return usage("%v", err)
	}
	of.res.Diagnostics = append(of.res.Diagnostics, pipeline.Place(of.target, err))
	return a.settle(of.res, nil)
}

func targetNames(p *policy.Program) []string {
	var names []string
	for i := range p.Targets {
		names = append(names, p.Targets[i].Name)
	}
	return names
}

// priced is the two price curves of one family.
type priced struct {
	family         ipranges.Family
	added, missing *cover.Curve
}

func (p priced) exact() int { return p.missing.Exact() }

// longest is the length up to which the curve of additions is computed, unless --at asks for
// more: the time grows with it. No known device has a limit above it.
const longest = 4096

// longestOf is the length up to which a curve is computed for a list of so many routes. Of a
// list that is too long for the whole curve, --at asks for no more than it prints.
func (f *budgetFlags) longestOf(exact int) int {
	if len(f.at) == 0 || f.svg != "" || exact <= longest {
		return slices.Max(append(slices.Clone(f.at), longest))
	}
	return slices.Max(f.at)
}

func pricesOf(of budgetOf, f *budgetFlags) ([]priced, error) {
	routes, _ := of.plan.Routes()
	set := routes.Set
	var list []priced
	for _, fam := range of.plan.Families.List() {
		if !set.Has(fam) {
			continue
		}
		most := f.longestOf(set.NumPrefixes(fam))
		added, err := rules.PriceCurve(of.plan, of.caps, fam, true, most)
		if err != nil {
			return nil, err
		}
		missing, err := rules.PriceCurve(of.plan, of.caps, fam, false, most)
		if err != nil {
			return nil, err
		}
		list = append(list, priced{fam, added, missing})
	}
	return list, nil
}

// usualLengths are the lengths that the table shows by default.
var usualLengths = []int{10, 25, 50, 75, 100, 150, 200, 300, 400, 500, 750, 1000, 1500, 2000, 2500, 3000}

// lengthsOf returns the lengths in the table: those that --at names, or by default the usual
// ones below that of the exact lists, the exact lists, and the knees of the curves.
func lengthsOf(f *budgetFlags, curves []priced) []int {
	if len(f.at) > 0 {
		return slices.Compact(slices.Sorted(slices.Values(f.at)))
	}
	most := 0
	var rows []int
	for _, c := range curves {
		most = max(most, c.exact())
		rows = append(rows, c.exact(), c.added.Knee(), c.missing.Knee())
	}
	for _, k := range usualLengths {
		if k < most {
			rows = append(rows, k)
		}
	}
	slices.Sort(rows)
	return slices.DeleteFunc(slices.Compact(rows), func(k int) bool { return k < 1 })
}

func (a *app) printBudget(f *budgetFlags, of budgetOf, curves []priced) error {
	var exact []string
	for _, c := range curves {
		exact = append(exact, fmt.Sprintf("%d %s", c.exact(), c.family))
	}
	fmt.Fprintf(a.out, "%s\n", hang(fmt.Sprintf("%s: %s routes are exact", of.name, strings.Join(exact, " and ")), 0, 2, a.width))
	a.printLimits(of)
	fmt.Fprintln(a.out)
	header := []string{"ROUTES"}
	for _, c := range curves {
		header = append(header, fmt.Sprintf("%s ADDED", strings.ToUpper(c.family.String())), "LEFT OUT")
	}
	var rows [][]string
	lengths := lengthsOf(f, curves)
	slices.Reverse(lengths)
	for _, k := range lengths {
		row := []string{fmt.Sprint(k)}
		for _, c := range curves {
			row = append(row, cell(c.added, k), cell(c.missing, k))
		}
		rows = append(rows, row)
	}
	return a.table(header, rows)
}

// printLimits prints the limits of a target's list, and its price within them.
func (a *app) printLimits(of budgetOf) {
	for _, l := range of.caps.RouteLimits {
		fmt.Fprintf(a.out, "%s\n", hang(l.String(), 0, 2, a.width))
	}
	if of.plan.Budget == nil || len(of.plan.Budget.Limits)+len(of.caps.RouteLimits) == 0 {
		return
	}
	_, losses, errs := rules.Lower(of.plan, of.caps)
	for _, l := range losses {
		fmt.Fprintf(a.out, "%s\n", hang("within its budget: "+l.Reason, 0, 2, a.width))
	}
	for _, e := range errs {
		fmt.Fprintf(a.out, "%s\n", hang("its budget cannot be met: "+e.Cause+"; "+e.Fix, 0, 2, a.width))
	}
	if len(losses)+len(errs) == 0 {
		fmt.Fprintln(a.out, "within its budget: exact")
	}
}

// cell is the price of k routes: a dot if it is zero, and a dash if no list is so short.
func cell(c *cover.Curve, k int) string {
	price, ok := c.Price(k)
	switch {
	case !ok:
		return "-"
	case k > c.Top() && k < c.Exact(): // the curve ends before
		return "?"
	case price.IsZero():
		return "."
	case k == c.Knee():
		return rules.ShortPercent(price.Percent(c.Size())) + " *"
	}
	return rules.ShortPercent(price.Percent(c.Size()))
}

// The JSON of budget. Counts are decimal, because IPv6 goes beyond numbers.
type budgetJSON struct {
	Name     string             `json:"name"`
	Limits   []string           `json:"limits"`
	Families []budgetFamilyJSON `json:"families"`
}

type budgetFamilyJSON struct {
	Family    string    `json:"family"`
	Addresses string    `json:"addresses"`
	Exact     int       `json:"exact_routes"`
	Added     curveJSON `json:"added"`
	Missing   curveJSON `json:"missing"`
}

type curveJSON struct {
	Least int         `json:"least_routes"`
	Knee  int         `json:"knee"`
	Curve []pointJSON `json:"curve"`
}

type pointJSON struct {
	Routes    int     `json:"routes"`
	Addresses string  `json:"addresses"`
	Percent   float64 `json:"percent"`
}

// jsonOfCurves has every length, or those that --at names.
func jsonOfCurves(of budgetOf, curves []priced, at []int) budgetJSON {
	j := budgetJSON{Name: of.name, Limits: []string{}, Families: []budgetFamilyJSON{}}
	for _, l := range of.caps.RouteLimits {
		j.Limits = append(j.Limits, l.String())
	}
	for _, c := range curves {
		j.Families = append(j.Families, budgetFamilyJSON{c.family.String(), c.missing.Size().String(), c.exact(), jsonOfCurve(c.added, at), jsonOfCurve(c.missing, at)})
	}
	return j
}

func jsonOfCurve(c *cover.Curve, at []int) curveJSON {
	j := curveJSON{Least: c.Least(), Knee: c.Knee(), Curve: []pointJSON{}}
	for k := max(c.Least(), 1); k <= c.Top(); k++ {
		if len(at) > 0 && !slices.Contains(at, k) {
			continue
		}
		price, _ := c.Price(k)
		j.Curve = append(j.Curve, pointJSON{k, price.String(), price.Percent(c.Size())})
	}
	return j
}

// The range of prices in a chart, in percent.
const drawnLow, drawnHigh = 0.001, 1000

// writeSVG draws the curves: one panel a family.
func writeSVG(path, name string, curves []priced) error {
	chart := plot.Chart{Title: "What a shorter list of routes costs: " + name, X: "routes", Y: "percent of the family's addresses"}
	for _, c := range curves {
		panel := plot.Panel{Title: fmt.Sprintf("%s: %d routes are exact", c.family, c.exact())}
		for _, line := range []struct {
			name  string
			curve *cover.Curve
		}{{"added", c.added}, {"left out", c.missing}} {
			s := plot.Series{Name: line.name, Mark: line.curve.Knee()}
			for k := max(line.curve.Least(), 1); k <= line.curve.Top(); k++ {
				price, _ := line.curve.Price(k)
				if y := price.Percent(line.curve.Size()); y >= drawnLow && y <= drawnHigh {
					s.Points = append(s.Points, plot.Point{X: float64(k), Y: y})
				}
			}
			panel.Series = append(panel.Series, s)
		}
		chart.Panels = append(chart.Panels, panel)
	}
	return publish.Document{Name: path, Data: chart.SVG(), Mark: plot.Mark}.Write()
}
