package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"sallyport/internal/testkit/await"
	"sallyport/internal/testkit/need"
	"sallyport/internal/testkit/yearfeed"
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
	text := page(t, "docs/commands.md")
	s := schedule{dir: t.TempDir()}
	script := filepath.Join(s.dir, "refresh")
	moved := strings.NewReplacer("/usr/local/sbin/sallyport-refresh", script, "dir=/etc/sallyport", "dir="+s.dir,
		"/var/cache/sallyport", filepath.Join(s.dir, "cache"), "PATH=/usr/local/bin:", "PATH="+path+":/usr/local/bin:")
	if err := os.WriteFile(script, []byte(moved.Replace(fence(t, text, "`/usr/local/sbin/sallyport-refresh`", "sh"))), 0o755); err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`^\S+ \S+ \S+ \S+ \S+ root (.*)\n$`).FindStringSubmatch(moved.Replace(fence(t, text, "`/etc/cron.d/sallyport`", "text")))
	if line == nil {
		t.Fatal("the line for cron is none")
	}
	s.command = line[1]
	s.service = moved.Replace(fence(t, text, "`/etc/systemd/system/sallyport.service`", "text"))
	s.timer = fence(t, text, "`/etc/systemd/system/sallyport.timer`", "text")
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

// TestScheduledYear runs what docs/commands.md tells to install through the 52 weeks of a
// year, as cron does, without a home. In 20 of them nothing changes for the policy. There
// is a mail for each of the others, and no other.
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
rule "calls" {
  action   = "allow"
  to       = tag(feed.azure, "` + yearfeed.Watched + `")
  services = any
}
target "nftables" "edge" { hook = "output" }
`
	publish := func(n int, week yearfeed.Week) {
		name := fmt.Sprintf("ServiceTags_Public_%s.json", time.Date(2026, 1, 5+7*n, 0, 0, 0, 0, time.UTC).Format("20060102"))
		page := fmt.Sprintf(`<a href="https://download.microsoft.com/download/1/%s">`, name)
		for file, data := range map[string][]byte{"policy.hcl": []byte(policy), "page.html": []byte(page), name: week.JSON} {
			if err := os.WriteFile(filepath.Join(s.dir, file), data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	year := yearfeed.Year()
	publish(0, year[0])
	clock()
	if mail, code := s.run(t); code != 0 || !strings.Contains(mail, "created") {
		t.Fatalf("the first run: exit code %d, %s", code, mail)
	}
	mails, changed := 0, 0
	for n, week := range year[1:] {
		publish(n+1, week)
		hour += 7 * 24
		clock()
		mail, code := s.run(t)
		if code != 0 {
			t.Fatalf("week %d: exit code %d, %s", n+1, code, mail)
		}
		if mail != "" {
			mails++
		}
		if !week.Quiet {
			changed++
		}
		if (mail == "") != week.Quiet {
			t.Errorf("week %d: quiet is %v, and the mail is %q", n+1, week.Quiet, mail)
		}
		if mail != "" && (!strings.Contains(mail, " addresses") || strings.Contains(mail, "unchanged") || strings.Contains(mail, "warning")) {
			t.Errorf("week %d: the mail does not say what changed, or more than that: %s", n+1, mail)
		}
	}
	if want := yearfeed.Weeks - yearfeed.Quiet; changed != want || mails != changed {
		t.Errorf("%d mails for %d changes, want %d of each", mails, changed, want)
	}
	loads, err := os.ReadFile(filepath.Join(s.dir, "loads"))
	if want := fmt.Sprintf("-c -f %[1]s/edge.nft\n-f %[1]s/edge.nft\n", s.dir); err != nil || string(loads) != strings.Repeat(want, len(year)) {
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

// TestApplyUnits has systemd read the units for refresh and restore.
func TestApplyUnits(t *testing.T) {
	need.Program(t, "systemd-analyze")
	page, err := os.ReadFile("../../docs/apply.md")
	if err != nil {
		t.Fatal(err)
	}
	dir, n := t.TempDir(), 0
	for part := range strings.SplitSeq(string(page), "```text\n") {
		unit, _, _ := strings.Cut(part, "```")
		if !strings.Contains(unit, "[Unit]") {
			continue
		}
		n++
		name := filepath.Join(dir, fmt.Sprintf("sallyport-%d.service", n))
		unit = strings.ReplaceAll(unit, "/usr/local/bin/sallyport", "/bin/true")
		if err := os.WriteFile(name, []byte(unit), 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("systemd-analyze", "verify", "--man=no", name).CombinedOutput(); err != nil || strings.Contains(string(out), "sallyport") {
			t.Errorf("%v: %s", err, out)
		}
	}
	if n != 2 {
		t.Errorf("the page has %d units", n)
	}
}

