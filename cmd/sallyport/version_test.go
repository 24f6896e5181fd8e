package main

import (
	"runtime/debug"
	"testing"
)

func TestVersionOf(t *testing.T) {
	a := &app{version: "1.2.3"}
	info := &debug.BuildInfo{Settings: []debug.BuildSetting{{Key: "GOOS", Value: "linux"}, {Key: "vcs.revision", Value: "abc"},
		{Key: "vcs.time", Value: "2026-11-30T10:00:00Z"}, {Key: "vcs.modified", Value: "true"}}}
	if v := a.versionOf(info, true); v.Version != "1.2.3" || v.Commit != "abc" || v.Date != "2026-11-30T10:00:00Z" || !v.Modified {
		t.Errorf("%+v", v)
	}
	for _, none := range []versionJSON{a.versionOf(nil, false), a.versionOf(&debug.BuildInfo{}, true)} {
		if none.Commit != "" || none.Date != "" || none.Modified || none.Go == "" {
			t.Errorf("nothing is recorded: %+v", none)
		}
	}
}
