package awsclientvpn

import (
	"bufio"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"sallyport/renderers"
)

// cloud imitates the part of EC2 that is about one Client VPN endpoint, with the EC2
// API's own actions, parameters and error codes (EC2 API Reference, 2016-11-15). It
// answers the AWS CLI, and a few lines of shell in its place that take no time.
//
// A change is in progress for as many calls as takes says, and no more than limit are at a
// time. Time plays no part.
type cloud struct {
	*httptest.Server
	t     *testing.T
	split bool
	quota int // of routes of a subnet
	limit int // of changes in progress; 0: none
	takes int // calls that a change is in progress for

	mu     sync.Mutex
	routes []route
	rules  []rule
	log    []string                   // the changes, in their order
	calls  int                        // so far
	refuse func(action string) string // the code of an error in place of an answer
	ends   map[int][]func()           // by call: what a change becomes
	busy   int
}

type route struct{ cidr, subnet, description, status string }

type rule struct{ cidr, group, description, status string } // group is all for all groups

func (r route) is(o route) bool { return r.cidr == o.cidr && r.subnet == o.subnet }

func (r rule) is(o rule) bool { return r.cidr == o.cidr && r.group == o.group }

const (
	endpoint = "cvpn-endpoint-0123456789abcdef0"
	subnetA  = "subnet-0aaaaaaaaaaaaaaaa"
	subnetB  = "subnet-0bbbbbbbbbbbbbbbb"
)

func newCloud(t *testing.T) *cloud {
	t.Helper()
	c := &cloud{t: t, split: true, quota: 100, ends: map[int][]func(){}}
	c.Server = httptest.NewServer(http.HandlerFunc(c.answerAPI))
	t.Cleanup(c.Close)
	return c
}

// begin counts a call, and ends the changes that are due.
func (c *cloud) begin() {
	c.calls++
	for _, end := range c.ends[c.calls] {
		end()
	}
	delete(c.ends, c.calls)
}

// progress leaves a change in progress, and then lets it end.
func (c *cloud) progress(end func()) {
	if c.takes == 0 {
		end()
		return
	}
	c.busy++
	at := c.calls + c.takes
	c.ends[at] = append(c.ends[at], func() { c.busy--; end() })
}

// act carries out an action, or returns the code of an error.
func (c *cloud) act(action string, p url.Values) string {
	c.begin()
	if c.refuse != nil {
		if code := c.refuse(action); code != "" {
			return code
		}
	}
	if strings.HasPrefix(action, "Describe") {
		return ""
	}
	cidr, subnet, group := p.Get("DestinationCidrBlock"), p.Get("TargetVpcSubnetId"), p.Get("AccessGroupId")
	if strings.HasSuffix(action, "Ingress") {
		cidr = p.Get("TargetNetworkCidr")
		if (group == "") == (p.Get("AuthorizeAllGroups")+p.Get("RevokeAllGroups") == "") {
			return "MissingParameter"
		}
		if group == "" {
			group = everybody
		}
	}
	if _, err := netip.ParsePrefix(cidr); err != nil {
		return "InvalidParameterValue"
	}
	if c.limit > 0 && c.busy >= c.limit {
		return "ConcurrentMutationLimitExceeded"
	}
	newRoute, newRule := route{cidr, subnet, p.Get("Description"), "creating"}, rule{cidr, group, p.Get("Description"), "authorizing"}
	aRoute, aRule := slices.IndexFunc(c.routes, newRoute.is), slices.IndexFunc(c.rules, newRule.is)
	switch action {
	case "CreateClientVpnRoute":
		if aRoute >= 0 {
			return "InvalidClientVpnDuplicateRoute"
		}
		if c.routesOf(subnet) >= c.quota {
			return "ClientVpnRouteLimitExceeded"
		}
		c.routes = append(c.routes, newRoute)
		c.progress(func() { c.setRoute(newRoute, "active") })
	case "DeleteClientVpnRoute":
		if aRoute < 0 || c.routes[aRoute].status == "deleting" {
			return "InvalidClientVpnRouteNotFound"
		}
		c.setRoute(newRoute, "deleting")
		c.progress(func() { c.routes = slices.DeleteFunc(c.routes, newRoute.is) })
	case "AuthorizeClientVpnIngress":
		if aRule >= 0 {
			return "InvalidClientVpnDuplicateAuthorizationRule"
		}
		c.rules = append(c.rules, newRule)
		c.progress(func() { c.setRule(newRule, "active") })
	case "RevokeClientVpnIngress":
		if aRule < 0 || c.rules[aRule].status == "revoking" {
			return "InvalidClientVpnEndpointAuthorizationRuleNotFound"
		}
		c.setRule(newRule, "revoking")
		c.progress(func() { c.rules = slices.DeleteFunc(c.rules, newRule.is) })
	}
	c.log = append(c.log, strings.TrimSpace(action+" "+cidr+" "+subnet+group))
	return ""
}

