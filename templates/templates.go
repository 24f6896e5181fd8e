// Package templates holds the text templates that frame rendered output, one
// folder a target, and the policies that sallyport brings along.
//
// Templates frame: headers, comments, the order of blocks. Long lists of
// elements and the rules themselves come from Go. A user may override any file
// with a file of the same name in a folder of templates.
package templates

import (
	"bytes"
	"cmp"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"text/template"
)

//go:embed */*.tmpl
var embedded embed.FS

// DefaultPolicy is the policy that generate uses when none is given: the
// documented media ranges of Azure Communication Services.
//
//go:embed policy/default.hcl
var DefaultPolicy []byte

//go:embed policy/starter/*.tmpl
var starters embed.FS

// Starter is the policy that init writes for a kind of target and its title, or with
// neither for a firewall and a feed. Flags follow the commands that it shows.
func Starter(kind, title, flags string) ([]byte, error) {
	t, err := template.ParseFS(starters, "policy/starter/*.tmpl")
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.ExecuteTemplate(&b, cmp.Or(kind, "default")+".hcl.tmpl", struct{ Kind, Title, Flags string }{kind, title, flags})
	return b.Bytes(), err
}

// Load parses the template name of a target, from overrides if it holds the
// file, which may be nil, and reports whether it did. Templates can call lines,
// which prefixes every line of its second argument with the first.
func Load(target, name string, overrides fs.FS) (tmpl *template.Template, overridden bool, err error) {
	file := path.Join(target, name)
	src, err := fs.ReadFile(embedded, file)
	if err != nil {
		return nil, false, fmt.Errorf("no template %s: %w", file, err)
	}
	if overrides != nil && !isScript(file) {
		own, err := fs.ReadFile(overrides, file)
		switch {
		case err == nil:
			src, overridden = own, true
		case !errors.Is(err, fs.ErrNotExist):
			return nil, false, fmt.Errorf("reading your template %s: %w", file, err)
		}
	}
	if overridden {
		tmpl, err = Own(file, string(src))
	} else {
		tmpl, err = parseWith(file, string(src), template.FuncMap{"lines": prefixLines, "join": strings.Join})
	}
	return tmpl, overridden, err
}

// Names are the files that a user can override, such as nftables/fragment.nft.tmpl.
func Names() []string {
	names, err := fs.Glob(embedded, "*/*.tmpl")
	if err != nil {
		panic(err) // the pattern is a constant
	}
	return slices.DeleteFunc(names, isScript)
}

// isScript reports whether a template makes a script. Scripts cannot be overridden,
// because nothing can read back what one does.
func isScript(file string) bool {
	return slices.Contains([]string{".sh", ".ps1", ".pac"}, path.Ext(strings.TrimSuffix(file, ".tmpl")))
}

// parseWith parses src with the functions. A key that the data lacks is an error.
func parseWith(name, src string, funcs template.FuncMap) (*template.Template, error) {
	t, err := template.New(name).Option("missingkey=error").Funcs(funcs).Parse(src)
	if err != nil {
		return nil, fmt.Errorf("%w: correct the template", err)
	}
	return t, nil
}

func prefixLines(prefix string, lines []string) string {
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(prefix)
		b.WriteString(l)
		b.WriteByte('\n')
	}
	return b.String()
}
