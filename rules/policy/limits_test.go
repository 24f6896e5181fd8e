package policy

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"sallyport/diag"
	"sallyport/internal/testkit/cost"
)

// Whatever nests or multiplies is refused with a diagnostic, before the parser
// sees it: a little more of the same would end the process, since Go cannot
// recover from a stack overflow.
func TestLimits(t *testing.T) {
	rep := strings.Repeat
	const n = 20_000
	long := "[" + rep(`"192.0.2.1", `, 2000) + "]"
	for _, tt := range []struct{ name, src, want string }{
		{"brackets", "a = " + rep("[", n), "nested more than"},
		{"closed", "a = " + rep("[", n) + rep("]", n), "nested more than"},
		{"parentheses", "a = " + rep("(", n), "nested more than"},
		{"objects", "a = " + rep("{a=", n), "nested more than"},
		{"calls", "a = " + rep("f(", n), "nested more than"},
		{"blocks", rep("a {\n", n), "nested more than"},
		{"one line", rep("a { ", n), "nested more than"},
		{"templates", "a = " + rep(`"${`, n), "nested more than"},
		{"directives", `a = "` + rep("%{ if true }", n) + `"`, "template directives"},
		{"not", "a = " + rep("!", n) + "true", "operators"},
		{"minus", "a = " + rep("-", n) + "1", "operators"},
		{"plus", "a = 1" + rep("+1", n), "operators"},
		{"conditionals", "a = " + rep("true?1:", n) + "1", "operators"},
		{"indexes", "a = b" + rep("[0]", n), "operators"},
		{"inner", "a = b" + rep("[c", n), "nested more than"},
		{"call indexes", "a = f(1)" + rep("[f(1)]", n/2), "operators"},
		{"string index", `a = "x"` + rep("[0]", n), "operators"},
		{"splats", "a = b" + rep(".*", n), "operators"},
		{"full splats", "a = b" + rep("[*]", n), "operators"},
		{"for", "a = " + rep("[for a in ", n/4), "nested more than"},
		{"for lines", "a = {for a in b : c => 1\n" + rep("+1\n", n) + "}", "operators"},
		{"heredoc", "a = <<X\n" + rep("${", n), "nested more than"},
		{"number", "a = " + rep("9", n), "this number"},
		{"exponent", "a = 1e999999999", "this number"},
		{"labels", "set " + rep(`"x" `, n) + "{}", "takes 1 label"},
		{"too long", rep("# comment\n", 1<<18), "too long"},
		{"loops", `set "a" { include = [for a in ` + long + ` : [for b in ` + long + ` : "192.0.2.1"]] }`, "takes too long"},
		{"rules of targets", wrapped(900, "rule \"r%d\" {\n action = \"allow\"\n to = any\n services = any\n}\n") + wrapped(900, "target \"generic\" \"t%d\" {}\n"), "more than 500000 rules together"},
		{"ranges of sets", "set \"big\" {\n include = [" + wrapped(8000, "\"10.%d.0.1\",") + "]\n}\n" + wrapped(2000, "set \"s%d\" { include = [set.big, \"192.0.2.1\"] }\n"), "more than 8000000 ranges together"},
		{"templates in loops", `set "a" { include = [for a in ` + long + ` : "` + rep("${a}", 20000) + `"] }`, "this string has"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var list diag.List
			spent := cost.Least(1, func() { _, list = check(t, "test.hcl", tt.src, nil) })
			if !slices.ContainsFunc(list, func(d diag.Diagnostic) bool { return d.Severity == diag.Error && strings.Contains(d.Summary, tt.want) }) {
				t.Errorf("it is not refused for what it is: %.3q", summaries(list))
			}
			// What is refused is read a few times, and not again for each of its parts.
			lexed := cost.Least(1, func() { hclsyntax.LexConfig([]byte(tt.src), "", hcl.InitialPos) })
			if spent > 300*lexed {
				t.Errorf("it costs %v, and finding its words %v", spent, lexed)
			}
		})
	}
}

// wrapped repeats a text with the numbers from 0; addresses get numbers of two bytes.
func wrapped(n int, text string) string {
	var b strings.Builder
	for i := range n {
		if strings.Contains(text, "10.%d.0.1") {
			b.WriteString(strings.ReplaceAll(text, "%d.0", itoa(i/250)+"."+itoa(i%250)))
			continue
		}
		b.WriteString(strings.ReplaceAll(text, "%d", itoa(i)))
	}
	return b.String()
}