func (c *cloud) setRoute(of route, status string) {
	for i := range c.routes {
		if c.routes[i].is(of) {
			c.routes[i].status = status
		}
	}
}

func (c *cloud) setRule(of rule, status string) {
	for i := range c.rules {
		if c.rules[i].is(of) {
			c.rules[i].status = status
		}
	}
}

func (c *cloud) routesOf(subnet string) (n int) {
	for _, r := range c.routes {
		if r.subnet == subnet {
			n++
		}
	}
	return n
}

// answerAPI is EC2's Query API.
func (c *cloud) answerAPI(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		c.t.Error(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	action := r.Form.Get("Action")
	if code := c.act(action, r.Form); code != "" {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprintf(w, "<Response><Errors><Error><Code>%s</Code><Message>no</Message></Error></Errors><RequestID>1</RequestID></Response>", code)
		return
	}
	var items strings.Builder
	add := func(pairs ...string) {
		items.WriteString("<item>")
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i+1] == "" {
				continue
			}
			open, end := "<"+pairs[i]+">", "</"+pairs[i]+">"
			if pairs[i] == "status" {
				open, end = open+"<code>", "</code>"+end
			}
			items.WriteString(open)
			if err := xml.EscapeText(&items, []byte(pairs[i+1])); err != nil {
				c.t.Error(err)
			}
			items.WriteString(end)
		}
		items.WriteString("</item>")
	}
	list := ""
	switch action {
	case "DescribeClientVpnEndpoints":
		list = "clientVpnEndpoint"
		add("clientVpnEndpointId", endpoint, "splitTunnel", fmt.Sprint(c.split))
	case "DescribeClientVpnRoutes":
		list = "routes"
		for _, r := range c.routes {
			add("destinationCidr", r.cidr, "targetSubnet", r.subnet, "description", r.description, "type", "Nat", "origin", "add-route", "status", r.status)
		}
	case "DescribeClientVpnAuthorizationRules":
		list = "authorizationRule"
		for _, r := range c.rules {
			group := r.group
			if group == everybody {
				group = ""
			}
			add("destinationCidr", r.cidr, "groupId", group, "accessAll", fmt.Sprint(r.group == everybody), "description", r.description, "status", r.status)
		}
	}
	text := items.String()
	if list != "" {
		text = "<" + list + ">" + text + "</" + list + ">"
	}
	_, _ = fmt.Fprintf(w, `<%sResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>1</requestId>%s</%sResponse>`, action, text, action)
}

// The options that each command takes, besides output and query (AWS CLI Command Reference).
var takes = map[string][]string{
	"describe-client-vpn-endpoints":           {"client-vpn-endpoint-ids"},
	"describe-client-vpn-routes":              {"client-vpn-endpoint-id"},
	"describe-client-vpn-authorization-rules": {"client-vpn-endpoint-id"},
	"create-client-vpn-route":                 {"client-vpn-endpoint-id", "destination-cidr-block", "target-vpc-subnet-id", "description"},
	"delete-client-vpn-route":                 {"client-vpn-endpoint-id", "destination-cidr-block", "target-vpc-subnet-id"},
	"authorize-client-vpn-ingress":            {"client-vpn-endpoint-id", "target-network-cidr", "access-group-id", "authorize-all-groups", "description"},
	"revoke-client-vpn-ingress":               {"client-vpn-endpoint-id", "target-network-cidr", "access-group-id", "revoke-all-groups"},
}

// answerProgram is the AWS CLI, given its arguments: what it prints, and how it ends.
func (c *cloud) answerProgram(args []string) (text string, status int) {
	if len(args) < 2 || args[0] != "ec2" || takes[args[1]] == nil {
		c.t.Errorf("no command: %q", args)
		return "no command\n", 252
	}
	form := url.Values{}
	for i := 2; i < len(args); i++ {
		name, ok := strings.CutPrefix(args[i], "--")
		if !ok || !slices.Contains(append(takes[args[1]], "output", "query"), name) {
			c.t.Errorf("no option %q of %s", args[i], args[1])
		}
		value := "true"
		if !strings.HasSuffix(name, "-all-groups") {
			i++
			value = args[min(i, len(args)-1)]
		}
		form.Set(camel(name), value)
	}
	if form.Get("ClientVpnEndpointId")+form.Get("ClientVpnEndpointIds") != endpoint || form.Get("Output") != "text" {
		c.t.Errorf("another endpoint, or no text: %q", args)
	}
	if code := c.act(camel(args[1]), form); code != "" {
		return "An error occurred (" + code + ") when calling the " + camel(args[1]) + " operation: no\n", 254
	}
	return c.query(args[1], form.Get("Query")), 0
}

func camel(name string) string {
	var b strings.Builder
	for w := range strings.SplitSeq(name, "-") {
		b.WriteString(strings.ToUpper(w[:1]) + w[1:])
	}
	return b.String()
}

var descriptionIs = regexp.MustCompile(`Description=='([^']*)'`)

