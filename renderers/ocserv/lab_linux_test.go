package ocserv

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"testing"
	"time"

	"sallyport/internal/testkit/await"
	"sallyport/internal/testkit/conformance"
	"sallyport/internal/testkit/lab"
	"sallyport/internal/testkit/need"
	"sallyport/internal/testkit/routecheck"
	"sallyport/ipranges"
	"sallyport/renderers"
	"sallyport/rules"
)

// These tests connect openconnect, with the vpnc-script that it brings, to an ocserv
// across a router, with what is rendered in the place that they name.

// vpn is a lab with a folder of configurations.
type vpn struct {
	*lab.Lab
	dir    string
	remote string // the server's address
}

func newVPN(t *testing.T) *vpn {
	for _, name := range []string{"ip", "ocserv", "ocpasswd", "openconnect", "unshare", "/usr/share/vpnc-scripts/vpnc-script"} {
		need.Program(t, name)
	}
	v := &vpn{Lab: lab.New(t), dir: t.TempDir()}
	for _, p := range v.Server.Addrs() {
		if p.Addr().Is4() {
			v.remote = p.Addr().String()
		}
	}
	v.certify(t)
	if err := os.Mkdir(v.file("users"), 0o755); err != nil {
		t.Fatal(err)
	}
	v.Server.MustExec(t, "secret\nsecret\n", "ocpasswd", "-c", v.file("passwd"), "-g", "staff", "anna")
	// The folder is root's alone, and what ocserv runs as nobody needs no more than this.
	if err := os.Chmod(filepath.Dir(v.dir), 0o711); err != nil {
		t.Fatal(err)
	}
	return v
}

func (v *vpn) file(name string) string { return filepath.Join(v.dir, name) }

