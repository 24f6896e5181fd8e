package sallyport_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sallyport"
	"sallyport/diag"
)

// A policy is a file; here it is a text. Its feed is a small list.
func Example() {
	dir, err := os.MkdirTemp("", "sallyport")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	list := filepath.Join(dir, "list.txt")
	if err := os.WriteFile(list, []byte("20.202.0.0/17\n20.202.128.0/17\n"), 0o644); err != nil {
		log.Fatal(err)
	}

	p, err := sallyport.Compile(context.Background(), sallyport.Options{
		Text: []byte(`
feed "relays" {
  kind = "text"
  file = "relays.txt"
}
target "vpnslice" "laptops" {
  families = ["ipv4"]
  bypass   = [feed.relays]
}
rule "media" {
  action   = "allow"
  to       = [feed.relays]
  services = any
}
target "generic" "list" {
  format = "csv"
}
`),
		Feeds: map[string]string{"relays": list},
		Now:   time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC),
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, t := range p.Targets() {
		fmt.Println(t.Kind, t.Name)
	}
	out, err := p.Render()
	if err != nil {
		log.Fatal(err)
	}
	if err := diag.Print(os.Stdout, out.Diagnostics, diag.PrintOptions{Sources: out.Sources}); err != nil {
		log.Fatal(err)
	}
	for _, o := range out.Outputs {
		for _, f := range o.Files {
			fmt.Println(f.Path, f.Mode)
			for line := range strings.Lines(string(f.Data)) {
				if o.Kind.Name == "generic" && !strings.HasPrefix(line, "#") {
					fmt.Print("  ", line)
				}
			}
		}
	}
	// Output:
	// vpnslice laptops
	// generic list
	// laptops.sh -rwxr-xr-x
	// list.csv -rw-r--r--
	//   rule,action,log,from,first,last,services
	//   media,allow,false,any,20.202.0.0,20.202.255.255,any
	//   (default),continue,false,any,0.0.0.0,255.255.255.255,any
	//   (default),continue,false,any,::,ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff,any
}

// Mistakes are values, with their places.
func ExampleCompile_mistakes() {
	p, err := sallyport.Compile(context.Background(), sallyport.Options{Policy: "edge.hcl", Text: []byte(`
rule "calls" {
  action   = "alow"
  to       = ["203.0.113.1/24"]
  services = any
}
`)})
	if err != nil {
		log.Fatal(err)
	}
	for _, d := range p.Diagnostics {
		fmt.Printf("%s:%d: %s\n", d.Subject.File, d.Subject.Start.Line, d.Summary)
	}
	// Output:
	// edge.hcl:3: there is no action "alow"
	// edge.hcl:4: 203.0.113.1/24 has host bits set
}

func ExampleKinds() {
	for _, k := range sallyport.Kinds() {
		if k.Name == "nftables" {
			fmt.Println(k.Title)
		}
	}
	// Output:
	// nftables
}
