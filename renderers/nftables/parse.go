package nftables

import (
	"cmp"
	"fmt"
	"strings"
)

// parse reads the part of nft's language that this package writes, in the form of
// commands and of blocks, so that it also reads what nft list table prints. It is
// strict: a statement it does not know is an error, never passed over.

// ruleset is what a file makes: the tables by family and name.
type ruleset struct {
	tables  map[string]*table
	touched []touched        // by its commands, each thing once
	seen    map[touched]bool // of these
}

type table struct {
	sets   map[string]*parsedSet
	chains map[string]*parsedChain
	// Everything that was ever declared, deleted since or not, with its type.
	declaredSets   map[string]string
	declaredChains map[string]bool
}

type parsedSet struct {
	typ      string
	elements [][]string // the words of each element
}

type parsedChain struct {
	base  string     // the words of the type line; empty for a regular chain
	rules [][]string // the words of each rule
}

// scanner hands out the words of a text, one at a time, so that a list of a million elements
// takes no more room than the text: punctuation, strings in their quotes, line ends, and
// everything else up to a blank.
type scanner struct {
	rest string // of the text, behind word
	word string // the next one; empty at the end
	line int    // of word
	read int    // the line of the word that was read last
	err  error  // the text cannot be divided into words
}

const lineEnd = "\n"

// scan begins at the first word of src.
func scan(src string) *scanner {
	s := &scanner{rest: src + lineEnd, line: 1}
	s.advance()
	return s
}

// endsWord are the bytes that end a word: a list has a million of other bytes.
var endsWord = [256]bool{' ': true, '\t': true, '\r': true, '\n': true, '{': true, '}': true, ',': true, ';': true, '"': true, '#': true}

// advance goes on to the next word.
func (s *scanner) advance() {
	s.read = s.line
	if s.word == lineEnd {
		s.line++
	}
	s.rest = strings.TrimLeft(s.rest, " \t\r")
	if strings.HasPrefix(s.rest, "#") {
		s.rest = s.rest[strings.IndexByte(s.rest, '\n'):]
	}
	n := 0
	switch {
	case s.rest == "":
	case s.rest[0] == '"':
		n = 1 + strings.IndexAny(s.rest[1:], "\"\n")
		if s.rest[n] == '\n' {
			s.err = fmt.Errorf("line %d: a string does not end", s.line)
			s.word, s.rest = "", ""
			return
		}
		n++
	case endsWord[s.rest[0]]:
		n = 1
	default:
		for !endsWord[s.rest[n]] {
			n++
		}
	}
	s.word, s.rest = s.rest[:n], s.rest[n:]
}

func (s *scanner) done() bool { return s.word == "" }

// peek is the next word that is not a line end; "" at the end.
func (s *scanner) peek() string {
	for s.word == lineEnd {
		s.advance()
	}
	return s.word
}

func (s *scanner) next() string {
	w := s.peek()
	s.advance()
	return w
}

func (s *scanner) expect(word string) error {
	if got := s.next(); got != word {
		return s.errorf("%q where %q was expected", got, word)
	}
	return nil
}

// statement is the words up to the end of the line or a semicolon. Braces within
// it are kept whole, over lines.
func (s *scanner) statement() []string {
	var words []string
	depth := 0
	for ; !s.done(); s.advance() {
		w := s.word
		if depth == 0 && (w == lineEnd || w == ";" || w == "}") {
			break
		}
		switch w {
		case lineEnd:
			continue
		case "{":
			depth++
		case "}":
			depth--
		}
		words = append(words, w)
	}
	if !s.done() && s.word != "}" {
		s.advance()
	}
	return words
}

func (s *scanner) errorf(format string, args ...any) error {
	return fmt.Errorf("line %d: %s", s.read, fmt.Sprintf(format, args...))
}

func parse(src string) (*ruleset, error) {
	rs := &ruleset{tables: map[string]*table{}, seen: map[touched]bool{}}
	return rs, rs.run(src)
}

// run carries out the commands of a file.
func (rs *ruleset) run(src string) error {
	s := scan(src)
	for s.peek() != "" {
		if err := rs.command(s); err != nil {
			return cmp.Or(s.err, err)
		}
	}
	return s.err
}

func (rs *ruleset) table(family, name string) *table {
	key := family + " " + name
	if rs.tables[key] == nil {
		rs.tables[key] = &table{map[string]*parsedSet{}, map[string]*parsedChain{}, map[string]string{}, map[string]bool{}}
	}
	return rs.tables[key]
}

// touched is a thing that a command of a file makes, empties or deletes.
type touched struct {
	verb, kind string // "delete", "table"
	table      string // family and name
	name       string // of a set or chain
}

