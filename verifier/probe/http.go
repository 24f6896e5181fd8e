package probe

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"sallyport/verifier"
)

// A page is an answer to HEAD /.
type page struct {
	status   string
	code     int
	via      string // a proxy's own mark
	location string
	err      error
}

// maxHead bounds what is read of an answer.
const maxHead = 64 << 10

// askPage asks for the head of "/" over a connection. Any answer counts, also that the
// page is not found.
func askPage(ctx context.Context, conn net.Conn, host string) page {
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return page{err: err}
		}
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if _, err := fmt.Fprintf(conn, "HEAD / HTTP/1.1\r\nHost: %s\r\nUser-Agent: sallyport\r\nConnection: close\r\n\r\n", host); err != nil {
		return page{err: err}
	}
	answer, err := http.ReadResponse(bufio.NewReader(io.LimitReader(conn, maxHead)), &http.Request{Method: http.MethodHead})
	if err != nil {
		return page{err: err}
	}
	answer.Body.Close()
	return page{status: printable(answer.Status), code: answer.StatusCode, via: printable(answer.Header.Get("Via")),
		location: printable(answer.Header.Get("Location"))}
}

// elsewhere reports whether the page leads to another host, as portals do.
func (p page) elsewhere(host string) bool {
	u, err := url.Parse(p.location)
	return err == nil && u.Hostname() != "" && !strings.EqualFold(u.Hostname(), strings.TrimSuffix(host, ".")) &&
		!strings.HasSuffix(strings.ToLower(u.Hostname()), "."+strings.ToLower(strings.TrimSuffix(host, ".")))
}

func (p page) describe() string {
	if p.err != nil {
		return printable(fmt.Sprintf("no answer by HTTP: %v", p.err))
	}
	s := "HTTP answers " + p.status
	if p.location != "" {
		s += ", leads to " + p.location
	}
	if p.via != "" {
		s += ", by way of a proxy that calls itself " + p.via
	}
	return s
}

// probeHTTP asks in the clear. An answer does not prove that it comes from the target:
// a proxy on the way may have sent it. So this never says reachable.
func probeHTTP(ctx context.Context, e *env, t target) []verifier.Finding {
	conn, r := e.connect(ctx, t.dest())
	if conn == nil {
		return []verifier.Finding{e.finish(t, verifier.HTTP, r)}
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, e.timers.Handshake)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	p := askPage(ctx, conn, strings.TrimSuffix(t.probe.Host, "."))
	r.verdict = verifier.Inconclusive
	r.evidence = append(r.evidence, p.describe())
	f := e.finish(t, verifier.HTTP, r)
	switch {
	case p.err != nil:
		f.Summary = fmt.Sprintf("%s accepts a connection, and then no HTTP answer comes", f.Target())
		f.Remedy = "look for a proxy that accepts connections for others, or see whether the port speaks HTTP"
	case p.code == http.StatusProxyAuthRequired || p.code == http.StatusNetworkAuthenticationRequired:
		f.Outcome = verifier.Fail
		f.Summary = fmt.Sprintf("%s is answered by a proxy or portal that wants a login: %s", f.Target(), p.status)
		f.Remedy = "log in, or exempt this host from the proxy"
		f.Sign = verifier.SignPortal
	default:
		f.Outcome = verifier.Warn
		f.Summary = fmt.Sprintf("%s answers by HTTP, and nothing proves that it is the target", f.Target())
		f.Remedy = "nothing, as long as HTTPS to the same host is reachable"
		if p.elsewhere(t.probe.Host) {
			f.Sign = verifier.SignPortal
			f.Summary = fmt.Sprintf("%s answers by HTTP, and leads to another host: %s", f.Target(), p.location)
		}
	}
	return []verifier.Finding{f}
}
