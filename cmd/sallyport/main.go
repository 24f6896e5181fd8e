// Command sallyport turns published cloud address ranges and a short policy into
// firewall rules, and says what it did.
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

// process runs the command of this process, which Ctrl-C ends in good order, and a
// second Ctrl-C at once.
func process(a *app) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return run(ctx, os.Args[1:], a)
}