// cronRuns starts Debian's cron over and over in a namespace of its own, where what cron
// mails goes into a file. The job runs when cron starts; each start waits for its end.
const cronRuns = `set -eu
mount --make-rprivate /
mount -t tmpfs none /run
mkdir crond layers
mount -t tmpfs none layers
mkdir layers/upper layers/work
mount --bind crond /etc/cron.d
mount -t overlay overlay -o lowerdir=/usr/sbin,upperdir=layers/upper,workdir=layers/work /usr/sbin
printf '#!/bin/sh\necho MAIL >>%s/mails; cat >>%s/mails\n' "$PWD" "$PWD" >/usr/sbin/sendmail
chmod 755 /usr/sbin/sendmail
printf '@reboot root %s; echo ended >>%s/ended\n' "$COMMAND" "$PWD" >/etc/cron.d/sallyport
nft add table inet filter
for n in 1 2 3; do
	rm -f /run/crond.pid /run/crond.reboot
	cron -f &
	pid=$!
	until [ "$(grep -c ended ended 2>/dev/null)" = $n ]; do sleep 0.05; done
	while [ -n "$(ps -o pid= --ppid $pid)" ]; do sleep 0.05; done # the mail is sent
	kill $pid
	wait $pid || true
	nft list table inet filter >ruleset.$n
	[ $n != 2 ] || sed -i s/203.0.114.0/203.0.115.0/ policy.hcl
done
`

// TestScheduledByCron has cron itself run the documented job, with the real nft: there is a
// mail for the first run and one for the run after a change, and none between them.
func TestScheduledByCron(t *testing.T) {
	need.Time(t, "starts cron three times")
	need.Root(t)
	for _, name := range []string{"cron", "nft", "unshare", "ps"} {
		need.Program(t, name)
	}
	program, err := exec.LookPath("sallyport")
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	s := documentedSchedule(t, bin)
	executable(t, filepath.Join(bin, "sallyport"), fmt.Sprintf("exec '%s' \"$@\"\n", program))
	policy := "rule \"r\" {\n  action   = \"allow\"\n  to       = [\"203.0.114.0/24\"]\n  services = any\n}\ntarget \"nftables\" \"edge\" { hook = \"output\" }\n"
	if err := os.WriteFile(filepath.Join(s.dir, "policy.hcl"), []byte(policy), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), await.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", cronRuns)
	cmd.Dir, cmd.Env = s.dir, append(os.Environ(), "COMMAND="+s.command)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	mails, err := os.ReadFile(filepath.Join(s.dir, "mails"))
	if text := string(mails); err != nil || strings.Count(text, "MAIL\n") != 2 || strings.Count(text, "created ") != 2 || strings.Count(text, "+1 -1 ranges") != 1 {
		t.Errorf("want a mail for the first run and one for the change: %v\n%s", err, mails)
	}
	for n, prefix := range map[int]string{1: "203.0.114.0/24", 2: "203.0.114.0/24", 3: "203.0.115.0/24"} {
		if rules, err := os.ReadFile(filepath.Join(s.dir, fmt.Sprintf("ruleset.%d", n))); err != nil || !strings.Contains(string(rules), prefix) {
			t.Errorf("after run %d, %v: the rules lack %s: %s", n, err, prefix, rules)
		}
	}
}
