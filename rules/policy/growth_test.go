package policy

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"sallyport/internal/testkit/cost"
	"sallyport/internal/testkit/need"
)

// shapes are policies that grow with n in one way.
var shapes = map[string]func(n int) string{
	"unknown tags": func(n int) string {
		return wrapList("feed \"azure\" {}\nset \"a\" {\n  include = [\n", n, func(i int) string { return fmt.Sprintf("tag(feed.azure, \"Tag%d\"),\n", i) }, "]\n}\n")
	},
	"unknown tags in one call": func(n int) string {
		return wrapList("feed \"azure\" {}\nset \"a\" {\n  include = tag(feed.azure, [\n", n, func(i int) string { return fmt.Sprintf("\"Tag%d\",\n", i) }, "])\n}\n")
	},
	"known tags": func(n int) string {
		return wrapList("feed \"azure\" {}\nset \"a\" {\n  include = [\n", n, func(i int) string { return "tag(feed.azure, \"Storage\"),\n" }, "]\n}\n")
	},
	"unknown sets": func(n int) string {
		return wrapList("set \"a\" {\n  include = [\n", n, func(i int) string { return fmt.Sprintf("set.s%d,\n", i) }, "]\n}\n")
	},
	"unknown sets among many": func(n int) string {
		return wrapList("", n/2, func(i int) string { return fmt.Sprintf("set \"s%d\" { include = [set.x%d] }\n", i, i) }, "")
	},
	"chain of sets": func(n int) string {
		return wrapList("set \"s0\" { include = [\"10.0.0.1\"] }\n", n, func(i int) string {
			return fmt.Sprintf("set \"s%d\" { include = [set.s%d, \"10.%d.%d.1\"] }\n", i+1, i, i/256%256, i%256)
		}, "")
	},
	"chain backwards": func(n int) string {
		return wrapList("", n, func(i int) string { return fmt.Sprintf("set \"s%d\" { include = [set.s%d] }\n", i, i+1) }, fmt.Sprintf("set \"s%d\" { include = [\"10.0.0.1\"] }\n", n))
	},
	"circles": func(n int) string {
		return wrapList("", n, func(i int) string { return fmt.Sprintf("set \"s%d\" { include = [set.s%d, set.s0] }\n", i, i+1) }, fmt.Sprintf("set \"s%d\" { include = [set.s0] }\n", n))
	},
	"excluded sets": func(n int) string {
		return wrapList("", n/2, func(i int) string {
			return fmt.Sprintf("set \"s%d\" { include = [\"10.%d.%d.0/25\"] }\n", i, i/256%256, i%256)
		}, "") + wrapList("set \"all\" {\n  include = [\"10.0.0.0/8\"]\n  exclude = [", n/2, func(i int) string { return fmt.Sprintf("set.s%d,\n", i) }, "]\n}\n")
	},
	"idle excludes": func(n int) string {
		return wrapList("set \"all\" {\n  include = [\"10.0.0.0/8\"]\n  exclude = [\"10.0.0.1\",", n, func(i int) string { return fmt.Sprintf("\"11.%d.%d.1\",\n", i/256%256, i%256) }, "]\n}\n")
	},
	"duplicate names": func(n int) string {
		return wrapList("", n, func(i int) string { return "set \"same\" { include = [\"10.0.0.1\"] }\n" }, "")
	},
	"long names": func(n int) string {
		return wrapList("", n/40, func(i int) string {
			return fmt.Sprintf("set \"%s%d\" { include = [set.%s%d] }\n", strings.Repeat("n", 400), i, strings.Repeat("n", 400), i+1)
		}, "")
	},
	"one long name": func(n int) string {
		return "set \"" + strings.Repeat("n", n*16) + "\" { include = [\"10.0.0.1\"] }\nset \"b\" { include = [set." + strings.Repeat("m", n*16) + "] }\n"
	},
	"rules": func(n int) string {
		return "service \"s\" { tcp = [443] }\n" + wrapList("", n/4, func(i int) string {
			return fmt.Sprintf("rule \"r%d\" {\n  action = \"allow\"\n  to = [\"10.%d.%d.1\"]\n  services = [service.s]\n}\n", i, i/256%256, i%256)
		}, "target \"generic\" \"x\" {}\n")
	},
	"targets": func(n int) string {
		return "rule \"r\" {\n  action = \"allow\"\n  to = [\"10.0.0.1\"]\n  services = any\n}\n" + wrapList("", n, func(i int) string {
			return fmt.Sprintf("target \"generic\" \"t%d\" {}\n", i)
		}, "")
	},
	"rules and targets": func(n int) string {
		return wrapList("", n/5, func(i int) string {
			return fmt.Sprintf("rule \"r%d\" {\n  action = \"allow\"\n  to = [\"10.%d.%d.1\"]\n  services = any\n}\n", i, i/256%256, i%256)
		}, "") + wrapList("", n/2, func(i int) string { return fmt.Sprintf("target \"generic\" \"t%d\" {}\n", i) }, "")
	},
	"route targets": func(n int) string {
		return wrapList("set \"a\" { include = [\"10.0.0.0/8\", \"2001:db8::/32\"] }\n", n/2, func(i int) string { return fmt.Sprintf("target \"openvpn\" \"t%d\" { bypass = set.a }\n", i) }, "")
	},
	"overlapping rules": func(n int) string {
		return wrapList("", n/5, func(i int) string {
			return fmt.Sprintf("rule \"r%d\" {\n  action = \"allow\"\n  to = [\"10.0.0.0-10.%d.%d.1\"]\n  services = any\n}\n", i, i/256%256, i%256)
		}, "target \"generic\" \"x\" {}\n")
	},
	"services": func(n int) string {
		return wrapList("", n, func(i int) string { return fmt.Sprintf("service \"s%d\" { tcp = [%d] }\n", i, i%60000+1) }, "")
	},
	"ports": func(n int) string {
		return wrapList("service \"s\" {\n  tcp = [\n", n*2, func(i int) string { return fmt.Sprintf("%d,\n", i*7%60000+1) }, "]\n}\n") + "rule \"r\" {\n  action = \"allow\"\n  to = any\n  services = [service.s]\n}\ntarget \"generic\" \"x\" {}\n"
	},
	"listed services": func(n int) string {
		return wrapList("", n/2, func(i int) string { return fmt.Sprintf("service \"s%d\" { tcp = [%d] }\n", i, i%60000+1) }, "") +
			wrapList("rule \"r\" {\n  action = \"allow\"\n  to = any\n  services = [\n", n/2, func(i int) string { return fmt.Sprintf("service.s%d,\n", i) }, "]\n}\ntarget \"generic\" \"x\" {}\n")
	},
	"names": func(n int) string {
		return wrapList("names \"h\" {\n  include = [\n", n, func(i int) string { return fmt.Sprintf("\"h%d.example.com\",\n", i) }, "]\n}\n") + "rule \"r\" {\n  action = \"allow\"\n  to = names.h\n  services = any\n}\ntarget \"generic\" \"x\" {}\n"
	},
	"names less names": func(n int) string {
		return wrapList("names \"h\" {\n  include = [\n\"a.example.com\",", n/2, func(i int) string { return fmt.Sprintf("\"h%d.example.com\",\n", i) }, "]\n") +
			wrapList("  exclude = [\n", n/2, func(i int) string { return fmt.Sprintf("\"h%d.example.com\",\n", i) }, "]\n}\n")
	},
	"misspelt arguments": func(n int) string {
		return wrapList("", n, func(i int) string { return fmt.Sprintf("set \"s%d\" { inclde = [\"10.0.0.1\"] }\n", i) }, "")
	},
	"arguments of one block": func(n int) string {
		return wrapList("set \"s\" {\n", n*2, func(i int) string { return fmt.Sprintf("a%d = 1\n", i) }, "}\n")
	},
	"options of one target": func(n int) string {
		return wrapList("target \"nftables\" \"s\" {\n", n*2, func(i int) string { return fmt.Sprintf("a%d = 1\n", i) }, "}\n")
	},
	"blocks of one target": func(n int) string {
		return wrapList("target \"nftables\" \"s\" {\n", n, func(i int) string { return fmt.Sprintf("zone \"a%d\" { idle = \"5s\" }\n", i) }, "}\n")
	},
	"attributes outside": func(n int) string {
		return wrapList("", n*2, func(i int) string { return fmt.Sprintf("a%d = 1\n", i) }, "")
	},
	"unknown blocks": func(n int) string {
		return wrapList("", n*2, func(i int) string { return fmt.Sprintf("a%d {}\n", i) }, "")
	},
	"broken blocks": func(n int) string {
		return wrapList("", n, func(i int) string { return fmt.Sprintf("set \"a%d\" {\n include = [1 2]\n}\n", i) }, "")
	},
	"one-line blocks": func(n int) string {
		return wrapList("", n, func(i int) string { return fmt.Sprintf("set \"a%d\" { include = [1], exclude = [2] }\n", i) }, "")
	},
	"one long line": func(n int) string {
		return wrapList("", n, func(i int) string { return fmt.Sprintf("set \"a%d\" { include = [1], exclude = [2] } ", i) }, "")
	},
	"open strings": func(n int) string {
		return wrapList("", n, func(i int) string { return fmt.Sprintf("set \"a%d\" {\n include = [\"1]\n}\n", i) }, "")
	},
	"smart quotes": func(n int) string {
		return wrapList("", n, func(i int) string { return fmt.Sprintf("set “a%d” {\n include = [“10.0.0.1”]\n}\n", i) }, "")
	},
	"foreign characters": func(n int) string { return strings.Repeat("\u00a0a \u200b\n", n*3) },
	"variables": func(n int) string {
		return wrapList("", n/2, func(i int) string { return fmt.Sprintf("variable \"v%d\" { default = \"10.0.0.1\" }\n", i) }, "") +
			wrapList("set \"s\" {\n include = [\n", n/2, func(i int) string { return fmt.Sprintf("var.v%d,\n", i) }, "]\n}\n")
	},
	"unknown variables": func(n int) string {
		return wrapList("variable \"vv\" { default = \"10.0.0.1\" }\nset \"s\" {\n include = [\n", n, func(i int) string { return fmt.Sprintf("\"${var.v%d}\",\n", i) }, "]\n}\n")
	},
	"loops": func(n int) string {
		return wrapList("variable \"v\" { default = [\"10.0.0.1\"] }\nset \"s\" {\n include = [\n", n, func(i int) string { return "[for x in var.v : x],\n" }, "]\n}\n")
	},
	"conditions": func(n int) string {
		return wrapList("variable \"v\" { default = true }\nset \"s\" {\n include = [\n", n, func(i int) string { return "var.v ? set.a : set.b,\n" }, "]\n}\nset \"a\" { include = [\"10.0.0.1\"] }\nset \"b\" { include = [\"10.0.0.1\"] }\n")
	},
	"addresses": func(n int) string {
		return wrapList("set \"s\" {\n include = [\n", n, func(i int) string { return fmt.Sprintf("\"10.%d.%d.%d\",\n", i>>16&255, i>>8&255, i&255) }, "]\n}\n")
	},
	"wrong addresses": func(n int) string {
		return wrapList("set \"s\" {\n include = [\n", n, func(i int) string { return fmt.Sprintf("\"10.%d.%d.300\",\n", i>>8&255, i&255) }, "]\n}\n")
	},
	"feeds": func(n int) string {
		return wrapList("", n/2, func(i int) string { return fmt.Sprintf("feed \"f%d\" { kind = \"azure\" }\n", i) }, "") +
			wrapList("set \"s\" {\n include = [\n", n/3, func(i int) string { return fmt.Sprintf("tag(feed.f%d, \"Storage\"),\n", i) }, "]\n}\n")
	},
	"probes": func(n int) string {
		return "rule \"r\" {\n  action = \"allow\"\n  to = [\"10.0.0.1\"]\n  services = any\n}\n" + wrapList("", n/2, func(i int) string {
			return fmt.Sprintf("probe \"p%d\" {\n  host = \"10.0.0.1\"\n  rule = rule.r\n}\n", i)
		}, "target \"generic\" \"x\" {}\n")
	},
	"tunnel rules": func(n int) string {
		return wrapList("", n/8, func(i int) string {
			return fmt.Sprintf("rule \"r%d\" {\n  action = \"deny\"\n  to = [\"10.0.0.1\"]\n  services = any\n  tunnel = \"t%d\"\n}\n", i, i)
		}, "") + wrapList("", n/8, func(i int) string { return fmt.Sprintf("target \"openvpn\" \"t%d\" { bypass = [\"10.0.0.1\"] }\n", i) }, "")
	},
	"listed rules": func(n int) string {
		return wrapList("", n/5, func(i int) string {
			return fmt.Sprintf("rule \"r%d\" {\n  action = \"allow\"\n  to = any\n  services = any\n}\n", i)
		}, "") + wrapList("target \"generic\" \"x\" {\n  rules = [\n", n/5, func(i int) string { return fmt.Sprintf("rule.r%d,\n", i) }, "]\n}\n")
	},
	"description lines": func(n int) string {
		return "set \"s\" {\n  include = [\"10.0.0.1\"]\n}\n" + strings.Repeat("# a comment of some length\n", n)
	},
	"sets of sets": func(n int) string { // each of many sets holds the same large one
		m := n / 2
		return wrapList("set \"big\" {\n  include = [\n", m, func(i int) string { return fmt.Sprintf("\"10.%d.%d.1\",\n", i>>8&255, i&255) }, "]\n}\n") +
			wrapList("", m, func(i int) string {
				return fmt.Sprintf("set \"s%d\" { include = [set.big, \"11.%d.%d.1\"] }\n", i, i>>8&255, i&255)
			}, "")
	},
	"rules to one large set": func(n int) string {
		m := n / 2
		return wrapList("set \"big\" {\n  include = [\n", m, func(i int) string { return fmt.Sprintf("\"10.%d.%d.1\",\n", i>>8&255, i&255) }, "]\n}\n") +
			wrapList("", m/4, func(i int) string {
				return fmt.Sprintf("rule \"r%d\" {\n  action = \"allow\"\n  to = [set.big, \"11.%d.%d.1\"]\n  services = any\n}\n", i, i>>8&255, i&255)
			}, "target \"generic\" \"x\" {}\n")
	},
}

