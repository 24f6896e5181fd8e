package policy_test

import (
	"fmt"
	"os"
	"time"

	"sallyport/diag"
	"sallyport/rules/policy"
)

func Example() {
	src := []byte(`
set "media" {
  include = ["20.202.0.0/16", "52.112.0.0/14"]
}
service "relay" {
  udp = ["3478-3481"]
}
rule "calls" {
  action   = "allow"
  to       = set.media
  services = [service.relay]
}
target "list" "edge" {}
`)
	// A program takes its kinds from the list of targets; this one has options.
	type options struct {
		Comment string `policy:"comment" doc:"a line at the top"`
	}
	list := policy.TargetKind{Name: "list", Class: policy.Filter, Extension: ".txt", NewOptions: func() any { return &options{} }}
	file, mistakes := policy.Load("edge.hcl", src, policy.Options{
		Kinds: func(name string) (policy.TargetKind, bool) { return list, name == list.Name },
		Now:   time.Now(),
	})
	// No feed is used, so Compile needs no catalogs.
	program, more := file.Compile(nil)
	_ = diag.Print(os.Stdout, append(mistakes, more...), diag.PrintOptions{Sources: file.Sources()})
	for _, target := range program.Targets {
		for _, rule := range target.Plan.Rules {
			fmt.Println(target.Path, rule.Verdict, rule.To.Name(), rule.Matches())
		}
	}
	fmt.Println("the rest:", program.Target("edge").Plan.Default)
	// Output:
	// edge.txt allow media [udp/3478-3481]
	// the rest: continue
}
