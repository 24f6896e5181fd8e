package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"sallyport/internal/need"
)

// schedule is what docs/commands.md tells an admin to install, moved into a folder of the
// test's own.
type schedule struct {
	dir     string
	command string // of the line in cron's table
	service string
	timer   string
}

// documentedSchedule reads the page, and writes the script.
func documentedSchedule(t *testing.T, path string) schedule {
	t.Helper()
	page, err := os.ReadFile("../../docs/commands.md")
	if err != nil {
		t.Fatal(err)
	}
	block := func(after, fence string) string {
		_, rest, ok := strings.Cut(string(page), after)
		_, rest, begins := strings.Cut(rest, "```"+fence+"\n")
		text, _, ends := strings.Cut(rest, "```\n")
		if !ok || !begins || !ends {
			t.Fatalf("docs/commands.md has no block after %q", after)
		}
		return text
	}
	s := schedule{dir: t.TempDir()}
	script := filepath.Join(s.dir, "refresh")
	moved := strings.NewReplacer("/usr/local/sbin/sallyport-refresh", script, "dir=/etc/sallyport", "dir="+s.dir,
		"/var/cache/sallyport", filepath.Join(s.dir, "cache"), "PATH=/usr/local/bin:", "PATH="+path+":/usr/local/bin:")
	if err := os.WriteFile(script, []byte(moved.Replace(block("`/usr/local/sbin/sallyport-refresh`", "sh"))), 0o755); err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`^\S+ \S+ \S+ \S+ \S+ root (.*)\n$`).FindStringSubmatch(moved.Replace(block("`/etc/cron.d/sallyport`", "text")))
	if line == nil {
		t.Fatal("the line for cron is none")
	}
	s.command = line[1]
	s.service = moved.Replace(block("`/etc/systemd/system/sallyport.service`", "text"))
	s.timer = block("`/etc/systemd/system/sallyport.timer`", "text")
	return s
}

// run runs the command as cron does, and returns what it would mail.
func (s *schedule) run(t *testing.T) (mail string, code int) {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", s.command)
	cmd.Dir, cmd.Env = "/", []string{"SHELL=/bin/sh", "PATH=/usr/bin:/bin", "LOGNAME=root"}
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// executable writes a shell script.
func executable(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
		t.Fatal(err)
	}
}

