package pfsense

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/renderers"
	"sallyport/rules"
)

// FuzzMerge merges into anything: what comes out is as it should be, or refused.
func FuzzMerge(f *testing.F) {
	f.Add(fixture(f), "1734240022")
	f.Add(plainConfig("", ""), "7")
	f.Add(plainConfig("<rule><interface>lan</interface><descr>sallyport edge: old</descr></rule>",
		"<alias><name>sp_old</name><descr>sallyport edge: old</descr></alias>"), "here")
	f.Add("<pfsense><version>1</version><interfaces><lan/></interfaces><filter><rule><interface>lan</interface><tracker>1</tracker></rule>"+
		"<separator><lan><s><row>fr3</row></s></lan></separator></filter></pfsense>", "1")
	f.Add(mergedText(f), "1734240022")
	f.Fuzz(func(t *testing.T, config, before string) {
		merge := func(config string) ([]renderers.File, renderers.Renderer, error) {
			o := options(formMerge)
			o.Config, o.Before = "x", before
			o.Accept = append(o.Accept, "", "first")
			r, err := Kind().Build(&o, renderers.Env{Name: "edge", Path: "edge.xml", Read: func(string) ([]byte, error) { return []byte(config), nil }})
			if err != nil {
				return nil, nil, err
			}
			files, err := r.Render(calls())
			return files, r, err
		}
		files, r, err := merge(config)
		if err != nil {
			return
		}
		p, err := r.ReadBack(files)
		if err != nil {
			t.Fatalf("reading back: %v\n%s", err, files[0].Data)
		}
		if d := rules.Compare(calls(), p); d != nil {
			t.Fatal(d)
		}
		again, _, err := merge(string(files[0].Data))
		if err != nil || string(again[0].Data) != string(files[0].Data) {
			t.Fatalf("merging again: %v\n%s\n%+v", err, files[0].Data, again)
		}
	})
}

// mergedText is a configuration with a merge in it.
func mergedText(tb testing.TB) string {
	data, err := os.ReadFile("testdata/golden/merge_before/edge.xml")
	if err != nil {
		tb.Fatal(err)
	}
	return string(data)
}

// FuzzReadBack feeds the readers of our own output with anything.
func FuzzReadBack(f *testing.F) {
	for _, pattern := range []string{"testdata/golden/urltable/edge.xml", "testdata/golden/import/edge.xml", "testdata/golden/merge_before/edge.xml",
		"testdata/names/urltable/edge.xml", "testdata/names/import/edge.xml"} {
		data, err := os.ReadFile(filepath.FromSlash(pattern))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data), "52.112.0.0/14\n")
	}
	var built []renderers.Renderer
	for _, form := range []string{formURLTable, formImport, formMerge} {
		o := options(form)
		r, err := Kind().Build(&o, renderers.Env{Name: "edge", Path: "edge.xml", Read: os.ReadFile})
		if err != nil {
			f.Fatal(err)
		}
		built = append(built, r)
	}
	f.Fuzz(func(t *testing.T, main, set string) {
		for _, r := range built {
			files := []renderers.File{{Path: "edge.xml", Data: []byte(main)}}
			for _, name := range []string{"lan", "inner", "cloud", "signalling_names"} {
				files = append(files, renderers.File{Path: "edge.sp_" + name + ".txt", Data: []byte(set)})
			}
			if p, err := r.ReadBack(files); err == nil && p == nil {
				t.Error("neither a plan nor an error")
			}
		}
	})
}

// TestLargeConfigurations reads texts in which a reader could lose itself: within a time
// that is linear in their size, or not at all.
func TestLargeConfigurations(t *testing.T) {
	const n = 300_000
	divided := strings.Replace(plainConfig("", ""), "<descr>here</descr>", "<descr>"+strings.Repeat("x<!---->", n)+"</descr>", 1)
	root, err := parseXML([]byte(divided))
	if err != nil {
		t.Fatal(err)
	}
	if got := root.child("filter").child("rule").value("descr"); got != strings.Repeat("x", n) {
		t.Errorf("a text that comments divide has %d characters", len(got))
	}
	for name, more := range map[string]string{
		"elements": strings.Repeat("<a/>", maxElements),
		"depth":    strings.Repeat("<a>", maxDepth) + strings.Repeat("</a>", maxDepth),
	} {
		if _, err := parseXML([]byte("<pfsense>" + more + "</pfsense>")); err == nil {
			t.Errorf("%s: it is read", name)
		}
	}
}
