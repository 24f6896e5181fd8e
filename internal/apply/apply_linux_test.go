package apply

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"sallyport/internal/publish"
	"sallyport/internal/testkit/await"
	"sallyport/renderers"
	"sallyport/renderers/all"
)

// TestMain makes this test binary the guard of the runs that tests carry out.
func TestMain(m *testing.M) {
	if dir := os.Getenv("TEST_GUARD"); dir != "" {
		f, err := Open(dir)
		if err == nil {
			var run int
			fmt.Sscan(os.Getenv("TEST_GUARD_RUN"), &run)
			err = f.Guard(context.Background(), run, os.NewFile(3, "ready"))
		}
		if err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// bench is a machine that is a file, with a state folder.
type bench struct {
	*Folder
	t              *testing.T
	out, device    string
	load           []string // the command; nil: cp
	check          []string
	timeout        time.Duration
	confirm        time.Duration
	judge          func(context.Context) (string, error)
	sure, noGuards bool
}

func newBench(t *testing.T) *bench {
	f, err := Open(filepath.Join(t.TempDir(), "state"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // guards end when the folder is gone, and must not write into it meanwhile
		if l, err := f.lock(journalLock, lockWait); err == nil && l != nil {
			_ = os.RemoveAll(f.dir)
		}
	})
	return &bench{Folder: f, t: t, out: t.TempDir(), device: filepath.Join(t.TempDir(), "device"), timeout: time.Minute, confirm: time.Hour}
}

func (b *bench) loaded() string {
	data, _ := os.ReadFile(b.device)
	return string(data)
}

// apply carries out a run that loads text.
func (b *bench) apply(text string) (int, error) {
	b.t.Helper()
	return b.carryOut(b.plan(text))
}

// plan is a plan to load text.
func (b *bench) plan(text string) *Plan {
	b.t.Helper()
	load := b.load
	if load == nil {
		load = []string{"cp", "{}", b.device}
	}
	j, err := b.Read()
	if err != nil {
		b.t.Fatal(err)
	}
	p := &Plan{blobs: map[string][]byte{}, steps: j.steps}
	d := Deploy{Name: "edge", Target: "edge", Path: "edge", Dir: b.out, Load: load, Check: b.check, Remove: []string{"rm", "-f", b.device},
		State: []string{"sh", "-c", "cat '" + b.device + "' 2>/dev/null || true"}, Timeout: Duration{b.timeout}}
	d.Files = []File{p.keep("edge", 0o644, []byte(text), publish.Record{Target: "edge"})}
	if past := j.Current("edge"); past != nil {
		d.Before = past.Deploy("edge").Files
	}
	d.Was = p.blob([]byte(strings.TrimRight(b.loaded(), "\n")))
	p.Run = Run{Kind: kindApply, Out: b.out, Confirm: Duration{b.confirm}, Deploys: []Deploy{d}}
	return p
}

func (b *bench) carryOut(p *Plan) (int, error) {
	d := &p.Run.Deploys[0]
	return b.Carry(b.t.Context(), p, Carrier{Guard: b.guard, Judge: b.judge, Sure: b.sure, Publish: func() error {
		return b.publish(d, b.out, d.Files)
	}})
}

func (b *bench) guard(run int) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		b.t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "TEST_GUARD="+b.dir, fmt.Sprintf("TEST_GUARD_RUN=%d", run))
	if b.noGuards {
		return exec.Command("false")
	}
	return cmd
}

// first loads a first version that stays.
func (b *bench) first() {
	b.t.Helper()
	b.sure = true
	if _, err := b.apply("one\n"); err != nil {
		b.t.Fatal(err)
	}
	b.sure = false
}

// is holds what is loaded, and what is published, to text, and the last run to a step.
func (b *bench) is(text string, step Step, why string) {
	b.t.Helper()
	j, err := b.Read()
	if err != nil {
		b.t.Fatal(err)
	}
	last := j.Runs[len(j.Runs)-1]
	if got := b.loaded(); got != text {
		b.t.Errorf("%q is loaded, want %q", got, text)
	}
	if last.Step != step || !strings.Contains(last.Text, why) {
		b.t.Errorf("the run is %s: %s; want %s: %s", last.Step, last.Text, step, why)
	}
	if text == "" {
		return
	}
	if got, _ := os.ReadFile(filepath.Join(b.out, "edge")); string(got) != text {
		b.t.Errorf("%q is published, want %q", got, text)
	}
}