// azureWeek is one week's Service Tags file: used is what stands in the policy's tag, and
// other what stands in another.
func azureWeek(t *testing.T, week int, used, other []string) []byte {
	t.Helper()
	tag := func(name string, prefixes []string) map[string]any {
		return map[string]any{"name": name, "id": name, "properties": map[string]any{"changeNumber": week, "region": "", "regionId": 0,
			"platform": "Azure", "systemService": name, "addressPrefixes": prefixes, "networkFeatures": []string{"NSG"}}}
	}
	data, err := json.Marshal(map[string]any{"changeNumber": week, "cloud": "Public", "values": []any{tag("Sql", other), tag("Storage", used)}})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// prefixes is n prefixes below a first number, which from leaves out at the beginning.
func prefixes(first, from, n int) (list []string) {
	for i := from; i < from+n; i++ {
		list = append(list, fmt.Sprintf("33.%d.%d.0/24", first+i/128, i%128*2))
	}
	return list
}

// TestScheduledYear runs what docs/commands.md tells to install through the 52 weeks of a
// year, as cron does, without a home. In 20 of them nothing changes for the policy: no
// new file, or one that changes only what the policy does not use. There is a mail for
// each of the others, and no other.
func TestScheduledYear(t *testing.T) {
	bin := t.TempDir()
	s := documentedSchedule(t, bin)
	feeds, err := startFeedServer(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer feeds.close()
	program, err := exec.LookPath("sallyport") // TestMain has put it there
	if err != nil {
		t.Fatal(err)
	}
	hour := 0
	clock := func() {
		env := "GORACE=atexit_sleep_ms=0"
		for key, value := range feeds.environment() {
			env += fmt.Sprintf(" %s='%s'", key, value)
		}
		executable(t, filepath.Join(bin, "sallyport"), fmt.Sprintf("exec env %s %s=%dh '%s' \"$@\"\n", env, clockAhead, hour, program))
	}
	executable(t, filepath.Join(bin, "nft"), fmt.Sprintf("echo \"$*\" >>'%s/loads'\n", s.dir))
	policy := `feed "azure" {}
set "unused" { include = ["192.0.2.0/24"] }
rule "store" {
  action   = "allow"
  to       = tag(feed.azure, "Storage")
  services = any
}
target "nftables" "edge" { hook = "output" }
`
	week := func(n int, used, other []string) {
		name := fmt.Sprintf("ServiceTags_Public_%s.json", time.Date(2026, 1, 5+7*n, 0, 0, 0, 0, time.UTC).Format("20060102"))
		page := fmt.Sprintf(`<a href="https://download.microsoft.com/download/1/%s">`, name)
		for file, data := range map[string][]byte{"policy.hcl": []byte(policy), "page.html": []byte(page), name: azureWeek(t, 100+n, used, other)} {
			if err := os.WriteFile(filepath.Join(s.dir, file), data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	used, other := 0, 0
	week(0, prefixes(16, used, 60), prefixes(64, other, 60))
	clock()
	if mail, code := s.run(t); code != 0 || !strings.Contains(mail, "created") {
		t.Fatalf("the first run: exit code %d, %s", code, mail)
	}
	mails, changed := 0, 0
	for n := 1; n <= 52; n++ {
		before := changed
		switch n % 13 {
		case 2: // nothing new
		case 5, 8, 10, 12: // of no interest
			other++
			week(n, prefixes(16, used, 60), prefixes(64, other, 60))
		default:
			used++
			changed++
			week(n, prefixes(16, used, 60), prefixes(64, other, 60))
		}
		hour += 7 * 24
		clock()
		mail, code := s.run(t)
		if code != 0 {
			t.Fatalf("week %d: exit code %d, %s", n, code, mail)
		}
		if mail != "" {
			mails++
		}
		if (mail != "") != (changed > before) {
			t.Errorf("week %d: changed is %v, and the mail is %q", n, changed > before, mail)
		}
		if changed > before && (!strings.Contains(mail, "+1 -1 ranges") || strings.Contains(mail, "unchanged") || strings.Contains(mail, "warning")) {
			t.Errorf("week %d: the mail does not say what changed, or more than that: %s", n, mail)
		}
	}
	if changed != 32 || mails != changed {
		t.Errorf("%d mails for %d changes in 52 weeks, want 32 of each", mails, changed)
	}
	loads, err := os.ReadFile(filepath.Join(s.dir, "loads"))
	if want := fmt.Sprintf("-c -f %[1]s/edge.nft\n-f %[1]s/edge.nft\n", s.dir); err != nil || string(loads) != strings.Repeat(want, 53) {
		t.Errorf("what nft was asked: %v\n%s", err, loads)
	}

	// A page that cannot be had is no mail while there is a copy; a broken policy is one at
	// each run, and nothing is loaded.
	if err := os.Remove(filepath.Join(s.dir, "page.html")); err != nil {
		t.Fatal(err)
	}
	hour += 25
	clock()
	if mail, code := s.run(t); code != 0 || mail != "" {
		t.Errorf("without the page: exit code %d, %q", code, mail)
	}
	if loads, err = os.ReadFile(filepath.Join(s.dir, "loads")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "policy.hcl"), []byte("rule {"), 0o644); err != nil {
		t.Fatal(err)
	}
	if mail, code := s.run(t); code != exitFailed || !strings.Contains(mail, "policy.hcl:1") {
		t.Errorf("a broken policy: exit code %d, %q", code, mail)
	}
	if after, err := os.ReadFile(filepath.Join(s.dir, "loads")); err != nil || len(after) != len(loads) {
		t.Errorf("a broken policy: %v, loaded again", err)
	}
}

// TestScheduledUnits has systemd itself read the documented units.
func TestScheduledUnits(t *testing.T) {
	need.Program(t, "systemd-analyze")
	s := documentedSchedule(t, "/nonexistent")
	for name, text := range map[string]string{"sallyport.service": s.service, "sallyport.timer": s.timer} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("systemd-analyze", "verify", "--man=no", filepath.Join(s.dir, "sallyport.service"), filepath.Join(s.dir, "sallyport.timer"))
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Contains(string(out), "sallyport") {
		t.Errorf("%v: %s", err, out)
	}
}
