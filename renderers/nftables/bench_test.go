package nftables

import (
	"testing"

	"sallyport/renderers"
	"sallyport/rules"
)

// BenchmarkAzureCloud renders the whole Azure cloud, and reads it back.
func BenchmarkAzureCloud(b *testing.B) {
	p := &rules.Plan{Name: "edge", Families: rules.BothFamilies, Rules: []rules.Rule{{
		Name: "calls", Verdict: rules.Allow, From: rules.Any(), To: rules.In("azure", azureCloud(b, 398)),
		Services: []rules.Service{rules.NewService("media", rules.Ports(rules.UDP, 3478, 3481), rules.Ports(rules.TCP, 443, 443))},
	}}}
	r, err := Kind().Build(&Options{Placement: fragment, Table: "inet filter", Hook: "forward", Ingress: []string{"lan0"}},
		renderers.Env{Name: "edge", Path: "edge.nft"})
	if err != nil {
		b.Fatal(err)
	}
	var files []renderers.File
	b.Run("render", func(b *testing.B) {
		for b.Loop() {
			if files, err = r.Render(p); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("read back", func(b *testing.B) {
		for b.Loop() {
			if _, err := r.ReadBack(files); err != nil {
				b.Fatal(err)
			}
		}
	})
}