// query answers the four questions that the script asks.
func (c *cloud) query(command, q string) string {
	mine := descriptionIs.FindStringSubmatch(q)
	if mine != nil {
		q = strings.Replace(q, mine[1], "MINE", 1)
	}
	var b strings.Builder
	is := func(description string) string {
		if description == mine[1] {
			return "True"
		}
		return "False"
	}
	switch command + " " + q {
	case "describe-client-vpn-endpoints ClientVpnEndpoints[0].SplitTunnel":
		return map[bool]string{true: "True\n", false: "False\n"}[c.split]
	case "describe-client-vpn-routes Routes[?Status.Code!='deleting'].[DestinationCidr,TargetSubnet,Description=='MINE',Status.Code]":
		for _, r := range c.routes {
			if r.status != "deleting" {
				fmt.Fprintf(&b, "%s\t%s\t%s\t%s\n", r.cidr, r.subnet, is(r.description), r.status)
			}
		}
	case "describe-client-vpn-authorization-rules AuthorizationRules[?Status.Code!='revoking'].[DestinationCidr,AccessAll && 'all' || GroupId,Description=='MINE',Status.Code]":
		for _, r := range c.rules {
			if r.status != "revoking" {
				fmt.Fprintf(&b, "%s\t%s\t%s\t%s\n", r.cidr, r.group, is(r.description), r.status)
			}
		}
	case "describe-client-vpn-routes Routes[?Description=='MINE'].[DestinationCidr,TargetSubnet,Status.Code,Status.Message]":
		for _, r := range c.routes {
			if is(r.description) == "True" {
				fmt.Fprintf(&b, "%s\t%s\t%s\tNone\n", r.cidr, r.subnet, r.status)
			}
		}
	default:
		if strings.HasPrefix(command, "describe") {
			c.t.Errorf("no question: %s %s", command, q)
		}
	}
	return b.String()
}

// command is a run of a script, with aws as the program of that name or, where it is
// empty, with a few lines of shell in its place that ask this test.
func (c *cloud) command(f renderers.File, aws string, args ...string) *exec.Cmd {
	c.t.Helper()
	dir := c.t.TempDir()
	wrapper := "#!/bin/sh\nexec '" + aws + "' --endpoint-url " + c.URL + " \"$@\"\n"
	if aws == "" {
		wrapper = c.pipes(dir)
	}
	script := filepath.Join(dir, "script.sh")
	for name, text := range map[string]string{script: string(f.Data), filepath.Join(dir, "aws"): wrapper} {
		if err := os.WriteFile(name, []byte(text), 0o700); err != nil {
			c.t.Fatal(err)
		}
	}
	cmd := exec.Command("sh", append([]string{script}, args...)...)
	cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "AWS_ACCESS_KEY_ID=x", "AWS_SECRET_ACCESS_KEY=y",
		"AWS_REGION=eu-west-1", "AWS_DEFAULT_REGION=eu-west-1", // the second for version 1
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_EC2_METADATA_DISABLED=true", "AWS_MAX_ATTEMPTS=1",
		"SALLYPORT_PAUSE=0", "TMPDIR="+dir)
	return cmd
}

// run runs a script, and returns what it says.
func (c *cloud) run(f renderers.File, aws string, args ...string) (string, error) {
	c.t.Helper()
	out, err := c.command(f, aws, args...).CombinedOutput()
	return string(out), err
}

// pipes answers the program that it returns, one call after the other: its arguments come
// by one named pipe, a line each, and the answer goes back by another, behind its status
// and its number of lines. The test holds both ends of both, so that a program that is
// killed holds nobody up.
func (c *cloud) pipes(dir string) (program string) {
	c.t.Helper()
	names := []string{filepath.Join(dir, "question"), filepath.Join(dir, "answer")}
	if out, err := exec.Command("mkfifo", names...).CombinedOutput(); err != nil {
		c.t.Fatalf("%v\n%s", err, out)
	}
	var ends [2]*os.File
	for i, name := range names {
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			c.t.Fatal(err)
		}
		ends[i] = f
	}
	done := make(chan struct{})
	c.t.Cleanup(func() {
		_ = ends[0].Close()
		<-done
		_ = ends[1].Close()
	})
	go func() {
		defer close(done)
		var args []string
		for lines := bufio.NewScanner(ends[0]); lines.Scan(); {
			if lines.Text() != "END" {
				args = append(args, lines.Text())
				continue
			}
			c.mu.Lock()
			text, status := c.answerProgram(args)
			c.mu.Unlock()
			args = nil
			if _, err := fmt.Fprintf(ends[1], "%d %d\n%s", status, strings.Count(text, "\n"), text); err != nil {
				c.t.Error(err)
			}
		}
	}()
	return "#!/bin/sh\nprintf '%s\\n' \"$@\" END >'" + names[0] + "'\n" + `{
	read -r status lines
	[ "$status" = 0 ] || exec >&2
	while [ "$lines" -gt 0 ]; do
		IFS= read -r line
		printf '%s\n' "$line"
		lines=$((lines - 1))
	done
	exit "$status"
} <'` + names[1] + "'\n"
}
