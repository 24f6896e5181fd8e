//go:build unix

package awsclientvpn

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"sallyport/internal/testkit/need"
	"sallyport/rules"
)

// fresh is the state of a cloud that has a plan and nothing else of ours.
func fresh(t *testing.T, opt *Options, p *rules.Plan) string {
	t.Helper()
	c := newCloud(t)
	c.load(opt, p)
	return c.state()
}

// settle lets all changes end.
func (c *cloud) settle() {
	for len(c.ends) > 0 {
		c.begin()
	}
}

// TestConcurrentChanges: EC2 makes few changes at a time, and the script waits for it.
func TestConcurrentChanges(t *testing.T) {
	first, second := networks(t, 1, 3), networks(t, 2, 3)
	c := newCloud(t)
	c.limit, c.takes = 2, 5
	for _, p := range []*rules.Plan{first, second} {
		out := c.load(options(both), p)
		c.settle() // rules, which nobody waits for
		if want := fresh(t, options(both), p); c.state() != want {
			t.Errorf("there is\n%s, not\n%s\n%s", c.state(), want, out)
		}
		for _, r := range c.routes {
			if r.status != "active" {
				t.Errorf("%v is not made", r)
			}
		}
		if !strings.HasPrefix(out, "routes: 6 new") && !strings.Contains(out, "\nroutes: 6 new") {
			t.Errorf("the script says %q", out)
		}
	}
}

// TestBusyForEver: it gives up, says what is made and what is not, and the next run goes
// on from there.
func TestBusyForEver(t *testing.T) {
	p := networks(t, 1, 4)
	for i, code := range []string{"ConcurrentMutationLimitExceeded", "UnauthorizedOperation", "RequestLimitExceeded", "Throttling", "ThrottlingException", "InternalError"} {
		if testing.Short() && i > 1 {
			break
		}
		c := newCloud(t)
		changes := 0
		c.refuse = func(action string) string {
			if strings.HasPrefix(action, "Describe") {
				return ""
			}
			if changes++; changes > 6 {
				return code
			}
			return ""
		}
		f := render(t, options(plain), p)
		cmd := c.command(f, "")
		cmd.Env = append(cmd.Env, "SALLYPORT_TRIES=3")
		out, err := cmd.CombinedOutput()
		said := string(out)
		if err == nil || !strings.Contains(said, code) || !strings.Contains(said, "6 of 8 changes are made") ||
			!strings.Contains(said, "stopped at: create-client-vpn-route --destination-cidr-block 10.1.4.0/24") {
			t.Errorf("%s: %v, it says %q", code, err, said)
		}
		if tries := map[bool]int{true: 4, false: 1}[code != "UnauthorizedOperation" && code != "InternalError"]; changes != 6+tries {
			t.Errorf("%s is met %d times", code, changes-6)
		}
		c.refuse = nil
		if out := c.load(options(plain), p); c.state() != fresh(t, options(plain), p) || !strings.Contains(out, "routes: 2 new, 0 withdrawn; rules: 0 new") {
			t.Errorf("%s: the next run ends in %s: %s", code, c.state(), out)
		}
	}
}

// TestThrottled: questions are put again, too.
func TestThrottled(t *testing.T) {
	c := newCloud(t)
	calls := 0
	c.refuse = func(action string) string {
		if calls++; action != "DescribeClientVpnEndpoints" && calls%3 != 0 {
			return "RequestLimitExceeded"
		}
		return ""
	}
	p := networks(t, 1, 3)
	c.load(options(both), p)
	if want := fresh(t, options(both), p); c.state() != want {
		t.Errorf("there is %s, not %s", c.state(), want)
	}
}

// TestWhatIsStillThere: what is on the list and is just being deleted is made again when it
// is gone; what somebody else makes meanwhile is made; and what somebody else deletes is
// deleted.
func TestWhatIsStillThere(t *testing.T) {
	p := networks(t, 1, 3)
	c := newCloud(t)
	c.load(options(plain), p)
	c.takes = 30
	for i := range c.routes {
		of := c.routes[i]
		c.setRoute(of, "deleting")
		c.progress(func() { c.routes = slices.DeleteFunc(c.routes, of.is) })
	}
	c.takes = 1
	if out := c.load(options(plain), p); c.state() != fresh(t, options(plain), p) {
		t.Errorf("of what was being deleted there is %s: %s", c.state(), out)
	}

	other := newCloud(t)
	once := true
	other.refuse = func(action string) string {
		if action == "CreateClientVpnRoute" && once { // another run makes all of them at this moment
			once = false
			for _, cidr := range []string{"10.1.0.0/24", "10.1.2.0/24", "10.1.4.0/24"} {
				other.routes = append(other.routes, route{cidr, subnetA, "sallyport-edge", "active"})
			}
		}
		return ""
	}
	if out := other.load(options(plain), p); other.state() != fresh(t, options(plain), p) {
		t.Errorf("of what somebody else made there is %s: %s", other.state(), out)
	}
	other.refuse = func(action string) string {
		if action == "DeleteClientVpnRoute" || action == "RevokeClientVpnIngress" {
			other.routes, other.rules = nil, nil
		}
		return ""
	}
	if out := other.load(options(plain), p, "remove"); other.state() != "" {
		t.Errorf("of what somebody else deleted there is %s: %s", other.state(), out)
	}
}

