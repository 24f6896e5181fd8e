package generic

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"go4.org/netipx"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// csvColumns are the columns of every row. A row is one range of destinations;
// rows decide in their order, and the last ones, called default, hold the rest.
var csvColumns = []string{"rule", "action", "log", "from", "first", "last", "services"}

// maxCSVCells bounds the source ranges that all rows repeat between them.
const maxCSVCells = 1 << 20

const defaultRow = "(default)"

type csvFormat struct{ header bool }

func (c csvFormat) write(p *rules.Plan) ([]byte, error) {
	var b bytes.Buffer
	if c.header {
		for _, l := range append(renderers.Header(p), renderers.NoteLines(p)...) {
			b.WriteString("# " + l + "\n")
		}
	}
	w := csv.NewWriter(&b)
	if err := w.Write(csvColumns); err != nil {
		return nil, err
	}
	for i := range p.Rules {
		if err := writeRule(w, p, &p.Rules[i]); err != nil {
			return nil, err
		}
	}
	for _, f := range p.Families.List() {
		for r := range ipranges.Full(f).Ranges(f) {
			if err := w.Write([]string{defaultRow, p.Default.String(), "false", "any", r.From().String(), r.To().String(), "any"}); err != nil {
				return nil, err
			}
		}
	}
	w.Flush()
	return b.Bytes(), w.Error()
}

func writeRule(w *csv.Writer, p *rules.Plan, r *rules.Rule) error {
	services := r.ServiceText()
	for _, f := range p.Families.List() {
		if !r.From.Has(f) || !r.To.Has(f) {
			continue
		}
		from := "any"
		if !r.From.IsAny() {
			list := texts(r.From.Set(), f)
			if len(list)*r.To.Set().NumRanges(f) > maxCSVCells {
				return r.Refuse("CSV would repeat its sources in too many rows", `use format = "json"`)
			}
			from = strings.Join(list, " ")
		}
		for rg := range r.To.Set().Ranges(f) {
			row := []string{r.Name, r.ActionWord(), fmt.Sprint(r.Log), from, rg.From().String(), rg.To().String(), services}
			if err := w.Write(row); err != nil {
				return err
			}
		}
	}
	return nil
}

func (csvFormat) read(data []byte) (*rules.Plan, error) {
	in := csv.NewReader(bytes.NewReader(data))
	in.Comment = '#'
	in.FieldsPerRecord = len(csvColumns)
	rows, err := in.ReadAll()
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 || strings.Join(rows[0], ",") != strings.Join(csvColumns, ",") {
		return nil, errors.New("the columns are not " + strings.Join(csvColumns, ","))
	}
	p := &rules.Plan{}
	var last []string // the row that the current rule began with
	for i, row := range rows[1:] {
		if row[0] == defaultRow {
			if err := readDefault(p, row); err != nil {
				return nil, err
			}
			continue
		}
		to, err := rangeOf(row[4], row[5])
		if err != nil {
			return nil, fmt.Errorf("row %d: %w", i+1, err)
		}
		if last != nil && sameRule(last, row) {
			r := &p.Rules[len(p.Rules)-1]
			r.To = rules.In(r.To.Name(), r.To.Set().Union(to))
			continue
		}
		r, err := readRow(row, to)
		if err != nil {
			return nil, fmt.Errorf("row %d: %w", i+1, err)
		}
		p.Rules, last = append(p.Rules, r), row
	}
	return p, nil
}

// sameRule reports whether two rows differ in nothing but their destinations.
func sameRule(a, b []string) bool {
	for i := range a {
		if i != 4 && i != 5 && a[i] != b[i] {
			return false
		}
	}
	return true
}

// readDefault reads what becomes of the rest, of one family.
func readDefault(p *rules.Plan, row []string) error {
	rest, err := rangeOf(row[4], row[5])
	if err != nil {
		return err
	}
	fam := rules.OnlyIPv4
	if rest.Has(ipranges.IPv6) {
		fam = rules.OnlyIPv6
	}
	verdict, ok := rules.VerdictNamed(row[1])
	switch {
	case !ok || p.Families != 0 && p.Default != verdict:
		return fmt.Errorf("unknown default %q, or another one than before", row[1])
	case !rest.Equal(ipranges.Full(fam.List()[0])) || row[2] != "false" || row[3] != "any" || row[6] != "any":
		return errors.New("the default is not for all the rest of a family")
	}
	p.Families |= fam
	p.Default = verdict
	return nil
}

func readRow(row []string, to ipranges.Set) (rules.Rule, error) {
	if row[2] != "true" && row[2] != "false" {
		return rules.Rule{}, fmt.Errorf("log is %q, and neither true nor false", row[2])
	}
	r := rules.Rule{Name: row[0], Log: row[2] == "true", From: rules.Any(), To: rules.In(row[0]+"_to", to)}
	if err := setAction(&r, row[1]); err != nil {
		return r, err
	}
	if row[3] != "any" {
		set, err := ipranges.Parse(strings.Fields(row[3])...)
		if err != nil {
			return r, err
		}
		r.From = rules.In(row[0]+"_from", set)
	}
	var err error
	r.Services, err = rules.ParseServices(row[0], row[6])
	return r, err
}

func rangeOf(first, last string) (ipranges.Set, error) {
	a, err1 := netip.ParseAddr(first)
	b, err2 := netip.ParseAddr(last)
	if err := errors.Join(err1, err2); err != nil {
		return ipranges.Set{}, err
	}
	return ipranges.FromRanges(netipx.IPRangeFrom(a, b))
}
