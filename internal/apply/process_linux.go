package apply

import (
	"bytes"
	"fmt"
	"log/syslog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// ownGroup gives a command a process group of its own, which ends if the command does.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}

// endGroup ends what a command has left behind.
func endGroup(cmd *exec.Cmd) {
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
}

// detached makes a command a session leader, which no terminal can end.
func detached(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

// thisProcess identifies the process.
func thisProcess() Process { return Process{os.Getpid(), startOf(os.Getpid())} }

// startOf is when a process started, in ticks since boot (proc_pid_stat(5), field 22), with
// the boot, or empty if there is no such process.
func startOf(pid int) string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	text := string(data)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 20 || fields[0] == "Z" {
		return ""
	}
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(boot)) + " " + fields[19]
}

// alive reports whether the process is still there.
func (p Process) alive() bool { return p.Start != "" && startOf(p.PID) == p.Start }

// end kills the process and the commands that it runs, and reports whether it was there.
func (p Process) end() bool {
	if p.PID <= 1 || !p.alive() {
		return false
	}
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", p.PID, p.PID))
	for c := range strings.FieldsSeq(string(children)) {
		var pid int
		if _, err := fmt.Sscan(c, &pid); err == nil && pid > 1 {
			_ = syscall.Kill(-pid, syscall.SIGKILL)
		}
	}
	return syscall.Kill(p.PID, syscall.SIGKILL) == nil
}

// endMarked kills the commands with a mark, which a process that died has left behind, and
// waits until they are gone: until then they go on changing the machine.
func endMarked(mark string) {
	want := []byte("\x00" + markName + "=" + mark + "\x00")
	for range 100 {
		found := false
		list, _ := filepath.Glob("/proc/[0-9]*/environ")
		for _, name := range list {
			env, err := os.ReadFile(name)
			if err != nil || !bytes.Contains(append([]byte{0}, env...), want) {
				continue
			}
			var pid int
			if _, err := fmt.Sscanf(name, "/proc/%d/", &pid); err == nil && pid > 1 && startOf(pid) != "" {
				found = true
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		if !found {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// tell writes to the system's log, where there is one.
func tell(text string) {
	if w, err := syslog.New(syslog.LOG_WARNING|syslog.LOG_DAEMON, "sallyport"); err == nil {
		_ = w.Warning(text)
		_ = w.Close()
	}
}

// supported says whether loads can be guarded on this system.
const supported = true