// TestFullSubnets: what is withdrawn keeps its place until it is gone.
func TestFullSubnets(t *testing.T) {
	c := newCloud(t)
	c.quota, c.takes, c.limit = 5, 9, 3
	opt := options(func(o *Options) { both(o); o.MaxRoutes = 5 })
	c.load(opt, networks(t, 1, 5))
	out := c.load(opt, networks(t, 2, 5))
	c.settle()
	if want := fresh(t, opt, networks(t, 2, 5)); c.state() != want {
		t.Errorf("there is %s, not %s: %s", c.state(), want, out)
	}
}

// TestTwoAtOnce runs the scripts of two lists at once: where both say that they succeeded,
// the result is one of the two, whole; where one gives up, the next run mends it. The same
// list twice succeeds twice.
func TestTwoAtOnce(t *testing.T) {
	pairs := 10
	if testing.Short() {
		pairs = 2
	}
	lists := []*rules.Plan{networks(t, 1, 2), networks(t, 2, 2)}
	whole := []string{fresh(t, options(plain), lists[0]), fresh(t, options(plain), lists[1])}
	for i := range pairs {
		c := newCloud(t)
		c.limit, c.takes = 3, i%4
		second := lists[1-i%2]
		var runs [2]*exec.Cmd
		var said [2]strings.Builder
		for j, p := range []*rules.Plan{lists[0], second} {
			f := render(t, options(plain), p)
			runs[j] = c.command(f, "")
			runs[j].Stdout, runs[j].Stderr = &said[j], &said[j]
			if err := runs[j].Start(); err != nil {
				t.Fatal(err)
			}
		}
		failed := 0
		for j := range runs {
			if runs[j].Wait() != nil {
				failed++
			}
		}
		c.mu.Lock()
		c.settle()
		state := c.state()
		c.mu.Unlock()
		switch {
		case second == lists[0] && (failed > 0 || state != whole[0]):
			t.Errorf("the same list twice: %d failed, there is %s\n%s\n%s", failed, state, said[0].String(), said[1].String())
		case failed == 0 && state != whole[0] && state != whole[1]:
			t.Errorf("two lists: there is %s\n%s\n%s", state, said[0].String(), said[1].String())
		}
		c.load(options(plain), second)
		if want := fresh(t, options(plain), second); c.state() != want {
			t.Errorf("the next run leaves %s, not %s", c.state(), want)
		}
	}
}

// TestKilled ends a run at each of its changes: the next one finishes it.
func TestKilled(t *testing.T) {
	first, second := networks(t, 1, 2), networks(t, 2, 2)
	want := fresh(t, options(plain), second)
	for at := 1; ; at++ {
		if testing.Short() && at%3 != 1 {
			continue
		}
		c := newCloud(t)
		c.load(options(plain), first)
		c.takes = 2
		f := render(t, options(plain), second)
		cmd := c.command(f, "")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		changes := 0
		c.mu.Lock()
		c.refuse = func(action string) string {
			if strings.HasPrefix(action, "Describe") {
				return ""
			}
			if changes++; changes == at {
				_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			}
			return ""
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		c.mu.Unlock()
		err := cmd.Wait()
		c.mu.Lock()
		c.refuse = nil
		c.settle()
		c.mu.Unlock()
		if err == nil {
			if at < 8 {
				t.Errorf("only %d changes were made", at)
			}
			return
		}
		if out := c.load(options(plain), second); c.state() != want {
			t.Errorf("killed at change %d, and after the next run there is %s, not %s: %s", at, c.state(), want, out)
		}
	}
}

// TestRealCLIWaits does it with the AWS CLI and its own words for errors.
func TestRealCLIWaits(t *testing.T) {
	need.Time(t, "the AWS CLI takes a second for each call")
	aws := need.Program(t, "aws")
	c := newCloud(t)
	c.limit, c.takes = 2, 4
	p := networks(t, 1, 3)
	f := render(t, options(func(o *Options) { o.Authorize = nobody }), p)
	seen := 0
	c.refuse = func(string) string {
		if c.limit > 0 && c.busy >= c.limit {
			seen++
		}
		return ""
	}
	if out, err := c.run(f, aws); err != nil || c.state() != fresh(t, options(func(o *Options) { o.Authorize = nobody }), p) || seen == 0 {
		t.Errorf("%v, met the limit %d times, there is %s\n%s", err, seen, c.state(), out)
	}
	c.refuse = func(action string) string {
		if action == "CreateClientVpnRoute" {
			return "UnauthorizedOperation"
		}
		return ""
	}
	f = render(t, options(func(o *Options) { o.Authorize = nobody }), networks(t, 1, 4))
	if out, err := c.run(f, aws); err == nil || !strings.Contains(out, "(UnauthorizedOperation)") || !strings.Contains(out, fmt.Sprintf("0 of %d changes are made", 1)) {
		t.Errorf("%v: %s", err, out)
	}
}