func (rs *ruleset) command(s *scanner) error {
	switch verb := s.next(); verb {
	case "table":
		family, name := s.next(), s.next()
		rs.touch("add", "table", family+" "+name, "")
		return rs.table(family, name).block(s)
	case "add", "flush", "delete":
		kind := s.next()
		family, name := s.next(), s.next()
		if kind == "table" {
			rs.touch(verb, kind, family+" "+name, "")
			switch verb {
			case "add":
				rs.table(family, name)
			case "delete":
				delete(rs.tables, family+" "+name)
			default:
				return s.errorf("%s of the whole table %s %s", verb, family, name)
			}
			return nil
		}
		object := s.next()
		rs.touch(verb, kind, family+" "+name, object)
		return rs.table(family, name).change(s, verb+" "+kind, object)
	default:
		return s.errorf("unknown command %q", verb)
	}
}

func (rs *ruleset) touch(verb, kind, table, name string) {
	if t := (touched{verb, kind, table, name}); !rs.seen[t] {
		rs.seen[t] = true
		rs.touched = append(rs.touched, t)
	}
}

// change carries out one command on the object name.
func (t *table) change(s *scanner, command, name string) error {
	switch command {
	case "add set":
		if t.sets[name] != nil {
			s.statement()
			return nil
		}
		set := &parsedSet{}
		t.sets[name] = set
		err := set.block(s)
		t.declaredSets[name] = set.typ
		return err
	case "add chain":
		t.declaredChains[name] = true
		if t.chains[name] == nil {
			t.chains[name] = &parsedChain{}
		}
		if words := s.statement(); len(words) > 0 {
			t.chains[name].base = strings.Join(words, " ")
		}
		return nil
	}
	set, chain := t.sets[name], t.chains[name]
	switch command {
	case "flush set", "delete set", "add element":
		if set == nil {
			return s.errorf("%s of %q, which is no set", command, name)
		}
	case "flush chain", "delete chain", "add rule":
		if chain == nil {
			return s.errorf("%s of %q, which is no chain", command, name)
		}
	default:
		return s.errorf("unknown command %q", command)
	}
	switch command {
	case "flush set":
		set.elements = nil
	case "flush chain":
		chain.rules = nil
	case "delete set":
		delete(t.sets, name)
	case "delete chain":
		delete(t.chains, name)
	case "add element":
		elements, err := elements(s)
		set.elements = append(set.elements, elements...)
		return err
	case "add rule":
		chain.rules = append(chain.rules, s.statement())
	}
	return nil
}

func (t *table) block(s *scanner) error {
	if err := s.expect("{"); err != nil {
		return err
	}
	for {
		switch kind := s.next(); kind {
		case "}":
			return nil
		case "set":
			set := &parsedSet{}
			t.sets[s.next()] = set
			if err := set.block(s); err != nil {
				return err
			}
		case "chain":
			c := &parsedChain{}
			t.chains[s.next()] = c
			if err := c.block(s); err != nil {
				return err
			}
		default:
			return s.errorf("unknown part of a table %q", kind)
		}
	}
}

func (p *parsedSet) block(s *scanner) error {
	if err := s.expect("{"); err != nil {
		return err
	}
	for {
		switch word := s.next(); word {
		case "}":
			return nil
		case ";", "auto-merge":
		case "type":
			p.typ = strings.Join(s.statement(), " ")
		case "flags":
			if flags := strings.Join(s.statement(), " "); flags != "interval" {
				return s.errorf("unknown flags %q", flags)
			}
		case "elements":
			if err := s.expect("="); err != nil {
				return err
			}
			list, err := elements(s)
			if err != nil {
				return err
			}
			p.elements = append(p.elements, list...)
		default:
			return s.errorf("unknown part of a set %q", word)
		}
	}
}

// elements reads { a, b, } into the words of each.
func elements(s *scanner) ([][]string, error) {
	if err := s.expect("{"); err != nil {
		return nil, err
	}
	var list [][]string
	var words []string
	for {
		switch w := s.next(); w {
		case "", "{", ";":
			return nil, s.errorf("a list of elements does not end")
		case ",", "}":
			if len(words) > 0 {
				list = append(list, words)
			}
			words = nil
			if w == "}" {
				return list, nil
			}
		default:
			words = append(words, w)
		}
	}
}

func (c *parsedChain) block(s *scanner) error {
	if err := s.expect("{"); err != nil {
		return err
	}
	for {
		switch s.peek() {
		case "":
			return s.errorf("a chain does not end")
		case "}":
			s.next()
			return nil
		case ";":
			s.next()
		case "type":
			words := s.statement()
			if s.peek() == "policy" {
				words = append(append(words, ";"), s.statement()...)
			}
			c.base = "{ " + strings.Join(words, " ") + " ; }"
		default:
			c.rules = append(c.rules, s.statement())
		}
	}
}