// TestLoadsThatFail are loads that go wrong in every way: the machine is as it was.
func TestLoadsThatFail(t *testing.T) {
	for name, c := range map[string]struct {
		set func(b *bench)
		why string
	}{
		"fails": {func(b *bench) { b.load = []string{"sh", "-c", "echo no >&2; exit 3", "{}"} }, "exit status 3: no"},
		"half": {func(b *bench) {
			b.load = []string{"sh", "-c", `printf half >"$0"; grep -q one "$1" && cp "$1" "$0"`, b.device, "{}"}
		}, "exit status 1"},
		"hangs": {func(b *bench) {
			b.timeout = time.Second
			b.load = []string{"sh", "-c", `grep -q one "$1" && exec cp "$1" "$0"; printf half >"$0"; sleep 3600`, b.device, "{}"}
		}, "it did not end within 1s"},
		"is checked":    {func(b *bench) { b.check = []string{"sh", "-c", "exit 5"} }, "cannot be loaded"},
		"is no program": {func(b *bench) { b.load = []string{"/nothing/here", "{}"} }, "no such file"},
		"is judged":     {func(b *bench) { b.judge = func(context.Context) (string, error) { return "calls fail", nil } }, "calls fail"},
		"has no guard":  {func(b *bench) { b.noGuards = true }, "the guard of the run does not start"},
		"what cannot be seen": {func(b *bench) {
			b.load = []string{"sh", "-c", `cp "$1" "$0"; [ -e "$0.once" ] || { : >"$0.once"; exit 9; }`, b.device, "{}"}
		}, "exit status 9"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.first()
			c.set(b)
			n, err := b.apply("two\n")
			if err == nil || n != 2 || !strings.Contains(err.Error(), c.why) {
				t.Fatalf("run %d: %v", n, err)
			}
			b.is("one\n", Undone, c.why)
			b.load, b.check, b.judge, b.noGuards = nil, nil, nil, false
			b.sure = true
			if _, err := b.apply("two\n"); err != nil {
				t.Fatalf("the next run: %v", err)
			}
			b.is("two\n", Confirmed, "at once")
		})
	}
}

