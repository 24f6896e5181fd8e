// Command sallyport turns published cloud address ranges and a short policy into firewall
// rules and VPN routes, and verifies that connections work.
//
// Each command is a file: it parses flags, calls the packages that do the work,
// and prints. README.md shows the first steps, docs/ has a page per group of
// commands.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() { os.Exit(process(newApp())) }

// process runs the command and returns its exit code. Ctrl-C makes the command stop; a
// second Ctrl-C ends the process.
func process(a *app) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return run(ctx, os.Args[1:], a)
}