func (v *vpn) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(v.file(name), []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

// certify writes the server's key, and its certificate that it signed itself.
func (v *vpn) certify(t *testing.T) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{Subject: pkix.Name{CommonName: "lab"}, SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.ParseIP(v.remote)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	secret, err2 := x509.MarshalPKCS8PrivateKey(key)
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	v.write(t, "server.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	v.write(t, "server.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
}

// Places for what is rendered.
const (
	inMain    = "ocserv.conf"
	inDefault = "default-user-config"
	inUsers   = "config-per-user"
	inGroups  = "config-per-group"
)

// serve starts ocserv with files in a place. Its own configuration has a route of the
// admin's, which files for users replace.
func (v *vpn) serve(t *testing.T, place string, files []renderers.File) (stop func()) {
	t.Helper()
	conf := fmt.Sprintf(`auth = "plain[passwd=%[1]s/passwd]"
tcp-port = 443
run-as-user = nobody
run-as-group = nogroup
socket-file = %[1]s/socket
server-cert = %[1]s/server.crt
server-key = %[1]s/server.key
isolate-workers = false
device = vpns
ipv4-network = 10.88.0.0/24
ipv6-network = fd88::/64
ping-leases = false
config-per-user = %[1]s/users
route = 10.99.0.0/16
`, v.dir)
	switch place {
	case inMain:
		conf = strings.Replace(conf, "route = 10.99.0.0/16\n", "", 1) + string(files[0].Data)
	case inDefault:
		conf += "default-user-config = " + v.file("edge.conf") + "\n"
		v.write(t, "edge.conf", string(files[0].Data))
	case inGroups:
		conf = strings.Replace(conf, "config-per-user = "+v.file("users"), "config-per-group = "+v.file("users"), 1)
		v.write(t, "users/staff", string(files[0].Data))
	case inUsers:
		v.write(t, "users/anna", string(files[0].Data))
	}
	v.write(t, "ocserv.conf", conf)
	v.Server.MustRun(t, "ocserv", "-t", "-c", v.file("ocserv.conf"))
	return v.start(t, v.Server, "server", "listening (TCP)", exec.Command("ocserv", "-f", "-d", "1", "-c", v.file("ocserv.conf"), "-p", v.file("pid")))
}

// start runs a program until its log, or what it writes to a file called like it, says
// what is expected.
func (v *vpn) start(t *testing.T, h *lab.Host, name, expected string, cmd *exec.Cmd) (stop func()) {
	t.Helper()
	out, err := os.Create(v.file(name + ".log"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	stop, err = h.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	await.NoError(t, name, func() error {
		if text := v.log(t, name); !strings.Contains(text, expected) {
			return fmt.Errorf("it does not say %q:\n%s", expected, text)
		}
		return nil
	})
	return stop
}

func (v *vpn) log(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(v.file(name + ".log"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// connect connects the client until its script has set the routes. It has a /run of its
// own, because vpnc-script keeps notes there.
func (v *vpn) connect(t *testing.T) (disconnect func()) {
	t.Helper()
	return v.connectWith(t, "/usr/share/vpnc-scripts/vpnc-script", "script: connect ended with 0")
}

// connectWith runs a script of the test's, until the client says what is expected.
func (v *vpn) connectWith(t *testing.T, script, expected string) (disconnect func()) {
	t.Helper()
	v.write(t, "script", "#!/bin/sh\n"+script+"\nstatus=$?\necho \"script: $reason ended with $status\"\nexit $status\n")
	cmd := exec.Command("unshare", "-m", "sh", "-c", `mount -t tmpfs none /run && exec openconnect --no-dtls --cafile `+v.file("server.crt")+
		` -i tun0 -u anna --passwd-on-stdin -s `+v.file("script")+" "+v.remote)
	cmd.Stdin = strings.NewReader("secret\n")
	return v.start(t, v.Client, "client", expected, cmd)
}

var alarming = regexp.MustCompile(`(?i)warn|err|fail|ignor|cannot|malformed|skipp|ended with [^0]`)

// quiet reads both logs.
func (v *vpn) quiet(t *testing.T) {
	t.Helper()
	for _, name := range []string{"server", "client"} {
		for line := range strings.Lines(v.log(t, name)) {
			if alarming.MatchString(line) {
				t.Errorf("the %s says %q", name, line)
			}
		}
	}
}

// sample is what two lists have in common, at most n prefixes of each family, and in
// which they differ: vpnc-script runs several programs for each route.
func sample(a, b ipranges.Set, n int) (ipranges.Set, ipranges.Set) {
	same := a.Intersect(b)
	var some ipranges.Builder
	for _, f := range rules.BothFamilies.List() {
		left := n
		for p := range same.Prefixes(f) {
			if left--; left < 0 {
				break
			}
			_ = some.AddPrefix(p) // it comes from a set
		}
	}
	return a.Minus(b).Union(some.Set()), b.Minus(a).Union(some.Set())
}

// again connects with one list after the other, each of which must be in force at
// every boundary of both. After disconnecting the routes are those of the start.
func again(t *testing.T, place string, verdict rules.Verdict, lists ...ipranges.Set) {
	v := newVPN(t)
	before := routecheck.Table(t, v.Client)
	var all ipranges.Set
	for _, list := range lists {
		all = all.Union(list)
	}
	for _, list := range lists {
		p := rules.RoutePlan("edge", rules.BothFamilies, verdict, list)
		stop := v.serve(t, place, render(t, p))
		disconnect := v.connect(t)
		routecheck.Expect(t, v.Client, p, all, "eth0", "tun0")
		disconnect()
		stop()
		v.quiet(t)
		if after := routecheck.Table(t, v.Client); after != before {
			t.Errorf("after the tunnel the routes are\n%s\nnot\n%s", after, before)
		}
	}
}

// TestRoutesOnEveryBoundary connects with a part of the Azure cloud of change 396 past
// the tunnel, and again with change 398.
func TestRoutesOnEveryBoundary(t *testing.T) {
	old, now := sample(routecheck.AzureCloud(t, 396), routecheck.AzureCloud(t, 398), 10)
	again(t, inMain, rules.Bypass, old, now)
}

var (
	relays = ipranges.MustParse("20.202.0.0/16", "52.112.0.0/14", "52.122.0.0/15", "2603:1063::/38")
	others = ipranges.MustParse("52.112.0.0/14", "9.9.9.9", "2620:fe::9", "23.0.0.0/9")
)

// TestPlaces has the list in each place that the file's header names.
func TestPlaces(t *testing.T) {
	again(t, inMain, rules.Tunnel, relays, others)
	again(t, inDefault, rules.Bypass, relays)
	again(t, inUsers, rules.Tunnel, relays)
	again(t, inGroups, rules.Bypass, relays)
}

// TestTheLimit is that of the client: a list of as many bytes as we take reaches its
// script, and one of a few more than Linux takes does not.
func TestTheLimit(t *testing.T) {
	list := func(n int) (set ipranges.Set, bytes int) {
		set = conformance.Isolated(ipranges.IPv4, n)
		for p := range set.Prefixes(ipranges.IPv4) {
			bytes += routeBytes(p)
		}
		return set, bytes
	}
	most := sort.Search(5000, func(n int) bool { _, bytes := list(n + 1); return bytes > defaultMaxBytes })
	for n, expected := range map[int]string{most: fmt.Sprintf("excluded: %d", most), most + 100: "returned error 127"} {
		v := newVPN(t)
		set, _ := list(n)
		stop := v.serve(t, inMain, render(t, rules.RoutePlan("edge", rules.OnlyIPv4, rules.Bypass, set)))
		disconnect := v.connectWith(t, "echo excluded: $CISCO_SPLIT_EXC", expected)
		disconnect()
		stop()
	}
}