// TestBackground is a load that leaves a process behind, which goes on, with the output open.
func TestBackground(t *testing.T) {
	b := newBench(t)
	b.load = []string{"sh", "-c", `cp "$1" "$0"; sleep 3600 & echo $! >"$0.pid"`, b.device, "{}"}
	b.first()
	b.is("one\n", Confirmed, "")
	var pid int
	data, err := os.ReadFile(b.device + ".pid")
	if _, scanned := fmt.Sscan(string(data), &pid); err != nil || scanned != nil {
		t.Fatal(err, scanned)
	}
	if startOf(pid) == "" {
		t.Error("it is gone")
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
}

// TestGuardComesSecond decides a run while its guard waits to take it back: the guard does
// nothing any more, since another run may have followed.
func TestGuardComesSecond(t *testing.T) {
	b := newBench(t)
	b.first()
	if _, err := b.apply("two\n"); err != nil {
		t.Fatal(err)
	}
	device, err := b.lock(deviceLock, lockWait)
	if err != nil || device == nil {
		t.Fatal(err)
	}
	g := guard{Folder: b.Folder, run: 2, last: &Past{}} // a run without a process, which it would end
	ended := make(chan error)
	go func() {
		_, err := g.takeBack(context.Background(), "nobody confirmed it")
		ended <- err
	}()
	await.Until(t, "the guard to claim the run", func() bool {
		j, err := b.Read()
		return err == nil && j.Runs[1].Step == Undoing
	})
	if err := b.giveUp(t.Context(), 2, "a test took it back"); err == nil {
		t.Fatal("no error")
	}
	if err := os.WriteFile(b.device, []byte("three\n"), 0o600); err != nil { // as a run that follows
		t.Fatal(err)
	}
	if err := device.Unlock(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if got := b.loaded(); got != "three\n" {
		t.Errorf("the guard loaded %q over another run", got)
	}
}

// TestConfirmedWhileJudged confirms a run by hand before the judge finds it worse: it stays,
// and the error does not call it taken back.
func TestConfirmedWhileJudged(t *testing.T) {
	b := newBench(t)
	b.first()
	b.judge = func(context.Context) (string, error) { return "calls fail", b.Confirm(2, "by a test") }
	var undone *UndoneError
	if _, err := b.apply("two\n"); err == nil || errors.As(err, &undone) || !strings.Contains(err.Error(), "confirmed by a test meanwhile: calls fail") {
		t.Fatal(err)
	}
	b.is("two\n", Confirmed, "by a test")
}

// TestStuck is a load that cannot be taken back: the journal says so, and the next run loads.
func TestStuck(t *testing.T) {
	b := newBench(t)
	b.load = []string{"sh", "-c", `[ ! -e "$0.broken" ] && cp "$1" "$0"`, b.device, "{}"}
	b.first()
	if err := os.WriteFile(b.device+".broken", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := b.apply("two\n"); err == nil || !strings.Contains(err.Error(), "taking it back failed") {
		t.Fatal(err)
	}
	b.is("one\n", Stuck, "could not be brought back")
	if p, err := b.PlanRollback(t.Context(), 1, Options{}); err != nil || !p.Changed() {
		t.Errorf("what is loaded is not known, and a rollback loads nothing: %v", err)
	}
	b.load, b.sure = nil, true
	if _, err := b.apply("two\n"); err != nil {
		t.Fatal(err)
	}
	b.is("two\n", Confirmed, "")
}

// TestGuard waits for the guard of runs that nobody confirms, one of them the first.
func TestGuard(t *testing.T) {
	b := newBench(t)
	b.confirm = time.Second
	for _, want := range []string{"", "one\n"} {
		n, err := b.apply("two\n")
		if err != nil {
			t.Fatal(err)
		}
		await.Until(t, "the guard to take the run back", func() bool {
			j, err := b.Read()
			return err == nil && !j.Runs[n-1].Open()
		})
		b.is(want, Undone, "nobody confirmed it within 1s")
		if err := b.Confirm(n, "too late"); err == nil {
			t.Error("a run that is taken back was confirmed")
		}
		b.first()
	}
	if list, _ := filepath.Glob(filepath.Join(b.dir, "guard-*")); len(list) > 0 {
		await.Until(t, "guards to end", func() bool { list, _ := filepath.Glob(filepath.Join(b.dir, "guard-*")); return len(list) == 0 })
	}
}

// TestFullDisk takes a run back where the state folder and the outputs cannot be written:
// the machine is restored all the same.
func TestFullDisk(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Log("root writes everywhere: the folder of outputs is taken away instead")
	}
	b := newBench(t)
	b.first()
	b.judge = func(context.Context) (string, error) {
		return "calls fail", os.RemoveAll(b.out)
	}
	if err := os.WriteFile(b.out+".file", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := b.apply("two\n")
	if err == nil {
		t.Fatal("no error")
	}
	if got := b.loaded(); got != "one\n" {
		t.Errorf("%q is loaded", got)
	}
}

// TestPending refuses a run while another one waits.
func TestPending(t *testing.T) {
	b := newBench(t)
	b.first()
	if _, err := b.apply("two\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.apply("three\n"); err == nil || !strings.Contains(err.Error(), "run 2 waits to be confirmed") {
		t.Fatal(err)
	}
	if err := b.Confirm(2, "by a test"); err != nil {
		t.Fatal(err)
	}
	b.is("two\n", Confirmed, "by a test")
	if err := b.Undo(t.Context(), 2, "a test"); err == nil {
		t.Error("a confirmed run was undone")
	}
}

// TestPlanIsOfBefore makes a plan, and then decides the run that was open: what the plan takes
// for loaded is no longer what is, and would be brought back in its place.
func TestPlanIsOfBefore(t *testing.T) {
	for name, decide := range map[string]func(b *bench) error{
		"confirmed":  func(b *bench) error { return b.Confirm(2, "by a test") },
		"taken back": func(b *bench) error { return b.Undo(t.Context(), 2, "a test") },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.first()
			if _, err := b.apply("two\n"); err != nil {
				t.Fatal(err)
			}
			p := b.plan("three\n")
			if err := decide(b); err != nil {
				t.Fatal(err)
			}
			was := b.loaded()
			if _, err := b.carryOut(p); err == nil || !strings.Contains(err.Error(), "plan again") {
				t.Errorf("it was carried out: %v", err)
			}
			if got := b.loaded(); got != was {
				t.Errorf("%q is loaded, want %q", got, was)
			}
		})
	}
}

// TestOptionsAreKept writes the options of each kind that is loaded here into a journal and
// back: the guard builds the target again from that.
func TestOptionsAreKept(t *testing.T) {
	found := 0
	for _, k := range all.Kinds() {
		if !k.Local {
			continue
		}
		found++
		options := k.NewOptions()
		fill(reflect.ValueOf(options).Elem(), k.Name)
		data, err := json.Marshal(options)
		if err != nil {
			t.Fatalf("%s: %v", k.Name, err)
		}
		again := k.NewOptions()
		if err := json.Unmarshal(data, again); err != nil {
			t.Fatalf("%s: %v", k.Name, err)
		}
		if !reflect.DeepEqual(options, again) {
			t.Errorf("%s: %+v became %+v", k.Name, options, again)
		}
		if target, err := k.Build(k.NewOptions(), renderers.Env{Name: "x", Path: "x"}); err == nil && target.Local == nil {
			t.Errorf("%s has no Local", k.Name)
		}
	}
	if found < 3 {
		t.Errorf("%d kinds are loaded here", found)
	}
}

// fill gives every field of options a value that differs from its zero value.
func fill(v reflect.Value, name string) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), v.Type().Field(i).Name)
		}
	case reflect.String:
		v.SetString("text of " + name)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), name)
		fill(v.Index(1), name)
	default:
		if v.CanInt() {
			v.SetInt(7)
		}
	}
}