// Deep but sane policies pass the limits.
func TestWithinLimits(t *testing.T) {
	src := "set \"a\" {\n  include = " + strings.Repeat("[", 40) + `"192.0.2.0/24"` + strings.Repeat("]", 40) + "\n}\n"
	p := clean(t, src)
	if s, _ := p.Set("a"); !s.Set.Contains(addr("192.0.2.1")) {
		t.Error("the address is lost")
	}
	// Each reference has a dot, and a long list has many: none is an operator.
	var b strings.Builder
	b.WriteString("variable \"v\" { default = \"192.0.2.1\" }\nset \"a\" {\n include = [\n")
	for range 10_000 {
		b.WriteString("var.v,\n")
	}
	b.WriteString("]\n}\n")
	clean(t, b.String())
}

// The list of mistakes has an end, and says so.
func TestManyMistakes(t *testing.T) {
	var b strings.Builder
	for i := range 3000 {
		b.WriteString("set \"s" + itoa(i) + "\" { include = [set.missing" + itoa(i) + "] }\n")
	}
	_, list := check(t, "test.hcl", b.String(), nil)
	if len(list) > 2*maxDiagnostics+10 {
		t.Errorf("%d diagnostics", len(list))
	}
	if last := list[len(list)-1]; !strings.Contains(last.Summary, "more mistakes") {
		t.Errorf("the last is %q", last.Summary)
	}
}

// sound checks what holds for every source: Load and Compile return, with places
// that the printer can show, and nothing empty gets into a plan.
func sound(t *testing.T, src []byte, vars map[string]string) {
	file, list := Load("test.hcl", src, testOptions(vars))
	p, more := file.Compile(catalogsFor(t, file))
	list = append(list, more...)
	var out strings.Builder
	if err := diag.Print(&out, list, diag.PrintOptions{Sources: file.Sources(), Color: true}); err != nil {
		t.Fatal(err)
	}
	for _, d := range list {
		if d.Summary == "" || d.Subject.Start.Byte > len(file.Sources()["test.hcl"]) || d.Detail == "" && d.Fix == "" {
			t.Errorf("%+v", d)
		}
	}
	for _, target := range p.Targets {
		if len(target.Plan.Rules) == 0 {
			t.Errorf("target %s has no rules", target.Name)
		}
		for _, r := range target.Plan.Rules {
			if r.To.IsEmpty() || r.From.IsEmpty() || len(r.Matches()) == 0 {
				t.Errorf("rule %s is empty and got into a plan", r.Name)
			}
		}
	}
}

func corpus(t testing.TB) [][]byte {
	out := [][]byte{[]byte(sample), []byte(varPolicy)}
	files, err := filepath.Glob("testdata/*.hcl")
	if err != nil || len(files) == 0 {
		t.Fatal("no fixtures", err)
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, src)
	}
	return out
}

// pieces divides a policy into blocks of which some stand together. Go's fuzzing shortens
// what it finds a byte at a time, and with whole policies does nothing else for minutes.
func pieces(src []byte, most int) [][]byte {
	var out [][]byte
	var piece []byte
	for _, block := range bytes.SplitAfter(src, []byte("\n}\n")) {
		if len(piece)+len(block) > most && len(piece) > 0 {
			out = append(out, piece)
			piece = nil
		}
		piece = append(piece, block...)
	}
	return append(out, piece)
}

func FuzzPolicy(f *testing.F) {
	for _, src := range corpus(f) {
		for _, piece := range pieces(src, 250) {
			f.Add(piece, `["a", "b"]`)
		}
	}
	f.Fuzz(func(t *testing.T, src []byte, value string) { sound(t, src, map[string]string{"free": value}) })
}

// Policies with tokens left out, doubled and exchanged come nearer to what
// people mistype than random bytes do.
func TestMutations(t *testing.T) {
	var words [][]string
	var all []string
	for _, src := range corpus(t) {
		tokens, _ := hclsyntax.LexConfig(src, "", hcl.InitialPos)
		var list []string
		at := 0
		for _, tok := range tokens {
			r := tok.Range
			if tok.Type == hclsyntax.TokenComment {
				at = r.Start.Byte
				continue
			}
			list = append(list, string(src[at:r.End.Byte]))
			at = r.End.Byte
		}
		words = append(words, list)
		all = append(all, list...)
	}
	rng := rand.New(rand.NewPCG(3, 4))
	for range 800 {
		list := slices.Clone(words[rng.IntN(len(words))])
		for range 1 + rng.IntN(6) {
			i := rng.IntN(len(list))
			switch rng.IntN(4) {
			case 0:
				list = slices.Delete(list, i, i+1)
			case 1:
				list = slices.Insert(list, i, list[rng.IntN(len(list))])
			case 2:
				list[i] = all[rng.IntN(len(all))]
			case 3:
				j := rng.IntN(len(list))
				list[i], list[j] = list[j], list[i]
			}
		}
		sound(t, []byte(strings.Join(list, "")), map[string]string{"free": "192.0.2.1"})
		if t.Failed() {
			t.Fatalf("%s", strings.Join(list, ""))
		}
	}
}