func wrapList(head string, n int, one func(i int) string, tail string) string {
	var b strings.Builder
	b.WriteString(head)
	for i := range n {
		b.WriteString(one(i))
	}
	b.WriteString(tail)
	return b.String()
}

// TestGrowth compiles policies of every shape, and others four times as long. What grows in
// proportion takes four times the time; the search for rules that decide nothing looks at
// pairs of rules, each for nanoseconds, and takes up to ten; a square would take 16, and
// what was here before took 64. Rules that each hold a large set have 16 times the ranges in
// all. What is compared is the time of the processor, which
// other programs do not change much.
func TestGrowth(t *testing.T) {
	need.Time(t, "compiles megabytes of policies")
	const base, times = 30_000, 4
	// Idle processors help the collection of garbage, which would count.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	for name, shape := range shapes {
		t.Run(name, func(t *testing.T) {
			n, most := 100, 13.0
			if name == "rules to one large set" {
				most = 20
			}
			for len(shape(n)) < base {
				n = n * 5 / 4
			}
			small, large := []byte(shape(n)), []byte(shape(times*n))
			runtime.GC()
			ratio := 0.0
			for range 5 { // a collection of garbage can fall into one of the two
				ratio = float64(cost.Least(1, compiling(t, large))) / float64(max(cost.Least(1, compiling(t, small)), time.Millisecond))
				if ratio <= most {
					return
				}
			}
			t.Errorf("%d times the policy takes %.1f times the time", times, ratio)
		})
	}
}

func compiling(t *testing.T, src []byte) func() {
	return func() {
		f, _ := Load("test.hcl", src, testOptions(nil))
		f.Compile(catalogsFor(t, f))
	}
}
