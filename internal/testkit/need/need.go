// Package need guards tests that want more than Go: root, or a real program.
//
// A test whose need is not met is skipped with the reason. Where
// SALLYPORT_MUST_RUN=1 says that everything was installed, it fails instead,
// so that no test is skipped that could have run. Only what nobody can install
// is left out even then: another system, another kernel, real feeds, and with
// -short what takes long. No test calls Skip by itself.
package need

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

// Root asks for Linux and the rights to make network namespaces.
func Root(tb testing.TB) {
	tb.Helper()
	if runtime.GOOS != "linux" {
		tb.Skip("network namespaces are a feature of Linux")
	}
	if os.Geteuid() != 0 {
		missing(tb, "making network namespaces takes root")
	}
}

// Program asks for an executable in PATH and returns where it is.
func Program(tb testing.TB, name string) string {
	tb.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		missing(tb, name+" is not installed")
	}
	return path
}

// Tool asks for a file of those that test.sh installs from registries other than
// Debian's, and returns where it is.
func Tool(tb testing.TB, name string) string {
	tb.Helper()
	folder := os.Getenv("SALLYPORT_TOOLS")
	if folder == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			missing(tb, "there is no folder for "+name+": "+err.Error())
		}
		folder = filepath.Join(cache, "sallyport-tests")
	}
	path := filepath.Join(folder, filepath.FromSlash(name))
	File(tb, path)
	return path
}

// File asks for a file or folder that test.sh brings.
func File(tb testing.TB, path string) {
	tb.Helper()
	if _, err := os.Stat(path); err != nil {
		missing(tb, path+" is not there, and test.sh as root brings it")
	}
}

// NotWindows asks for any other operating system.
func NotWindows(tb testing.TB, why string) {
	tb.Helper()
	if runtime.GOOS == "windows" {
		tb.Skip(why)
	}
}

// Link makes a symbolic link, which on Windows takes a right that not everybody has.
func Link(tb testing.TB, to, name string) {
	tb.Helper()
	if err := os.Symlink(to, name); err != nil {
		missing(tb, err.Error())
	}
}

// Kernel asks for what a kernel may lack: err is what came of trying.
func Kernel(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Skipf("this kernel does not carry it out: %v", err)
	}
}

// Time asks for more time than -short leaves.
func Time(tb testing.TB, why string) {
	tb.Helper()
	if testing.Short() {
		tb.Skip("not with -short: " + why)
	}
}

func missing(tb testing.TB, why string) {
	tb.Helper()
	if os.Getenv("SALLYPORT_MUST_RUN") == "1" {
		tb.Fatalf("%s, though SALLYPORT_MUST_RUN=1 says that every test can run here", why)
	}
	tb.Skip(why)
}
