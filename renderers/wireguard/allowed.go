package wireguard

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/renderers/routes"
	"sallyport/rules"
)

const allowedKey = "AllowedIPs = "

// leftKey begins the comment that says what is listed and cannot be written.
const leftKey = "listed, and not written: "

// No client sends anything to these, and some cannot have them in AllowedIPs.
var (
	thisNetwork = ipranges.MustParse("0.0.0.0/8")
	loopback    = ipranges.MustParse("127.0.0.0/8")
	unroutable  = thisNetwork.Union(loopback)
)

// renderAllowed lists what enters the tunnel.
func (r *renderer) renderAllowed(p *rules.Plan, list rules.RouteList) ([]renderers.File, error) {
	set, v := list.Set, list.Way
	allowed := r.allowed(set, p.Families, v)
	if allowed.IsEmpty() {
		e := list.Refuse("it leaves no address to the tunnel", "list fewer addresses")
		if v == rules.Tunnel {
			e.Cause, e.Fix = "it has no address that a host can have", "list addresses outside of 0.0.0.0/8 and 127.0.0.0/8"
		}
		return nil, e
	}
	header := renderers.RouteHeader(p)
	if left := leftOut(set, allowed, v); !left.IsEmpty() {
		header = append(header, leftKey+strings.TrimSpace(string(left.AppendPrefixes(nil, ipranges.IPv4, "", " "))))
	}
	data, err := renderers.Execute("wireguard", "allowed.conf.tmpl", r.env.Templates, map[string]any{
		"Header": header, "Complement": v == rules.Bypass, "Allowed": lines(allowed),
		"Left": !allowed.Overlaps(thisNetwork) && (v == rules.Bypass && p.Families.Has(ipranges.IPv4) || set.Overlaps(thisNetwork)),
	})
	if err != nil {
		return nil, err
	}
	return []renderers.File{{Path: r.env.Path, Mode: routes.Plain, Data: data,
		On: "the client", Hand: "put the lines of {} into the section [Peer] of its configuration"}}, nil
}

// rows are the lines of AllowedIPs.
var rows = routes.Rows{Row: routes.Row{Before: allowedKey}}

func lines(allowed ipranges.Set) string {
	return string(rows.Append(rows.Append(nil, allowed, ipranges.IPv4), allowed, ipranges.IPv6))
}

// manyAllowed is how many AllowedIPs are told of: Android's VPN service is given them in
// one message of at most 1 MB, of which nobody says how many it holds.
const manyAllowed = 4000

// advice is what the admin should know.
func (r *renderer) advice(p *rules.Plan) []*renderers.OptionError {
	list, ok := p.Routes()
	set, v := list.Set, list.Way
	if !ok || v == rules.Bypass && r.opt.Form == formRoutes {
		return nil
	}
	allowed := r.allowed(set, p.Families, v)
	n := allowed.NumPrefixes(ipranges.IPv4) + allowed.NumPrefixes(ipranges.IPv6)
	if n <= manyAllowed {
		return nil
	}
	return []*renderers.OptionError{{ID: "android-routes", Cause: fmt.Sprintf("%d AllowedIPs may be more than Android takes, where the app then fails", n),
		Fix: "for phones, make the list shorter with a budget, or list fewer addresses; see docs/targets/wireguard.md"}}
}

// allowed is what the tunnel carries for a list: of a family that the plan does not speak
// of, everything where the list is of what goes past the tunnel, and else nothing.
func (r *renderer) allowed(set ipranges.Set, fams rules.Families, v rules.Verdict) ipranges.Set {
	caps := r.caps()
	var out ipranges.Set
	for _, f := range rules.BothFamilies.List() {
		if fams.Has(f) {
			out = out.Union(withoutLoopback(caps.Written(v, f, set)))
		} else if v == rules.Bypass {
			out = out.Union(ipranges.Full(f))
		}
	}
	return out
}

// withoutLoopback is a set without the prefixes that begin at an IPv4 loopback address.
func withoutLoopback(set ipranges.Set) ipranges.Set {
	out := set
	for p := range set.Prefixes(ipranges.IPv4) {
		if p.Addr().IsLoopback() {
			out = out.Minus(one(p))
		}
	}
	return out
}

// leftOut is what a list has of the addresses that are not written. Of what goes through
// the tunnel that is what is missing; of what goes past it nothing shows it.
func leftOut(set, allowed ipranges.Set, v rules.Verdict) ipranges.Set {
	if v == rules.Tunnel {
		return set.Minus(allowed)
	}
	return set.Intersect(unroutable)
}

// readAllowed reads one prefix a line, and returns what the plan lists.
func (r *renderer) readAllowed(comments, text []string, v rules.Verdict, fams rules.Families) (ipranges.Set, error) {
	var allowed ipranges.Set
	for _, f := range rules.BothFamilies.List() {
		part, err := rows.Find(text, f)
		if err != nil {
			return part, err
		}
		allowed = allowed.Union(part)
	}
	if allowed.IsEmpty() {
		return allowed, errors.New("nothing enters the tunnel")
	}
	set, err := readLeftOut(comments)
	if err != nil {
		return set, err
	}
	for _, f := range fams.List() {
		if v == rules.Tunnel {
			set = set.Union(allowed.Only(f))
		} else {
			set = set.Union(allowed.Complement(f).Minus(unroutable))
		}
	}
	if strings.Join(text, "\n")+"\n" != lines(r.allowed(set, fams, v)) {
		return set, errors.New("its lines are not those that such a list makes")
	}
	return set, nil
}

// readLeftOut finds what the list has beside what is written.
func readLeftOut(comments []string) (ipranges.Set, error) {
	var b ipranges.Builder
	for _, c := range comments {
		text, ok := strings.CutPrefix(c, leftKey)
		if !ok {
			continue
		}
		for word := range strings.FieldsSeq(text) {
			p, err := ipranges.ParsePrefix(word)
			if err == nil && !unroutable.Covers(one(p)) {
				err = errors.New("it can be written")
			}
			if err == nil {
				err = b.AddPrefix(p)
			}
			if err != nil {
				return ipranges.Set{}, fmt.Errorf("%q: %w", word, err)
			}
		}
	}
	return b.Set(), nil
}

// one is a prefix as a set.
func one(p netip.Prefix) ipranges.Set {
	s, err := ipranges.FromPrefixes(p)
	if err != nil {
		return ipranges.Set{} // of a prefix that we do not write
	}
	return s
}
