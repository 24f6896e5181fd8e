package apply

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// maxOutput is how much a command may print: a million routes.
const maxOutput = 256 << 20

// markName is the environment variable that marks commands which change the machine.
const markName = "SALLYPORT_LOADS"

// sbin is where the programs that load rules are, for jobs whose PATH lacks it.
const sbin = "/usr/local/sbin:/usr/sbin:/sbin"

// run runs an argument list in which {} stands for path, without a shell, and returns
// what it prints on standard output. If it fails, takes too long, or ctx is done, its process
// group ends with it; what a command that succeeds leaves in the background goes on. A command that changes the machine gets the mark
// of its run, by which it is found if this process dies.
func (d *Deploy) run(ctx context.Context, mark string, args []string, path string) (string, error) {
	words := make([]string, len(args))
	for i, a := range args {
		words[i] = strings.ReplaceAll(a, "{}", path)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, d.Timeout.Duration, fmt.Errorf("it did not end within %s", d.Timeout))
	defer cancel()

	cmd := exec.CommandContext(ctx, program(words[0]), words[1:]...)
	cmd.Dir = d.Dir
	if _, err := os.Stat(d.Dir); err != nil {
		cmd.Dir = "/" // the policy's folder moved since: most commands need none
	}
	cmd.Env = append(os.Environ(), "LC_ALL=C", "PATH="+withSbin(os.Getenv("PATH")))
	if mark != "" {
		cmd.Env = append(cmd.Env, markName+"="+mark)
	}
	cmd.WaitDelay = time.Second
	ownGroup(cmd)
	var out, said limited
	out.most, said.most = maxOutput, 4096
	cmd.Stdout, cmd.Stderr = &out, &said
	err := cmd.Run()
	if errors.Is(err, exec.ErrWaitDelay) && cmd.ProcessState.Success() {
		err = nil // something in the background still has the output open
	}
	if err != nil {
		endGroup(cmd)
	}
	switch cause := context.Cause(ctx); {
	case err == nil && out.over:
		err = fmt.Errorf("it printed more than %d MB", maxOutput>>20)
	case err != nil && cause != nil:
		err = cause
	}
	if err == nil {
		return out.String(), nil
	}
	text := strings.TrimSpace(said.String())
	if text == "" {
		text = strings.TrimSpace(lastLine(out.String()))
	}
	if text != "" {
		err = fmt.Errorf("%w: %s", err, text)
	}
	if errors.Is(err, exec.ErrNotFound) {
		err = fmt.Errorf("%w: install it", err)
	}
	return "", fmt.Errorf("%s: %w", strings.Join(words, " "), err)
}

// program is where a program is, also if PATH does not lead there.
func program(name string) string {
	if _, err := exec.LookPath(name); err == nil || strings.Contains(name, "/") {
		return name
	}
	for dir := range strings.SplitSeq(sbin, ":") {
		if path, err := exec.LookPath(dir + "/" + name); err == nil {
			return path
		}
	}
	return name
}

func lastLine(s string) string {
	s = strings.TrimRight(s, "\n")
	return s[strings.LastIndexByte(s, '\n')+1:]
}

func withSbin(path string) string {
	for dir := range strings.SplitSeq(sbin, ":") {
		if !strings.Contains(":"+path+":", ":"+dir+":") {
			path = strings.TrimPrefix(path+":"+dir, ":")
		}
	}
	return path
}

// limited keeps the first bytes that are written to it.
type limited struct {
	bytes.Buffer
	most int
	over bool
}

func (l *limited) Write(p []byte) (int, error) {
	keep := min(len(p), l.most-l.Len())
	l.over = l.over || keep < len(p)
	l.Buffer.Write(p[:keep])
	return len(p), nil
}
