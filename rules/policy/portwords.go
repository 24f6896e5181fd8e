package policy

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"sallyport/rules"
)

// portNames are names of services that people write instead of ports (IANA, Service Name and
// Transport Protocol Port Number Registry).
var portNames = map[string]int{
	"http": 80, "www": 80, "https": 443, "dns": 53, "domain": 53, "ssh": 22, "ntp": 123, "smtp": 25, "submission": 587, "imap": 143,
	"imaps": 993, "pop3": 110, "pop3s": 995, "ldap": 389, "ldaps": 636, "kerberos": 88, "rdp": 3389, "ftp": 21, "telnet": 23, "snmp": 161,
	"syslog": 514, "stun": 3478, "turn": 3478, "stuns": 5349, "turns": 5349, "sip": 5060, "sips": 5061, "mysql": 3306, "postgresql": 5432, "mssql": 1433,
}

// portMistake says why v is no port, and what is most likely meant.
func portMistake(proto rules.Protocol, v cty.Value) (detail, fix string) {
	form := fmt.Sprintf(`write ports from 1 to 65535: %s = [443, "3478-3481"], or "any"`, proto)
	switch v.Type() {
	case cty.Number:
		return portNumberMistake(v), form
	case cty.String:
		if d, meant := portTextMistake(v.AsString()); meant != "" {
			return d, "write " + meant
		} else if d != "" {
			return d, form
		}
	}
	return "", form
}

func portNumberMistake(v cty.Value) string {
	n, whole := integer(v)
	switch {
	case !whole:
		return "A port is a whole number."
	case n == 0:
		return "Port 0 is reserved: no service has it."
	case n < 0:
		return "A port is not negative."
	}
	return "The last port is 65535."
}

// portTextMistake explains why a string is no port, and suggests what is meant, if that can be
// known.
func portTextMistake(s string) (detail, meant string) {
	word := strings.ToLower(strings.TrimSpace(s))
	plain := strings.NewReplacer("–", "-", "—", "-", "−", "-", "‑", "-", "..", "-", ":", "-", " to ", "-", " ", "").Replace(word)
	switch {
	case word == "any", word == "all", word == "*":
		return "", `"any"`
	case portNames[word] != 0:
		return "Ports are written as numbers.", strconv.Itoa(portNames[word])
	}
	for _, p := range []string{"tcp", "udp", "sctp"} {
		for _, rest := range []string{strings.TrimSuffix(plain, "/"+p), strings.TrimPrefix(plain, p+"/"), strings.TrimPrefix(plain, p+"-")} {
			if text, ok := portText(rest); rest != plain && ok {
				return "The argument says the protocol.", text
			}
		}
	}
	if list := strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ';' || r == ' ' }); len(list) > 1 {
		var ports []string
		for _, w := range list {
			text, ok := portText(w)
			if !ok {
				ports = nil
				break
			}
			ports = append(ports, text)
		}
		if len(ports) > 0 {
			return "Each port is an element of the list.", strings.Join(ports, ", ")
		}
	}
	if text, ok := portText(plain); ok && plain != word {
		return "A range has a hyphen between its ends.", text
	}
	return portRangeMistake(plain)
}

// portRangeMistake explains numbers that are out of range, and ranges with one end.
func portRangeMistake(s string) (detail, meant string) {
	from, to, isRange := strings.Cut(s, "-")
	lo, errLo := strconv.Atoi(from)
	hi, errHi := strconv.Atoi(to)
	switch {
	case isRange && from == "" && errHi == nil && hi >= 1 && hi <= 65535:
		return "A range has two ends.", fmt.Sprintf(`"1-%d"`, hi)
	case isRange && to == "" && errLo == nil && lo >= 1 && lo <= 65535:
		return "A range has two ends.", fmt.Sprintf(`"%d-65535"`, lo)
	case errLo == nil && lo == 0 && isRange && hi == 65535:
		return "Port 0 is reserved: no service has it.", `"any"`
	case errLo == nil && lo == 0:
		return "Port 0 is reserved: no service has it.", ""
	case errLo == nil && lo > 65535, isRange && errHi == nil && hi > 65535:
		return "The last port is 65535.", ""
	case errLo == nil && from != strconv.Itoa(lo) && !isRange:
		return "It begins with a zero.", strconv.Itoa(lo)
	}
	return "", ""
}

// portText is a port or a range of ports, in the syntax of the policy.
func portText(s string) (string, bool) {
	from, to, isRange := strings.Cut(s, "-")
	lo, ok := number(from, 65535)
	if !ok || lo == 0 {
		return "", false
	}
	if !isRange {
		return strconv.FormatUint(lo, 10), true
	}
	hi, ok := number(to, 65535)
	return strconv.Quote(from + "-" + to), ok && hi >= lo
}

// sum reports whether an expression is arithmetic with literal numbers, such as 3478-3481,
// which is -3: a range is meant.
func sum(e hclsyntax.Expression) bool {
	switch e := e.(type) {
	case *hclsyntax.BinaryOpExpr:
		return operand(e.LHS) && operand(e.RHS)
	case *hclsyntax.ParenthesesExpr:
		return sum(e.Expression)
	}
	return false
}

func operand(e hclsyntax.Expression) bool {
	l, ok := e.(*hclsyntax.LiteralValueExpr)
	return ok && l.Val.Type() == cty.Number || sum(e)
}

// noSum reports an element that is arithmetic where a string is meant.
func (c *compiler) noSum(it item, what string) bool {
	if it.expr == nil || !sum(it.expr) {
		return true
	}
	c.error(it.rng, fmt.Sprintf("%s is not written in quotes", c.sourceAt(it.rng)), "Without quotes it is a sum of numbers, not "+what+".",
		fmt.Sprintf("put it in quotes: %q", strings.ReplaceAll(c.sourceAt(it.rng), " ", "")))
	return false
}

// sourceAt is the source at a place, shortened for a message.
func (c *compiler) sourceAt(r hcl.Range) string {
	if r.Start.Byte < 0 || r.End.Byte > len(c.f.src) || r.End.Byte < r.Start.Byte {
		return ""
	}
	return fmt.Sprintf("%.*s", maxQuoted, c.f.src[r.Start.Byte:r.End.Byte])
}

// maxQuoted is how many bytes of the source a message quotes.
const maxQuoted = 60
