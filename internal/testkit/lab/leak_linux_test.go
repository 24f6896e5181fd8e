package lab

import (
	"os"
	"runtime"
	"testing"

	"sallyport/internal/testkit/await"
	"sallyport/internal/testkit/need"
)

// TestNothingIsLeft makes labs and injectors and looks for what they leave in
// this process: file descriptors, threads, goroutines. It shares the process
// with no other test while it runs.
func TestNothingIsLeft(t *testing.T) {
	need.Root(t)
	once := func(t *testing.T) {
		l, in := New(t), NewInjector(t)
		if err := l.Server.AnswerTCP(443); err != nil {
			t.Fatal(err)
		}
		if err := l.Server.AnswerUDP(3478); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Client.Dial(nil, "tcp", "20.202.0.1:443"); err != nil { // left open by the server
			t.Fatal(err)
		}
		if _, err := l.Client.Run("true"); err != nil {
			t.Fatal(err)
		}
		if _, err := in.Decide([]Packet{Echo(wanFar4.Addr().Next().Next())}); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("warm", once)
	files, threads, goroutines := count(t, "/proc/self/fd"), count(t, "/proc/self/task"), runtime.NumGoroutine()
	const labs = 20
	for range labs {
		t.Run("lab", once)
	}
	runtime.GC() // closes the client's connections, which nobody closed
	await.Until(t, "the end of the labs' file descriptors", func() bool { runtime.GC(); return count(t, "/proc/self/fd") <= files })
	await.Until(t, "the end of the labs' goroutines", func() bool { return runtime.NumGoroutine() <= goroutines })
	// Go keeps threads for reuse, and makes one when others are busy.
	if now := count(t, "/proc/self/task"); now >= threads+labs {
		t.Errorf("%d threads after %d labs, %d before", now, labs, threads)
	}
}

// TestNamespacesEnd ties a link to each host from a namespace of its own: it
// vanishes with the host's namespace, for which nobody can ask the kernel by
// name.
func TestNamespacesEnd(t *testing.T) {
	need.Root(t)
	watcher := newHost("watcher")
	defer watcher.close()
	t.Run("lab", func(t *testing.T) {
		l, in := New(t), NewInjector(t)
		var err error
		keepNamespace(func() { err = watcher.newNamespace(hostSysctls()) })
		if err != nil {
			t.Fatal(err)
		}
		for name, h := range map[string]*Host{"w0": l.Client, "w1": l.Firewall, "w2": l.Server, "w3": in.host} {
			if err := watcher.veth(name, h, "watch", 1500); err != nil {
				t.Fatal(err)
			}
		}
	})
	for _, name := range []string{"w0", "w1", "w2", "w3"} {
		// The kernel removes a namespace in the background.
		await.Until(t, "the end of link "+name, func() bool {
			_, err := watcher.nl.LinkByName(name)
			return err != nil
		})
	}
}

func count(t *testing.T, folder string) int {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
