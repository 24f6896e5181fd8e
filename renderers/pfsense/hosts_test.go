package pfsense

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/rules"
)

var (
	hosts = rules.Named("signalling", []string{"login.skype.com", "trouter.teams.microsoft.com"})
	https = rules.NewService("https", rules.Ports(rules.TCP, 443, 443))
)

func named() *rules.Plan {
	return planOf(pass("signalling", rules.Any(), hosts, https), pass("calls", rules.Any(), cloud, media))
}

// TestNamesGolden holds the outputs for names to files: go test -update writes them.
func TestNamesGolden(t *testing.T) {
	for _, form := range []string{formURLTable, formImport, formMerge} {
		files, err := renderPlan(t, options(form), named())
		if err != nil {
			t.Fatalf("%s: %v", form, err)
		}
		for name, data := range files {
			golden := filepath.Join("testdata", "names", form, path.Base(name))
			if flag.Lookup("update").Value.String() == "true" {
				if err := errors.Join(os.MkdirAll(filepath.Dir(golden), 0o755), os.WriteFile(golden, []byte(data), 0o644)); err != nil {
					t.Fatal(err)
				}
			}
			if want, err := os.ReadFile(golden); err != nil || !bytes.Equal(want, []byte(data)) {
				t.Errorf("%s is not as in %s (%v); go test -update after a look at\n%s", name, golden, err, data)
			}
		}
	}
}

// TestWhereNamesAre: in the alias, or in a file to paste into Bulk Import.
func TestWhereNamesAre(t *testing.T) {
	const alias, list = "<name>sp_signalling_names</name>\n\t\t\t<type>host</type>\n", "login.skype.com trouter.teams.microsoft.com"
	for _, form := range []string{formURLTable, formImport, formMerge} {
		files, err := renderPlan(t, options(form), named())
		if err != nil {
			t.Fatal(err)
		}
		main, pasted := files["fw/edge.xml"], files["fw/edge.sp_signalling_names.txt"]
		if !strings.Contains(main, alias) || strings.Contains(main, "<address>"+list+"</address>") == (form == formImport) {
			t.Errorf("%s:\n%s", form, main)
		}
		if (pasted == strings.ReplaceAll(list, " ", "\n")+"\n") != (form == formImport) {
			t.Errorf("%s: the file holds %q", form, pasted)
		}
	}
}

func TestNameRefusals(t *testing.T) {
	denied, rejected := pass("no", rules.Any(), hosts, https), pass("no", rules.Any(), hosts, https)
	denied.Verdict, rejected.Verdict, rejected.Reject = rules.Deny, rules.Deny, true
	to := func(list ...string) rules.Rule { return pass("x", rules.Any(), rules.Named("x", list), https) }
	for _, form := range []string{formURLTable, formImport, formMerge} {
		small := options(form)
		small.AliasEntries = 1
		for _, tt := range []struct {
			opt  Options
			rule rules.Rule
			want string
		}{
			{options(form), denied, "denies less"},
			{options(form), rejected, "denies less"},
			{options(form), to("*.skype.com"), "*.skype.com is none"},
			{options(form), to("localhost"), "localhost"},
			{options(form), to("10.0.0.1"), "10.0.0.1"},
			{options(form), to("a</address>.example.com"), "address"},
			{small, to("a.example.com", "b.example.com"), "has 2 entries"},
		} {
			_, err := renderPlan(t, tt.opt, planOf(tt.rule))
			refused(t, form, err, tt.want)
		}
	}
}

// TestNamesOfASetsLabel: a set and a list of names may have the same label.
func TestNamesOfASetsLabel(t *testing.T) {
	for _, form := range []string{formURLTable, formImport, formMerge} {
		files, err := renderPlan(t, options(form), planOf(pass("a", rules.Any(), rules.In("signalling", cloud.Set()), https), pass("b", rules.Any(), hosts, https)))
		if err != nil || !strings.Contains(files["fw/edge.xml"], "<name>sp_signalling</name>") {
			t.Errorf("%s: %v", form, err)
		}
	}
}

// TestOneFamilyOfNames: the rule keeps to a family, since names have addresses of both.
func TestOneFamilyOfNames(t *testing.T) {
	for fams, want := range map[rules.Families]string{rules.OnlyIPv4: "inet", rules.OnlyIPv6: "inet6", rules.BothFamilies: "inet46"} {
		p := planOf(pass("x", rules.Any(), hosts, https))
		p.Families = fams
		files, err := renderPlan(t, options(formURLTable), p)
		if err != nil || !strings.Contains(files["fw/edge.xml"], "<ipprotocol>"+want+"</ipprotocol>") {
			t.Errorf("%s: %v\n%s", fams, err, files["fw/edge.xml"])
		}
	}
}

// TestBlocksBeforeNames: names may have any address, so whatever an earlier rule blocks
// on these ports may be theirs.
func TestBlocksBeforeNames(t *testing.T) {
	for dst, decides := range map[string]bool{
		"<any/>": true, "<address>192.0.2.0/24</address>": true, "<address>192.0.2.0/24</address><port>25</port>": false, "<network>(self)</network>": false,
	} {
		block := "<rule><tracker>5</tracker><type>block</type><interface>lan</interface><ipprotocol>inet</ipprotocol><protocol>tcp</protocol>" +
			"<source><any/></source><destination>" + dst + "</destination><descr>first</descr></rule>"
		o := options(formMerge)
		o.Before, o.Accept = "here", nil
		_, err := mergeInto(t, o, plainConfig(block, ""), planOf(pass("x", rules.Any(), hosts, https)))
		if decides {
			refused(t, dst, err, "comes first")
		} else if err != nil {
			t.Errorf("%s: %v", dst, err)
		}
		o.Accept = []string{"5"}
		if _, err := mergeInto(t, o, plainConfig(block, ""), planOf(pass("x", rules.Any(), hosts, https))); err != nil {
			t.Errorf("%s, accepted: %v", dst, err)
		}
	}
}
