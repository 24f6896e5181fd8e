package azurevpn

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// ReadBack implements renderers.Renderer. A list says by its own name which way it
// goes, and there is no route but of IPv4, so no comment is needed.
func (r *renderer) ReadBack(files []renderers.File) (*rules.Plan, error) {
	return renderers.ReadFile(files, r.env.Path, r.read)
}

func (r *renderer) read(data []byte) (*rules.Plan, error) {
	var plan *rules.Plan
	var errs []error
	for _, v := range []rules.Verdict{rules.Bypass, rules.Tunnel} {
		var set ipranges.Set
		var err error
		if r.opt.Form == formMerge {
			set, err = r.profile.readMerged(data, v)
		} else {
			set, err = readRoutes(data, []string{clientConfig, lists[v]})
		}
		switch {
		case err != nil:
			errs = append(errs, err)
		case plan != nil:
			return nil, errors.New("it can be read both ways")
		default:
			plan = rules.RoutePlan(r.env.Name, rules.OnlyIPv4, v, set)
		}
	}
	if plan == nil {
		return nil, errors.Join(errs...)
	}
	return plan, nil
}

// readMerged takes the user's part away, which must be as it was, and reads ours.
func (p *profile) readMerged(data []byte, v rules.Verdict) (ipranges.Set, error) {
	s, err := p.slot(v)
	if err != nil {
		return ipranges.Set{}, err
	}
	rest, ok := bytes.CutPrefix(data, p.data[:s.start])
	if !ok {
		return ipranges.Set{}, errors.New("what stands before the routes is not as in your profile")
	}
	ours, ok := bytes.CutSuffix(rest, p.data[s.end:])
	if !ok {
		return ipranges.Set{}, errors.New("what stands behind the routes is not as in your profile")
	}
	set, err := readRoutes(ours, s.elements)
	if err == nil && !bytes.Equal(ours, p.fill(s, set)) {
		err = errors.New("the routes are not written as sallyport writes them")
	}
	return set, err
}

// readRoutes reads the routes inside of elements, outermost first.
func readRoutes(data []byte, elements []string) (ipranges.Set, error) {
	d := reader{xml.NewDecoder(bytes.NewReader(data))}
	var b ipranges.Builder
	for _, e := range elements {
		if err := d.start(e); err != nil {
			return ipranges.Set{}, err
		}
	}
	for {
		tok, err := d.next()
		if errors.Is(err, io.EOF) && len(elements) == 0 {
			break
		}
		if err != nil {
			return ipranges.Set{}, err
		}
		if end, ok := tok.(xml.EndElement); ok && len(elements) > 0 && end.Name.Local == elements[len(elements)-1] {
			break
		}
		if err := d.route(tok, &b); err != nil {
			return ipranges.Set{}, err
		}
	}
	for i := len(elements) - 2; i >= 0; i-- {
		if tok, err := d.next(); err != nil || !isEnd(tok, elements[i]) {
			return ipranges.Set{}, fmt.Errorf("%s holds something else besides (%v)", elements[i], err)
		}
	}
	if _, err := d.next(); !errors.Is(err, io.EOF) && len(elements) > 0 {
		return ipranges.Set{}, errors.New("more follows the routes")
	}
	if b.Set().IsEmpty() {
		return ipranges.Set{}, errors.New("there is no route")
	}
	return b.Set(), nil
}

// reader takes tokens without comments and white space.
type reader struct{ *xml.Decoder }

func (d reader) next() (xml.Token, error) {
	for {
		tok, err := d.Token()
		if err != nil {
			return nil, err
		}
		switch t := tok.(type) {
		case xml.Comment:
		case xml.CharData:
			if strings.Trim(string(t), blanks) != "" {
				return xml.CopyToken(t), nil
			}
		default:
			return tok, nil
		}
	}
}

func isEnd(tok xml.Token, name string) bool {
	end, ok := tok.(xml.EndElement)
	return ok && end.Name == xml.Name{Local: name}
}

func (d reader) start(name string) error {
	tok, err := d.next()
	if err != nil {
		return err
	}
	return isStart(tok, name)
}

func isStart(tok xml.Token, name string) error {
	start, ok := tok.(xml.StartElement)
	if !ok || start.Name != (xml.Name{Local: name}) || len(start.Attr) > 0 {
		return fmt.Errorf("%.100v stands where a plain %s should", tok, name)
	}
	return nil
}

// route reads the rest of an element route that begins with tok.
func (d reader) route(tok xml.Token, b *ipranges.Builder) error {
	if err := isStart(tok, "route"); err != nil {
		return err
	}
	destination, err := d.leaf("destination")
	if err != nil {
		return err
	}
	mask, err := d.leaf("mask")
	if err != nil {
		return err
	}
	if end, err := d.next(); err != nil || !isEnd(end, "route") {
		return errors.New("a route has more than one destination and one mask")
	}
	p, err := ipranges.ParsePrefix(destination + "/" + mask)
	if err == nil && !p.Addr().Is4() {
		err = fmt.Errorf("%s is no IPv4 route", p)
	}
	if err != nil {
		return err
	}
	return b.AddPrefix(p)
}

// leaf is the text of the element that follows.
func (d reader) leaf(name string) (string, error) {
	if err := d.start(name); err != nil {
		return "", err
	}
	text, err := d.Token()
	if err != nil {
		return "", err
	}
	chars, ok := text.(xml.CharData)
	if !ok {
		return "", fmt.Errorf("%s is no text", name)
	}
	value := string(chars)
	if end, err := d.Token(); err != nil || !isEnd(end, name) {
		return "", fmt.Errorf("%s holds more than text", name)
	}
	return value, nil
}
