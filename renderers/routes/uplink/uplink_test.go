package uplink

import (
	"strings"
	"testing"

	"sallyport/internal/testkit/quickfuzz"
	"sallyport/ipranges"
	"sallyport/rules"
)

var (
	relays = ipranges.MustParse("20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "2603:1063::/38")
	both   = Script{Name: "edge", File: "/etc/wireguard/edge.sh", Past: "the tunnel",
		Families: []ipranges.Family{ipranges.IPv4, ipranges.IPv6}, Protocol: 213, Metric: 13}
)

func render(t testing.TB, s Script, set ipranges.Set) string {
	t.Helper()
	data, err := s.Render([]string{"routes: bypass of IPv4 and IPv6: x", "second"}, set)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func read(s Script, text string) (ipranges.Set, error) {
	return s.Read([]byte(text), rules.Bypass, rules.BothFamilies)
}

func TestRead(t *testing.T) {
	only6 := both
	only6.Families = []ipranges.Family{ipranges.IPv6}
	for _, tt := range []struct {
		s         Script
		set, want ipranges.Set
	}{
		{both, relays, relays},
		{both, relays.Only(ipranges.IPv4), relays.Only(ipranges.IPv4)},
		{both, ipranges.Set{}, ipranges.Set{}},
		{only6, relays, relays.Only(ipranges.IPv6)},
	} {
		got, err := read(tt.s, render(t, tt.s, tt.set))
		if err != nil || !got.Equal(tt.want) {
			t.Errorf("%v is read as %v, %v", tt.set, got, err)
		}
	}
}

func TestReadRefusesOtherScripts(t *testing.T) {
	good := render(t, both, relays)
	for name, pair := range map[string][2]string{
		"another number":    {"protocol=213", "protocol=4"},
		"another metric":    {"metric=13", "metric=1"},
		"a command":         {"say() {", "reboot\nsay() {"},
		"a family less":     {`listed="4 6"`, `listed="4"`},
		"a lost flush":      {`	echo "route flush root $root table main proto $protocol"` + "\n", ""},
		"a broken prefix":   {"52.112.0.0/14", "52.112.0.0/33"},
		"a prefix too many": {"52.112.0.0/14\n", "52.112.0.0/15\n52.112.0.0/14\n"},
		"host bits":         {"52.112.0.0/14", "52.112.0.1/14"},
		"the wrong family":  {"2603:1063::/38\n", "2603:1063::/38\n9.9.9.9/32\n"},
		"an end":            {"END\n}", "}"},
		"another direction": {"routes: bypass", "routes: include"},
		"fewer families":    {"of IPv4 and IPv6:", "of IPv4:"},
		"no header":         {"# routes: ", "# "},
	} {
		text := strings.Replace(good, pair[0], pair[1], 1)
		if text == good {
			t.Fatalf("no %q", pair[0])
		}
		if _, err := read(both, text); err == nil {
			t.Errorf("%s is read", name)
		}
	}
}

func TestPaths(t *testing.T) {
	for path, want := range map[string]bool{"/etc/wireguard/edge.sh": true, "edge.sh": true, "": false, "-e": false,
		"a b": false, "$(id)": false, "a;b": false, "a\nb": false, `a"b`: false, "a'b": false, "%i": false} {
		if IsPath(path) != want {
			t.Errorf("%q: %v", path, !want)
		}
	}
}

func FuzzRead(f *testing.F) {
	quickfuzz.Prepare()
	f.Add([]byte(render(f, both, relays)))
	f.Fuzz(func(t *testing.T, data []byte) {
		if set, err := read(both, string(data)); err == nil {
			if again, err := both.Render(nil, set); err != nil || len(again) == 0 {
				t.Error("what is read cannot be written")
			}
		}
	})
}
